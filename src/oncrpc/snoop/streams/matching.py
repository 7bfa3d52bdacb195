"""Calls and their replies (RFC 5531 §9), told from retransmissions and reused xids.

A call and its reply have the xid and the conversation in common. Over UDP a server may answer from
another of its addresses, and many may answer a broadcast, so that only the client counts there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from oncrpc.snoop.messages import Party, RpcMessage

MAX_PENDING = 100_000
"""Calls that wait for a reply; then the oldest is forgotten."""

MAX_ANSWERED = 4096
"""Answered calls that are kept to recognise retransmissions and second replies."""

MAX_EARLY_REPLIES = 1024
"""Replies whose call was not seen yet."""

MAX_PENDING_BYTES = 8 << 20
"""Bytes that pending calls take; then the oldest is forgotten."""

MAX_ANSWERED_BYTES = 4 << 20
"""Bytes that answered calls take; then the oldest is forgotten."""

COST = 1000
"""Bytes that a call takes apart from its body."""

COMPARED = 2048
"""Bytes of the body in which a retransmission does not differ from the call."""

REUSE = 60 * 1_000_000_000
"""Nanoseconds after which the same call with the same xid is a new call."""

PATIENCE = 100_000_000
"""Nanoseconds for which a reply waits for its call: a capture may have them in either order."""

REPLY_PATIENCE = 1_000_000_000
"""Nanoseconds for which a call in doubt waits for its reply."""

MAX_DOUBTFUL_CALLS = 1024
"""Calls in doubt."""

RPCSEC_GSS = b"\0\0\0\6"
Key = tuple[bytes, int]


class KnownCall:
    """A call, the servers that have answered it, and when it was last of interest."""

    __slots__ = ("answered_by", "call", "cost", "time")

    def __init__(self, call: RpcMessage) -> None:
        self.call = call
        self.answered_by: tuple[Party, ...] = ()
        self.time = call.time
        self.cost = len(call.body) + COST


class BoundedCalls:
    """Calls by their key, the oldest first, bounded in number and bytes.

    The first of a ``dict`` is found slowly after many were removed from its front; hence the
    ``OrderedDict``.
    """

    def __init__(self, most: int, *, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._calls: OrderedDict[Key, KnownCall] = OrderedDict()
        self._cost = 0
        self.forgotten = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._calls

    def __iter__(self) -> Iterator[KnownCall]:
        return iter(self._calls.values())

    def get(self, key: Key) -> KnownCall | None:
        """The call of that key."""
        return self._calls.get(key)

    def put(self, key: Key, known: KnownCall) -> None:
        """Keep a call, in place of any other with its key."""
        if key in self._calls:
            self.take(key)
        self._calls[key] = known
        self._cost += known.cost
        while len(self._calls) > self._most or self._cost > self._most_bytes:
            _, oldest = self._calls.popitem(last=False)
            self._cost -= oldest.cost
            self.forgotten += 1

    def take(self, key: Key) -> KnownCall | None:
        """Remove a call."""
        known = self._calls.pop(key, None)
        if known is not None:
            self._cost -= known.cost
        return known


class DoubtfulCall(NamedTuple):
    """A call found by a search; ``likely`` if it may be believed even without a reply."""

    call: RpcMessage
    likely: bool


class CallMatcher:
    """Finds the call of each reply; ``forgotten`` counts unanswered calls beyond the bounds.

    A message in doubt is believed when its counterpart comes: data that look like a call are not
    answered. ``dropped`` counts those that were not believed.
    """

    def __init__(self) -> None:
        self._pending = BoundedCalls(MAX_PENDING, most_bytes=MAX_PENDING_BYTES)
        self._answered = BoundedCalls(MAX_ANSWERED, most_bytes=MAX_ANSWERED_BYTES)
        self._early: OrderedDict[Key, RpcMessage] = OrderedDict()
        self._doubtful: OrderedDict[Key, DoubtfulCall] = OrderedDict()
        self.dropped = 0

    @property
    def forgotten(self) -> int:
        """The number of calls that were forgotten before a reply came."""
        return self._pending.forgotten

    def unanswered(self) -> Iterator[RpcMessage]:
        """The calls without a reply, oldest first."""
        return (known.call for known in self._pending)

    @property
    def waits(self) -> bool:
        """True if a message waits that ``overdue`` may return."""
        return bool(self._early or self._doubtful)

    def is_known(self, key: Key) -> bool:
        """True if a call waits for a reply, or was answered not long ago."""
        return key in self._pending or key in self._answered or key in self._doubtful

    def is_doubtful(self, key: Key) -> bool:
        """True if a call in doubt waits for a reply."""
        return key in self._doubtful

    def is_pending(self, key: Key) -> bool:
        """True if a call waits for a reply."""
        return key in self._pending

    def call(self, key: Key, call: RpcMessage) -> list[RpcMessage]:
        """Take a call; it, marked if it is a retransmission, and its reply if that came first."""
        known = self._pending.get(key)
        if known is None:
            known = self._answered.get(key)
        if known is not None and _repeats(call, known):
            known.time = call.time
            return [_changed(call, retransmission=True)]
        if known is not None:
            self._answered.take(key)
        self._pending.put(key, KnownCall(call))
        early = self._early.pop(key, None)
        if early is None:
            return [call]
        return [call, self._answer(key, early, call)]

    def doubtful_call(self, key: Key, call: RpcMessage, *, likely: bool) -> list[RpcMessage]:
        """Take a call that is in doubt; nothing if it waits for its reply."""
        if self.is_known(key) or key in self._early:
            return self.call(key, call)
        self._doubtful[key] = DoubtfulCall(call, likely)
        if len(self._doubtful) > MAX_DOUBTFUL_CALLS:
            return self._decide(next(iter(self._doubtful)))
        return []

    def _decide(self, key: Key) -> list[RpcMessage]:
        """Believe or drop a call to which no reply came."""
        call, likely = self._doubtful.pop(key)
        if likely:
            return self.call(key, call)
        self.dropped += 1
        return []

    def reply(self, key: Key, reply: RpcMessage) -> list[RpcMessage]:
        """Take a reply; nothing if it waits for its call."""
        if self._doubtful and (doubtful := self._doubtful.pop(key, None)) is not None:
            return self.call(key, doubtful.call) + self.reply(key, reply)
        known = self._pending.get(key)
        if known is not None:
            return [self._answer(key, reply, known.call)]
        known = self._answered.get(key)
        if known is not None:
            duplicate = reply.source in known.answered_by
            if not duplicate and len(known.answered_by) < 64:
                known.answered_by += (reply.source,)
            return [_of_call(reply, known.call, duplicate=duplicate)]
        self._early[key] = reply
        if len(self._early) > MAX_EARLY_REPLIES:
            return [self._early.pop(next(iter(self._early)))]
        return []

    def overdue(self, now: int | None) -> list[RpcMessage]:
        """Replies whose call did not come in time; all that wait if there is no time any more."""
        found = list[RpcMessage]()
        while self._early:
            key, reply = next(iter(self._early.items()))
            if now is not None and 0 <= now - reply.time <= PATIENCE:
                break
            found.append(self._early.pop(key))
        while self._doubtful:
            key, doubtful = next(iter(self._doubtful.items()))
            if now is not None and 0 <= now - doubtful.call.time <= REPLY_PATIENCE:
                break
            found += self._decide(key)
        return found

    def _answer(self, key: Key, reply: RpcMessage, call: RpcMessage) -> RpcMessage:
        known = self._pending.take(key)
        assert known is not None
        known.answered_by = (reply.source,)
        known.time = reply.time
        self._answered.put(key, known)
        return _of_call(reply, call)


def _repeats(call: RpcMessage, known: KnownCall) -> bool:
    """True if a call with the xid of a known one is its retransmission."""
    first = known.call
    if (call.prog, call.vers, call.proc) != (first.prog, first.vers, first.proc):
        return False
    if known.answered_by and call.time - known.time > REUSE:
        return False
    if call.length == first.length and call.body[:COMPARED] == first.body[:COMPARED]:
        return True
    # A holed body may be shorter. With RPCSEC_GSS each transmission has a number of its own.
    size = min(len(call.body), len(first.body), COMPARED)
    if (call.cut or first.cut) and call.length == first.length:
        return call.body[:size] == first.body[:size]
    return not known.answered_by and call.body[24:28] == first.body[24:28] == RPCSEC_GSS


def _of_call(reply: RpcMessage, call: RpcMessage, *, duplicate: bool = False) -> RpcMessage:
    return _changed(reply, call=call, duplicate=duplicate)


def _changed(
    message: RpcMessage,
    *,
    call: RpcMessage | None = None,
    retransmission: bool = False,
    duplicate: bool = False,
) -> RpcMessage:
    """The message with what matching has found; faster than a copy by the names of the fields."""
    known = call or message
    return RpcMessage(
        number=message.number,
        time=message.time,
        began=message.began,
        source=message.source,
        target=message.target,
        transport=message.transport,
        xid=message.xid,
        is_call=message.is_call,
        prog=known.prog,
        vers=known.vers,
        proc=known.proc,
        body=message.body,
        length=message.length,
        cut=message.cut,
        call=call,
        retransmission=retransmission,
        duplicate=duplicate,
    )
