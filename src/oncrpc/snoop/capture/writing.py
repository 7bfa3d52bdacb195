"""Write frames to a pcapng file (draft-ietf-opsawg-pcapng), with times in nanoseconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import BinaryIO

from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.capture.pcapng import ENHANCED_PACKET, IF_TSRESOL, INTERFACE, SECTION
from oncrpc.version import __version__

STATISTICS = 5
SHB_USERAPPL, IF_NAME, ISB_IFRECV, ISB_IFDROP = 4, 2, 4, 5
NANOSECONDS = bytes([9])
HEAD, TRAILER, OPTION = Struct("<II"), Struct("<I"), Struct("<HH")
SECTION_HEAD = Struct("<IHHq")
INTERFACE_HEAD = Struct("<HxxI")
PACKET_HEAD = Struct("<IIIIIII")
"""The head of a block with a frame: the type and size of the block, then the head of its body."""

STATISTICS_HEAD = Struct("<III")
COUNT = Struct("<Q")
ORDER, UNKNOWN_LENGTH = 0x1A2B3C4D, -1
Options = Iterable[tuple[int, bytes]]


class PcapngWriter:
    """Writes frames to a file, with a description of an interface for each link type.

    ``interface`` is the name of the interface of the capture, "" if it is not known.
    """

    def __init__(self, file: BinaryIO, interface: str = "") -> None:
        self._file, self._name = file, interface
        self._interfaces: dict[int, int] = {}
        self.written = 0
        application = f"rpcsnoop (oncrpc) {__version__}".encode()
        head = SECTION_HEAD.pack(ORDER, 1, 0, UNKNOWN_LENGTH)
        file.write(_block(SECTION, head, [(SHB_USERAPPL, application)]))

    def write(self, frame: CapturedFrame) -> None:
        """Write a frame.

        Raises:
            OSError: the file cannot be written.
        """
        number = self._interfaces.get(frame.link)
        if number is None:
            number = self._add_interface(frame.link)
        data, time = frame.data, frame.time
        padded = len(data) + (-len(data) & 3)
        size = PACKET_HEAD.size + padded + TRAILER.size
        self._file.write(
            PACKET_HEAD.pack(
                ENHANCED_PACKET,
                size,
                number,
                time >> 32,
                time & 0xFFFFFFFF,
                len(data),
                frame.length,
            )
            + data.ljust(padded, b"\0")
            + TRAILER.pack(size)
        )
        self.written += 1

    def finish(self, *, captured: int, dropped: int, time: int) -> None:
        """Write the numbers of captured and dropped frames; ``time`` is the end of the capture."""
        counts = [(ISB_IFRECV, COUNT.pack(captured + dropped)), (ISB_IFDROP, COUNT.pack(dropped))]
        for number in self._interfaces.values():
            head = STATISTICS_HEAD.pack(number, time >> 32, time & 0xFFFFFFFF)
            self._file.write(_block(STATISTICS, head, counts))

    def _add_interface(self, link: int) -> int:
        number = self._interfaces[link] = len(self._interfaces)
        options = [(IF_TSRESOL, NANOSECONDS)]
        if self._name:
            options.insert(0, (IF_NAME, self._name.encode()))
        self._file.write(_block(INTERFACE, INTERFACE_HEAD.pack(link, 0), options))
        return number


def _block(kind: int, head: bytes, options: Options) -> bytes:
    """A block with options."""
    body = head + b"".join(_options(options))
    size = HEAD.size + len(body) + TRAILER.size
    return HEAD.pack(kind, size) + body + TRAILER.pack(size)


def _options(options: Options) -> Iterator[bytes]:
    for code, value in options:
        yield OPTION.pack(code, len(value)) + value.ljust(len(value) + (-len(value) & 3), b"\0")
    yield OPTION.pack(0, 0)
