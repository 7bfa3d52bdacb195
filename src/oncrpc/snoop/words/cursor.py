"""Reading the first fields of a message, without decoding all of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate

from oncrpc.snoop.words.text import shortened

UINT = struct.Struct(">I")
INT = struct.Struct(">i")
HYPER = struct.Struct(">Q")
MAX_HANDLES = 4096
"""File handles whose numbers are remembered."""

LONGEST_HANDLE = 128
"""Bytes of a file handle of NFS 4, at most; numbers of longer ones are not remembered."""


class CutShort(Exception):  # an outcome: the rest was not captured
    """The bytes end here; ``shown`` is what is known of the field."""

    def __init__(self, shown: str = "") -> None:
        super().__init__(shown)
        self.shown = shown


class Cursor:
    """A place in a message; every method reads what is there, and moves on.

    Reading beyond the end raises ``CutShort``. Sizes are compared with what is left, so that a
    size of the wire makes no copy larger than the message.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def _number(self, kind: struct.Struct) -> int:
        try:
            value: int = kind.unpack_from(self.data, self.at)[0]
        except struct.error:
            raise CutShort from None
        self.at += kind.size
        return value

    def uint(self) -> int:
        """An unsigned int."""
        return self._number(UINT)

    def signed(self) -> int:
        """A signed int."""
        return self._number(INT)

    def hyper(self) -> int:
        """An unsigned hyper."""
        return self._number(HYPER)

    def skip(self, size: int) -> None:
        """Go over ``size`` bytes; beyond the end it is the next read that fails."""
        self.at += size

    def fixed(self, size: int) -> bytes:
        """Opaque data of a fixed size, with its padding."""
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise CutShort
        self.at += (size + 3) & ~3
        return found

    def opaque(self) -> bytes:
        """Opaque data with its size before it."""
        return self.fixed(self.uint())

    def skip_opaque(self) -> None:
        """Go over opaque data with its size before it."""
        size = self.uint()
        self.at += (size + 3) & ~3

    def text(self) -> str:
        """A string, as a line shows it."""
        size = self.uint()
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise CutShort(shortened(found))
        self.at += (size + 3) & ~3
        return shortened(found)


def counted(cursor: Cursor, skip: Callable[[Cursor], object]) -> tuple[int, bool]:
    """The number of elements of a linked list, and whether its end was seen."""
    count = 0
    try:
        while cursor.uint():
            skip(cursor)
            if cursor.at > len(cursor.data):
                return count, False
            count += 1
    except CutShort:
        return count, False
    return count, True


def handle_hash(handle: bytes) -> int:
    """The number of 16 bits that stands for a file handle of NFS 2 and 3 in lines of snoop."""
    return _known_hash(handle) if len(handle) <= LONGEST_HANDLE else _hash(handle)


def adler_hash(data: bytes) -> int:
    """The number that stands for a handle, a state or an owner of NFS 4.

    It is that of Adler-32 without its divisor: the sum of the bytes, and the sum of those sums.
    """
    return _known_adler(data) if len(data) <= LONGEST_HANDLE else _adler(data)


def _hash(handle: bytes) -> int:
    total = 0
    for (word,) in UINT.iter_unpack(handle + b"\0" * (-len(handle) % 4)):
        total ^= (word >> 16) ^ word
    return total & 0xFFFF


def _adler(data: bytes) -> int:
    sums = list(accumulate(data, initial=1))
    return (sums[-1] ^ (sum(sums) - 1)) & 0xFFFF


_known_adler = lru_cache(MAX_HANDLES)(_adler)
_known_hash = lru_cache(MAX_HANDLES)(_hash)
"""Caches: numbers by handle, at most ``MAX_HANDLES`` of each, those used last."""
