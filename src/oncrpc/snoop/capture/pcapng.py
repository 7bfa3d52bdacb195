"""The pcapng format: sections of blocks (draft-ietf-opsawg-pcapng).

The blocks that are read are those that begin a section, describe an interface, or hold a frame. All
others are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from oncrpc.snoop.capture.frames import MAX_FRAME, CaptureDamaged, FramePlace

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
IF_TSRESOL, IF_TSOFFSET = 9, 14
MAX_BLOCK = MAX_FRAME + (1 << 20)
"""Bytes of a block; a longer one means that the capture is damaged there."""

MAX_INTERFACES = 65536
"""Interfaces of a section."""

SECOND = 1_000_000_000


class _Layout:
    """The structures of a section, in its byte order."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.block = Struct(f"{order}II")
        self.trailer = Struct(f"{order}I")
        self.interface = Struct(f"{order}HxxI")
        self.enhanced = Struct(f"{order}IIIII")
        self.old = Struct(f"{order}HxxIIII")
        self.option = Struct(f"{order}HH")


class _Interface(NamedTuple):
    """An interface: a time of ``n`` units is ``n * multiplier // divisor + offset`` nanoseconds."""

    link: int
    most: int
    multiplier: int = 1000
    divisor: int = 1
    offset: int = 0


class PcapngReader:
    """A ``FrameReader`` of a pcapng file."""

    def __init__(self) -> None:
        self._layout = _Layout("<")
        self._interfaces: list[_Interface] = []
        self._number = 0
        self.at = self.base = 0

    def places(self, data: bytes, at: int, end: int) -> Iterator[FramePlace]:
        """The whole frames between two places of a piece."""
        self.at = at
        while at + 12 <= end:
            if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                self._begin_section(data, at)
            kind, length = self._layout.block.unpack_from(data, at)
            if length < 12 or length % 4 or length > MAX_BLOCK:
                raise self._damaged(at, f"a block of {length} bytes")
            following = at + length
            if following > end:
                break
            if self._layout.trailer.unpack_from(data, following - 4)[0] != length:
                raise self._damaged(at, "the two lengths of a block differ")
            place = self._block(kind, data, at + 8, following - 4)
            self.at = at = following
            if place is not None:
                yield place

    def _block(self, kind: int, data: bytes, at: int, end: int) -> FramePlace | None:
        """The frame in the body of a block, if it holds one."""
        if kind == ENHANCED_PACKET:
            return self._packet(self._layout.enhanced, data, at, end)
        if kind == OLD_PACKET:
            return self._packet(self._layout.old, data, at, end)
        if kind == SIMPLE_PACKET:
            return self._simple_packet(data, at, end)
        if kind == INTERFACE:
            self._add_interface(data, at, end)
        return None

    def _packet(self, layout: Struct, data: bytes, at: int, end: int) -> FramePlace:
        begin = at + layout.size
        if begin > end:
            raise self._damaged(at, "a block is too short for a frame")
        number, high, low, captured, length = layout.unpack_from(data, at)
        if begin + captured > end:
            raise self._damaged(at, "a frame is longer than its block")
        interface = self._interface(number, at)
        units = high << 32 | low
        time = units * interface.multiplier // interface.divisor + interface.offset
        return self._place(time, interface.link, begin, begin + captured, length)

    def _simple_packet(self, data: bytes, at: int, end: int) -> FramePlace:
        """A frame without a time, of the first interface."""
        if at + 4 > end:
            raise self._damaged(at, "a block is too short for a frame")
        (length,) = self._layout.trailer.unpack_from(data, at)
        interface = self._interface(0, at)
        captured = min(length, interface.most or length, end - at - 4)
        return self._place(0, interface.link, at + 4, at + 4 + captured, length)

    def _place(self, time: int, link: int, begin: int, end: int, length: int) -> FramePlace:
        self._number += 1
        return self._number, time, link, begin, end, length

    def _interface(self, number: int, at: int) -> _Interface:
        if number >= len(self._interfaces):
            raise self._damaged(at, f"a frame of interface {number}, which is not described")
        return self._interfaces[number]

    def _begin_section(self, data: bytes, at: int) -> None:
        order = ORDERS.get(data[at + 8 : at + 12])
        if order is None:
            raise self._damaged(at, "a section of no known byte order")
        if order != self._layout.order:
            self._layout = _Layout(order)
        self._interfaces = []

    def _add_interface(self, data: bytes, at: int, end: int) -> None:
        if at + 8 > end or len(self._interfaces) >= MAX_INTERFACES:
            raise self._damaged(at, "an invalid description of an interface")
        link, most = self._layout.interface.unpack_from(data, at)
        options = dict(self._options(data, at + 8, end))
        multiplier, divisor = _resolution(options.get(IF_TSRESOL, b""))
        offset = options.get(IF_TSOFFSET, b"")
        seconds = Struct(f"{self._layout.order}q").unpack(offset)[0] if len(offset) == 8 else 0
        self._interfaces.append(_Interface(link, most, multiplier, divisor, seconds * SECOND))

    def _options(self, data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= end:
            code, length = self._layout.option.unpack_from(data, at)
            if code == 0 or at + 4 + length > end:
                return
            yield code, data[at + 4 : at + 4 + length]
            at += 4 + (length + 3) // 4 * 4

    def _damaged(self, at: int, reason: str) -> CaptureDamaged:
        return CaptureDamaged(self.base + at, reason)


def _resolution(option: bytes) -> tuple[int, int]:
    """What a unit of time is multiplied with, and divided by, to get nanoseconds."""
    if len(option) != 1:
        return 1000, 1
    power = option[0] & 0x7F
    units = 1 << power if option[0] & 0x80 else 10**power
    return (SECOND // units, 1) if SECOND % units == 0 else (SECOND, units)
