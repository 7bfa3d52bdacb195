"""The reply cache: replies of pure procedures, kept for calls with the same bytes.

The reply of a pure procedure follows from three things: the bytes of its call after the xid, the
circumstances of the call (say the address that it was sent to), and one subject, such as a
registry. While the subject does not change, the same call in the same circumstances has the same
reply, apart from the xid. The cache is not a second server: it only repeats what the dispatcher
answered.

Counters stay exact. A reply remembers which counters its call raised, and how often it was sent
from the cache since; ``settle`` adds that number to the counters.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

from oncrpc.caching import Epoch, Subject
from oncrpc.rpc.record import record_mark

MAX_CACHED_BYTES = 8 << 20
"""Bytes of all cached replies, with their calls."""

MAX_EVICTING_BYTES = 9000
"""Bound of a cached call, and of a reply that may evict others."""

MAX_REPLY_BYTES = 1 << 20
"""Bytes of a cached reply."""

MAX_CIRCUMSTANCES = 256
"""Circumstances, such as the address that was called, that have cached replies of their own."""

CACHED_OVERHEAD = 256
"""Approximate bytes of an entry besides its call and its reply."""

REPLY_LIFETIME = 5.0
"""Seconds after which all replies are dropped: the addresses of this host may have changed."""


class Repeatable(Protocol):
    """Anything that can count repeated calls."""

    def again(self, times: int = 1) -> None:
        """Count one or more calls."""


class CallCounter:
    """Number of calls; complete after ``settle`` of the reply cache."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def again(self, times: int = 1) -> None:
        """Count one or more calls."""
        self.count += times


class CacheableReply(bytes):
    """A reply that is valid until the subject changes, and the counters that its call raised."""

    counters: Sequence[Repeatable]


class CachedReply:
    """A reply without its xid. Add one to ``hits`` each time it is sent again.

    ``mark`` is the record mark of the whole reply, for streams.
    """

    __slots__ = ("counters", "hits", "mark", "tail")

    def __init__(self, tail: bytes, counters: Sequence[Repeatable]) -> None:
        self.tail, self.counters, self.hits = tail, counters, 0
        self.mark = record_mark(4 + len(tail))


Replies = Mapping[bytes, CachedReply]
NO_REPLIES: Replies = {}


class ReplyCache:
    """Replies by circumstances and call.

    - Key: the circumstances, any hashable value, and the bytes of the call after its xid.
    - Bound: ``max_bytes`` of calls and replies, and 256 different circumstances.
    - Emptied, always as a whole: when the subject changes, when a new entry exceeds ``max_bytes``,
      when there are too many circumstances (the 257th), when a second reply to the same call is
      kept, after 5 seconds, and by ``forget``.

    Readers use ``replies``, which checks the subject first. The mapping that it returns is valid
    until another call is dispatched, which may change the subject: call ``replies`` again then.
    A holder of a ``CachedReply`` must drop it when ``generation_at`` changes, or its hits would not
    be counted.
    """

    def __init__(self, subject: Subject, *, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self.max_bytes, self.size = max_bytes, 0
        self._epoch = Epoch(subject, lifetime=REPLY_LIFETIME)
        self._generation = 0
        self._tables: dict[Hashable, dict[bytes, CachedReply]] = {}

    def generation_at(self, now: float) -> int:
        """A number that changes whenever replies are dropped."""
        if self._epoch.has_ended(now):
            self.forget()
        return self._generation

    def replies(self, circumstances: Hashable, now: float) -> Replies:
        """The replies to calls in these circumstances, by the bytes of the call after its xid."""
        if self._epoch.has_ended(now):
            self.forget()
        return self._tables.get(circumstances, NO_REPLIES)

    def keep(
        self, circumstances: Hashable, call: bytes, reply: bytes, counters: Sequence[Repeatable]
    ) -> CachedReply | None:
        """Keep the reply to a call, both with their xids. Returns None if it is too long.

        The subject is not checked here: if the call has changed it, the next reader drops the reply
        with all others. If ``keep`` compared, it would adopt the new generation and an older reply
        would survive.
        """
        size = len(call) + len(reply) + CACHED_OVERHEAD
        if len(call) > MAX_EVICTING_BYTES or len(reply) > MAX_REPLY_BYTES:
            return None
        full = self.size + size > self.max_bytes
        if full and len(reply) > MAX_EVICTING_BYTES:
            return None
        table = self._tables.get(circumstances)
        if full or (table is None and len(self._tables) >= MAX_CIRCUMSTANCES):
            self.forget()
        elif table is not None and call[4:] in table:
            self.forget()  # a holder of the former reply must drop it: its hits would be lost
        self.size += size
        kept = CachedReply(reply[4:], counters)
        self._tables.setdefault(circumstances, {})[call[4:]] = kept
        return kept

    def settle(self) -> None:
        """Count the calls that were answered from the cache. Readers of counters call it first."""
        for table in self._tables.values():
            for kept in table.values():
                if kept.hits:
                    for counter in kept.counters:
                        counter.again(kept.hits)
                    kept.hits = 0

    def forget(self) -> None:
        """Settle, and drop every reply."""
        self.settle()
        self._tables = {}
        self.size = 0
        self._generation += 1
