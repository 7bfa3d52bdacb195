"""A captured frame, the link types that are read, and the error of a damaged capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol

from oncrpc.errors import ProtocolError

MAX_FRAME = 1 << 20
"""Bytes of a captured frame; a longer one means that the capture is damaged there."""


class LinkType(IntEnum):
    """The link types whose frames are read; the numbers are those of pcap and pcapng."""

    NULL = 0
    ETHERNET = 1
    RAW_BSD = 12
    RAW_OPENBSD = 14
    RAW = 101
    LOOP = 108
    LINUX_SLL = 113
    IPV4 = 228
    IPV6 = 229
    LINUX_SLL2 = 276


class CapturedFrame(NamedTuple):
    """What the capture has of a frame."""

    number: int
    """The first frame of a capture is 1."""

    time: int
    """Nanoseconds since 1970."""

    link: int
    """A ``LinkType``, or a number that this package does not read."""

    data: bytes
    length: int
    """Bytes of the frame on the wire: ``data`` is shorter if the capture was made with a limit."""


FramePlace = tuple[int, int, int, int, int, int]
"""Where a frame is in a buffer: number, time, link, begin, end, and length on the wire.

The frame is ``buffer[begin:end]``; the other values are those of ``CapturedFrame``. A reader of
statistics looks at the headers in the buffer itself: to copy each frame costs as much.
"""


class CaptureDamaged(ProtocolError):
    """The capture cannot be read on from ``offset``; all frames before it were read."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"byte {offset}: {reason}")
        self.offset, self.reason = offset, reason


class FrameReader(Protocol):
    """Finds the frames of one capture in consecutive pieces of it.

    ``at`` is the place in the last piece up to which ``places`` has read. The next piece begins
    with the byte at that place. ``base`` is the place of a piece in the capture, for errors.
    """

    at: int
    base: int

    def places(self, data: bytes, at: int, end: int) -> Iterator[FramePlace]:
        """The whole frames between two places of a piece.

        Raises:
            CaptureDamaged: after all frames before the damage.
        """
        ...


def frames_at(data: bytes, places: Iterable[FramePlace]) -> Iterator[CapturedFrame]:
    """The frames at some places of a buffer."""
    for number, time, link, begin, end, length in places:
        yield CapturedFrame(number, time, link, data[begin:end], length)
