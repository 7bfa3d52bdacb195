"""The duplicate-request cache: a retransmitted call gets its first reply again.

A client that got no reply sends the same bytes again. If the procedure is not idempotent, running
it twice gives a wrong reply: the second SET finds the entry of the first and returns FALSE. A
retransmission of a call that is still in progress is dropped; the first one will be answered.

Handlers marked ``idempotent`` are never cached. The others, or only the ``procedures`` that the
cache is made with, are cached over UDP, and on streams too if it is made with ``streams=True``: a
client whose connection broke sends its calls again over the next one (RFC 1813 §4.5).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Collection, Coroutine
from hashlib import blake2b
from typing import Any

from oncrpc.rpc.program import AnyProcedure, Call, Caller
from oncrpc.rpc.prot import reply_stat

LIFETIME = 60.0
"""Seconds for which the reply to a call is kept for its retransmissions."""

MAX_BYTES = 4 << 20
"""Bytes of replies that are kept for retransmissions, with the overhead of each."""

OVERHEAD = 1024
"""Bytes that are counted for an entry besides its reply: its objects and its places in tables."""

DENIED = reply_stat.MSG_DENIED.to_bytes(4, "big")
Key = tuple[object, ...]


class CachedCall:
    """A call that has begun, and its reply once it is ``done``: None is a call without a reply."""

    __slots__ = ("at", "digest", "done", "key", "reply")

    def __init__(self, key: Key, digest: bytes) -> None:
        self.key, self.digest = key, digest
        self.at, self.done = 0.0, False
        self.reply: bytes | None = None

    @property
    def size(self) -> int:
        """The bytes that are counted for the entry."""
        return OVERHEAD + len(self.reply or b"")


class DuplicateCache:
    """Calls in progress, and the replies to those that ended.

    Key: the xid, the caller (its address and port, or the user at a local socket), and how the call
    arrived: netid, address called, interface scope, and whether over loopback or to a group.
    Therefore a forged datagram from outside never has the key of a local call. An entry matches if
    a checksum of all bytes of the call is the same: program, version, procedure, credential and
    arguments. Otherwise the new call replaces the entry, so a client that uses one xid for
    everything is safe.

    Bound: ``max_bytes`` of replies and overhead; the oldest reply is removed first. A reply longer
    than a sixteenth of that is not kept, since it would remove too many others: a retransmission of
    its call runs again. With the default that is 256 KiB, more than any reply over UDP. Calls in
    progress are bounded by the limits of the listeners. Only a checksum of each call is kept.

    Entries expire ``lifetime`` seconds after the reply. A reply of MSG_DENIED is not kept, since
    rights may change, and a cancelled call is removed: its retransmission runs.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        lifetime: float = LIFETIME,
        streams: bool = False,
        procedures: Collection[AnyProcedure] | None = None,
    ) -> None:
        self.max_bytes, self.lifetime, self.streams = max_bytes, lifetime, streams
        self.procedures = None if procedures is None else frozenset(procedures)
        self.size = 0
        self.in_progress: dict[Key, CachedCall] = {}
        self._done: OrderedDict[Key, CachedCall] = OrderedDict()

    def __len__(self) -> int:
        return len(self._done)

    def covers(self, call: Call) -> bool:
        """Whether this call is subject to the cache."""
        if not (call.caller.datagram or self.streams):
            return False
        return self.procedures is None or call.procedure in self.procedures

    def find(self, caller: Caller, message: bytes, now: float) -> CachedCall | None:
        """The same call, if it is in progress or ended within the lifetime."""
        key = key_of(caller, message)
        found = self.in_progress.get(key) or self._done.get(key)
        if found is None or found.digest != self.digest_of(message):
            return None
        return None if self.has_expired(found, now) else found

    def begin(self, caller: Caller, message: bytes) -> CachedCall:
        """Register a call that is about to run; ``finish`` or ``abandon`` it later."""
        call = self.new(caller, message)
        self._remove(call.key)
        self.in_progress[call.key] = call
        return call

    def new(self, caller: Caller, message: bytes) -> CachedCall:
        """The entry of a call that is about to run."""
        return CachedCall(key_of(caller, message), self.digest_of(message))

    def digest_of(self, message: bytes) -> bytes:
        """A checksum: calls with the same one are the same."""
        return checksum(message)

    def repeated(self, _call: CachedCall, _caller: Caller) -> Awaitable[bytes | None] | None:
        """The reply to a retransmission of a call in progress; None to drop it."""
        return None

    def carry_out(
        self, _call: CachedCall, outcome: Coroutine[Any, Any, bytes | None]
    ) -> Awaitable[bytes | None]:
        """Complete a call that takes time: ``outcome`` calls ``finish`` and returns the reply."""
        return outcome

    def has_expired(self, call: CachedCall, now: float) -> bool:
        """Whether a call ended too long ago."""
        return call.done and now - call.at > self.lifetime

    def finish(self, call: CachedCall, reply: bytes | None, now: float) -> None:
        """Keep the reply to a call, unless it is too long or another call has replaced this one."""
        if not self.abandon(call) or (reply is not None and not self._keeps(reply)):
            return
        call.reply, call.at, call.done = reply, now, True
        self._add(call)
        self._make_room(now)

    def abandon(self, call: CachedCall) -> bool:
        """Forget a call in progress. Returns False if another one has replaced it."""
        if self.in_progress.get(call.key) is not call:
            return False
        del self.in_progress[call.key]
        return True

    def _keeps(self, reply: bytes) -> bool:
        return reply[8:12] != DENIED and len(reply) <= self.max_bytes // 16

    def _make_room(self, now: float) -> None:
        while self._done:
            oldest = next(iter(self._done.values()))
            if self.size <= self.max_bytes and not self.has_expired(oldest, now):
                return
            self._remove(oldest.key)

    def _add(self, call: CachedCall) -> None:
        self._done[call.key] = call
        self.size += call.size

    def _remove(self, key: Key) -> CachedCall | None:
        removed = self._done.pop(key, None)
        if removed is not None:
            self.size -= removed.size
        return removed


def key_of(caller: Caller, message: bytes) -> Key:
    """The xid, the caller, and how the call arrived."""
    return (
        message[:4], caller.source, caller.uid,
        caller.netid, caller.local, caller.loopback, caller.to_group,
    )  # fmt: skip


def checksum(message: bytes) -> bytes:
    """The checksum of bytes."""
    return blake2b(message, digest_size=16).digest()
