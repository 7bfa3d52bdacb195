"""Record marking on byte streams (RFC 5531 §11).

A record is one or more fragments; a fragment is a four-byte header, whose highest bit marks the
last fragment and whose other bits are the length, and the data. Fragments of length zero are legal.
"""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.errors import ProtocolError

LAST_FRAGMENT = 0x80000000
MAX_RECORD = 1 << 20
MAX_FRAGMENTS = 1024


def encode_record(message: bytes) -> bytes:
    """The message as a record of one fragment."""
    return record_mark(len(message)) + message


def record_mark(length: int) -> bytes:
    """The header of a record of one fragment."""
    return (LAST_FRAGMENT | length).to_bytes(4, "big")


class RecordReader:
    """Bytes in, whole records out, bounded by ``max_record`` bytes and ``max_fragments``.

    What is held is never more than the bounds and what was fed last: a header that announces too
    much is refused before its data is awaited.
    """

    def __init__(self, *, max_record: int = MAX_RECORD, max_fragments: int = MAX_FRAGMENTS) -> None:
        self.max_record, self.max_fragments = max_record, max_fragments
        self._buffer = bytearray()
        self._at = 0
        self._record: list[bytes] = []
        self._size = 0

    @property
    def within_record(self) -> bool:
        """Some bytes of a record are here, but not all of them."""
        return bool(len(self._buffer) > self._at or self._record)

    @property
    def unread(self) -> bytes:
        """Bytes that, fed to another reader, bring it to where this one is."""
        data = b"".join(self._record)
        begun = len(data).to_bytes(4, "big") + data if self._record else b""
        return begun + self._buffer[self._at :]

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def records(self) -> Iterator[bytes]:
        """Whole records, oldest first; may be left at any time and gone on with later.

        Raises:
            ProtocolError: a record or its number of fragments is beyond the bounds; the stream
                cannot be read on.
        """
        while (fragment := self._fragment()) is not None:
            data, last = fragment
            self._record.append(data)
            self._size += len(data)
            if last:
                record = data if len(self._record) == 1 else b"".join(self._record)
                self._record, self._size = [], 0
                yield record

    def _fragment(self) -> tuple[bytes, bool] | None:
        """Take the next whole fragment off the buffer: its data, and whether it is the last."""
        buffer, begin = self._buffer, self._at + 4
        if len(buffer) < begin:
            return None
        header = int.from_bytes(buffer[self._at : begin], "big")
        length = header & ~LAST_FRAGMENT
        if self._size + length > self.max_record:
            raise ProtocolError(f"a record of over {self.max_record} bytes")
        if len(self._record) >= self.max_fragments:
            raise ProtocolError(f"a record of over {self.max_fragments} fragments")
        if len(buffer) < begin + length:
            return None
        self._at = begin + length
        data = bytes(buffer[begin : self._at])
        return data, bool(header & LAST_FRAGMENT)
