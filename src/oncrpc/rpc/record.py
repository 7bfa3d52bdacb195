"""Record marking on byte streams (RFC 5531 §11).

A record is one or more fragments; a fragment is a four-byte header, whose highest bit marks the
last fragment and whose other bits are the length, and the data. Fragments of length zero are legal.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from oncrpc.errors import LimitExceeded

LAST_FRAGMENT = 0x80000000
MARK = Struct(">I")
MAX_RECORD = 1 << 20
"""Bytes of a record, where the reader is given no other bound."""

MAX_FRAGMENTS = 1024
"""Fragments of a record."""


def encode_record(message: bytes) -> bytes:
    """The message as a record of one fragment."""
    return record_mark(len(message)) + message


def record_mark(length: int) -> bytes:
    """The header of a record of one fragment."""
    return MARK.pack(LAST_FRAGMENT | length)


class RecordReader:
    """Bytes in, whole records out, bounded by ``max_record`` bytes and ``max_fragments``.

    At most the bounds and the last data fed are held: a header that announces too much is refused
    before its data arrives. Fragments are joined as they come, so that small ones cost no more than
    their bytes. ``joined`` counts the fragments joined so far: the cost of a record is not only its
    length.
    """

    def __init__(self, *, max_record: int = MAX_RECORD, max_fragments: int = MAX_FRAGMENTS) -> None:
        self.max_record, self.max_fragments = max_record, max_fragments
        self._buffer: bytes | bytearray = b""
        self._at = 0
        self._record = bytearray()
        self._fragments = 0
        self.joined = 0

    @property
    def within_record(self) -> bool:
        """Whether some bytes of a record have arrived, but not all."""
        return bool(len(self._buffer) > self._at or self._fragments)

    @property
    def held(self) -> int:
        """How many bytes are held."""
        return len(self._buffer) + len(self._record)

    @property
    def unread(self) -> bytes:
        """Bytes that bring another reader to the state of this one."""
        begun = len(self._record).to_bytes(4, "big") + self._record if self._fragments else b""
        return begun + self._buffer[self._at :]

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if self._at == len(self._buffer):
            self._buffer, self._at = data, 0
        else:
            rest = self._rest()
            rest += data
            self._buffer, self._at = rest, 0

    def forget(self) -> None:
        """Drop everything that is held."""
        self._buffer, self._record = b"", bytearray()
        self._at = self._fragments = 0

    def records(self) -> Iterator[bytes]:
        """Whole records, oldest first; iteration may stop and be resumed at any time.

        Raises:
            LimitExceeded: a record or its number of fragments is beyond the bounds; the stream
                cannot be read on.
        """
        while len(self._buffer) - self._at >= MARK.size:
            buffer, at = self._buffer, self._at
            (mark,) = MARK.unpack_from(buffer, at)
            length = mark & ~LAST_FRAGMENT
            if self._fragments or length > self.max_record:
                self._check(length)
            end = at + MARK.size + length
            if end > len(buffer):
                break
            self._at = end
            data = bytes(buffer[at + MARK.size : end])
            if mark >= LAST_FRAGMENT and not self._fragments:
                yield data
                continue
            self._record += data
            self._fragments += 1
            self.joined += 1
            if mark >= LAST_FRAGMENT:
                record = bytes(self._record)
                self._record, self._fragments = bytearray(), 0
                yield record
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0
        elif self._at:
            self._buffer, self._at = self._rest(), 0

    def _check(self, length: int) -> None:
        """Refuse a fragment of that length that exceeds a bound."""
        if len(self._record) + length > self.max_record:
            raise LimitExceeded(f"a record of over {self.max_record} bytes")
        if self._fragments >= self.max_fragments:
            raise LimitExceeded(f"a record of over {self.max_fragments} fragments")

    def _rest(self) -> bytearray:
        """The bytes that are not read yet, in a buffer that can be extended."""
        if not isinstance(self._buffer, bytearray):
            return bytearray(self._buffer[self._at :])
        del self._buffer[: self._at]
        return self._buffer
