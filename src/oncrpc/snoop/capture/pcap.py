"""The pcap format: a header of the file, then records of frames (draft-ietf-opsawg-pcap)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from oncrpc.snoop.capture.frames import MAX_FRAME, CaptureDamaged, FramePlace

HEADER = 24
MAGICS = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""The byte order, and the nanoseconds of the unit in which fractions of a second are counted."""


class PcapReader:
    """A ``FrameReader`` of a pcap file, made of its first 24 bytes."""

    def __init__(self, header: bytes) -> None:
        order, self._unit = MAGICS[header[:4]]
        self._record = Struct(f"{order}IIII")
        (link,) = Struct(f"{order}20xI").unpack(header[:HEADER])
        self._link = link & 0xFFFF  # the upper bits tell of a frame check sequence
        self._number = 0
        self.at, self.base = HEADER, 0

    def places(self, data: bytes, at: int, end: int) -> Iterator[FramePlace]:
        """The whole frames between two places of a piece."""
        unpack, unit, link, number = self._record.unpack_from, self._unit, self._link, self._number
        second = base = 0
        while (begin := at + 16) <= end:
            seconds, fraction, captured, length = unpack(data, at)
            following = begin + captured
            if following > end:
                if captured > MAX_FRAME:
                    raise CaptureDamaged(self.base + at, f"a frame of {captured} bytes")
                break
            if seconds != second:  # most frames are of the same second
                second, base = seconds, seconds * 1_000_000_000
            number += 1
            at = following
            yield number, base + fraction * unit, link, begin, following, length
        self.at, self._number = at, number
