"""Replies that stay true: those of pure procedures, remembered under the bytes of their calls.

The reply of a pure procedure follows from its call, from the circumstances in which it was made
(say the address that was asked), and from one subject, such as a registry. While the subject's
``generation`` stays the same the same call has the same reply, but for the xid, and need not be
worked out again. This is no second server: what is kept is what the dispatcher answered.

What a call counted is counted again for each time that its reply is found in memory.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from oncrpc.rpc.record import record_mark

MAX_KEPT_BYTES = 8 << 20
"""Bytes of all cached replies, with their calls."""

MAX_KEPT_MESSAGE = 9000
"""Bytes of a cached call. Longer replies are cached only while nothing must be evicted."""

MAX_KEPT_REPLY = 1 << 20
"""Bytes of a cached reply."""

MAX_TABLES = 256
"""Circumstances, such as the address that was called, that have cached replies of their own."""

KEPT_OVERHEAD = 256
LIFETIME = 5.0
"""Seconds after which everything is worked out anew: the addresses of a host may change."""

Counts = list[tuple[list[int], int]]
"""Counters that went up by one: each a list, and the index in it."""


class Subject(Protocol):
    """What replies are about; its generation differs after every change."""

    generation: int


class Lasting(bytes):
    """A reply that is true until the subject changes, and what its call counted."""

    counts: Counts


class Kept:
    """A reply from its second word on, and how often it was asked for since hits were settled.

    ``mark`` is the record mark of the whole reply, for streams.
    """

    __slots__ = ("counts", "hits", "mark", "tail")

    def __init__(self, tail: bytes, counts: Counts) -> None:
        self.tail, self.counts, self.hits = tail, counts, 0
        self.mark = record_mark(4 + len(tail))


Table = dict[bytes, Kept]
"""Kept replies by the bytes of the call after its xid."""


class Memo:
    """Tables of kept replies, one for every circumstance; bounded in bytes.

    ``epoch`` grows when the tables themselves are dropped: whoever holds one asks for it again.
    ``forgotten`` grows with each ``forget``: whoever holds a kept reply lets go of it.
    """

    def __init__(self, subject: Subject, *, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self.subject, self.max_bytes = subject, max_bytes
        self.generation, self.epoch, self.forgotten = subject.generation, 0, 0
        self.size = 0
        self._tables: dict[Hashable, Table] = {}
        self._until = 0.0

    def table(self, circumstances: Hashable) -> Table:
        """The table of calls that were made in these circumstances."""
        table = self._tables.get(circumstances)
        if table is None:
            if len(self._tables) >= MAX_TABLES:
                self.forget()
                self._tables = {}
                self.epoch += 1
            table = self._tables[circumstances] = {}
        return table

    def refresh(self, now: float) -> None:
        """Forget what may no longer be true. To be called before a table is read."""
        if self.generation != self.subject.generation or now >= self._until:
            self.forget()
            self._until = now + LIFETIME

    def keep(self, table: Table, call: bytes, reply: bytes, counts: Counts) -> None:
        """Remember the reply to a call, both with their xids, and what the call counted."""
        size = len(call) + len(reply) + KEPT_OVERHEAD
        if len(call) > MAX_KEPT_MESSAGE or len(reply) > MAX_KEPT_REPLY:
            return
        if self.size + size > self.max_bytes:
            if len(reply) > MAX_KEPT_MESSAGE:
                return
            self.forget()
        self.size += size
        table[call[4:]] = Kept(reply[4:], counts)

    def settle(self) -> None:
        """Count the calls that were answered from memory, so that counters can be read."""
        for table in self._tables.values():
            for kept in table.values():
                if kept.hits:
                    for counters, index in kept.counts:
                        counters[index] += kept.hits
                    kept.hits = 0

    def forget(self) -> None:
        """Settle, and forget every reply."""
        self.settle()
        for table in self._tables.values():
            table.clear()
        self.size = 0
        self.forgotten += 1
        self.generation = self.subject.generation
