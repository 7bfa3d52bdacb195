"""Replies from a stream; the data of a READ are received into the buffer of the caller.

Collecting, decoding and joining a reply of 1 MiB would copy it three times. So this reader checks
the first bytes of each record. If they are the header of a successful READ of version 3, and the
call has a buffer, the data are received into that buffer. All other records are returned whole, for
the usual decoder.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from oncrpc.errors import LimitExceeded, TransportError
from oncrpc.rpc.record import LAST_FRAGMENT

MAX_REPLY = 4 << 20
"""Bytes of a reply (NFS client)."""

MAX_FRAGMENTS = 4096
"""Fragments of a reply (NFS client)."""

HEAD = 4096
MARK = 4
_WORDS = struct.Struct(">8I")
"""xid, REPLY, MSG_ACCEPTED, flavor and length of the verifier, SUCCESS, NFS3_OK, and whether
attributes follow."""

_COUNTS = struct.Struct(">3I")
"""``count``, ``eof`` and the length of ``data`` in ``READ3resok``."""

ATTRIBUTES = 84
"""Bytes of ``fattr3``."""

PREFIX = _WORDS.size + ATTRIBUTES + _COUNTS.size
"""The size of the longest header of a READ, which must have arrived to recognize it."""


class ReadReply(NamedTuple):
    """A successful READ; its data are in the buffer of its call."""

    xid: int
    size: int
    eof: bool


class ReplyReader:
    """The replies on one connection. ``buffer_for`` returns the buffer of the READ with an xid.

    ``_head`` has unread bytes from ``_at`` to ``_have``. While ``_body`` is set, bytes are received
    into it, and ``_head`` is empty. ``_body`` is the buffer of the READ ``_reading``, or a new one
    for a fragment if ``_reading`` is None.
    """

    def __init__(self, buffer_for: Callable[[int], memoryview | None]) -> None:
        self.buffer_for = buffer_for
        self._head = memoryview(bytearray(HEAD))
        self._at = self._have = 0
        self._body: memoryview | None = None
        self._filled = self._padding = self._fragments = 0
        self._last = False
        self._reading: ReadReply | None = None
        self._record = bytearray()

    def receive(self, sock: socket.socket) -> list[bytes | ReadReply]:
        """Read once from the socket, and return the replies that are complete.

        Raises:
            TransportError: the peer has ended the stream. OSError. BlockingIOError: nothing came.
            LimitExceeded: a reply is too long. The rest of the stream cannot be read.
        """
        if self._body is not None:
            received = sock.recv_into(self._body[self._filled :])
            self._filled += received
        else:
            received = sock.recv_into(self._head[self._have :])
            self._have += received
        if not received:
            raise TransportError.number(errno.ECONNRESET)
        found = list(self._replies())
        rest = self._have - self._at
        self._head[:rest] = self._head[self._at : self._have]
        self._at, self._have = 0, rest
        return found

    @property
    def within_data(self) -> bool:
        """Whether only a part of the data of a READ has arrived."""
        return self._reading is not None

    def abandon(self, xid: int) -> None:
        """Stop writing to the buffer of this call; discard its remaining data."""
        if self._reading is not None and self._reading.xid == xid and self._body is not None:
            self._body = memoryview(bytearray(len(self._body)))

    def _replies(self) -> Iterator[bytes | ReadReply]:
        while self._body is not None or self._begin():
            assert self._body is not None, "_begin has set it"
            if self._filled < len(self._body):
                return
            body, self._body = self._body, None
            reading, self._reading = self._reading, None
            if reading is not None:
                yield reading
            elif self._last and not self._fragments:
                yield bytes(body)
            else:
                self._record += body
                self._fragments += 1
                if self._last:
                    record, self._record, self._fragments = self._record, bytearray(), 0
                    yield bytes(record)

    def _begin(self) -> bool:
        """Begin the next fragment; False if its first bytes have not arrived."""
        skipped = min(self._padding, self._have - self._at)
        self._at, self._padding = self._at + skipped, self._padding - skipped
        have = self._have - self._at
        if self._padding or have < MARK:
            return False
        mark = int.from_bytes(self._head[self._at : self._at + MARK], "big")
        length = mark & ~LAST_FRAGMENT
        self._check(length)
        if have - MARK < min(length, PREFIX):
            return False
        self._at += MARK
        self._last = mark >= LAST_FRAGMENT
        whole = self._last and not self._fragments
        body = self._buffer(length) if whole else None
        if body is None:
            body = memoryview(bytearray(length))
        self._filled = min(len(body), self._have - self._at)
        body[: self._filled] = self._head[self._at : self._at + self._filled]
        self._at += self._filled
        self._body = body
        return True

    def _check(self, length: int) -> None:
        if len(self._record) + length > MAX_REPLY:
            raise LimitExceeded(f"a reply of over {MAX_REPLY} bytes")
        if self._fragments >= MAX_FRAGMENTS:
            raise LimitExceeded(f"a reply of over {MAX_FRAGMENTS} fragments")

    def _buffer(self, length: int) -> memoryview | None:
        """The buffer for the data of this record, if it is a successful READ that has one."""
        if length < PREFIX - ATTRIBUTES:
            return None
        xid, *words, follows = _WORDS.unpack_from(self._head, self._at)
        kind, accepted, _, verifier, success, status = words
        if kind != 1 or accepted or verifier or success or status or follows > 1:
            return None
        header = _WORDS.size + ATTRIBUTES * follows + _COUNTS.size
        buffer = self.buffer_for(xid)
        if buffer is None or length < header:
            return None
        count, eof, size = _COUNTS.unpack_from(self._head, self._at + header - _COUNTS.size)
        padding = -size % 4
        if count != size or size > len(buffer) or eof > 1 or header + size + padding != length:
            return None
        self._reading = ReadReply(xid, size, bool(eof))
        self._at += header
        self._padding = padding
        return buffer[:size]
