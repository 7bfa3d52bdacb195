"""Match replies to calls (RFC 5531 §9), and recognise retransmissions and reused xids.

A call and its reply have the xid and the conversation in common. Over UDP a server may answer from
another of its addresses, and many may answer a broadcast, so that only the client counts there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from msgspec import Struct

from oncrpc.snoop.capture.segments import parties_of
from oncrpc.snoop.messages import Party, RpcMessage

MAX_PENDING = 100_000
"""Calls that wait for a reply; then the oldest are forgotten."""

FORGOTTEN_PART = 64
"""One in this number of the pending calls is forgotten at once."""

MAX_ANSWERED = 4096
"""Answered calls that are kept, at most, to recognise retransmissions and second replies."""

MAX_EARLY_REPLIES = 1024
"""Replies whose call was not seen yet."""

MAX_PENDING_BYTES = 8 << 20
"""Bytes that pending calls take; then the oldest are forgotten."""

MAX_ANSWERED_BYTES = 4 << 20
"""Bytes that answered calls take; then the oldest are forgotten."""

GENERATION, GENERATION_BYTES = MAX_ANSWERED // 2, MAX_ANSWERED_BYTES // 2
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

MAX_SERVERS = 64
"""Servers remembered that have answered a broadcast call."""

RPCSEC_GSS = b"\0\0\0\6"
Key = bytes
"""A conversation (the flow of its calls or a part of it) and an xid.

It is bytes because bytes cache their hash; a tuple computes it at each look-up.
"""


def key_of(flow: bytes, xid: int) -> Key:
    """The key of a message."""
    return flow + xid.to_bytes(4, "big")


class KnownCall(Struct, gc=False, eq=False):
    """A call, the servers that have answered it, and its last retransmission or first answer.

    The ``RpcMessage`` is created from the other fields only when it is needed: counting calls does
    not need it.
    """

    number: int
    time: int
    began: int
    flow: bytes
    by_tcp: bool
    xid: int
    prog: int
    vers: int
    proc: int
    body: bytes
    length: int
    touched: int
    answered_by: tuple[Party, ...] = ()
    message: RpcMessage | None = None

    @property
    def cut(self) -> bool:
        """True if ``body`` is shorter than the call."""
        return len(self.body) < self.length

    @property
    def call(self) -> RpcMessage:
        """The call as a message, always the same one."""
        if self.message is None:
            source, target = parties_of(self.flow)
            self.message = RpcMessage(
                number=self.number, time=self.time, began=self.began, source=source,
                target=target, transport="tcp" if self.by_tcp else "udp", xid=self.xid,
                is_call=True, prog=self.prog, vers=self.vers, proc=self.proc, body=self.body,
                length=self.length, cut=self.cut,
            )  # fmt: skip
        return self.message


class KnownReply(Struct, gc=False, eq=False):
    """The first reply to a call."""

    call: KnownCall
    number: int
    time: int
    began: int
    flow: bytes
    body: bytes
    length: int

    @property
    def message(self) -> RpcMessage:
        """The reply as a message."""
        call, (source, target) = self.call, parties_of(self.flow)
        return RpcMessage(
            number=self.number, time=self.time, began=self.began, source=source, target=target,
            transport="tcp" if call.by_tcp else "udp", xid=call.xid, is_call=False,
            prog=call.prog, vers=call.vers, proc=call.proc, body=self.body, length=self.length,
            cut=len(self.body) < self.length, call=call.call,
        )  # fmt: skip


def known_call(call: RpcMessage) -> KnownCall:
    """A call without an answer yet, made from its message."""
    return KnownCall(
        call.number, call.time, call.began, b"", call.transport == "tcp", call.xid,
        call.prog or 0, call.vers or 0, call.proc or 0, call.body, call.length, call.time,
        message=call,
    )  # fmt: skip


class PendingCalls(dict[Key, KnownCall]):
    """Calls without a reply by their key, the oldest first, bounded in number and bytes.

    Finding the first item of a ``dict`` is slow after many removals at its front. Therefore several
    of the oldest calls are forgotten at once. ``put`` and ``take`` count the bytes.
    """

    __slots__ = ("_cost", "forgotten")

    def __init__(self) -> None:
        super().__init__()
        self._cost = 0
        self.forgotten = 0

    def put(self, key: Key, known: KnownCall) -> None:
        """Keep a call; no other has its key."""
        self[key] = known
        self._cost += len(known.body) + COST
        if len(self) > MAX_PENDING or self._cost > MAX_PENDING_BYTES:
            self._shrink()

    def _shrink(self) -> None:
        while len(self) > MAX_PENDING or self._cost > MAX_PENDING_BYTES:
            for oldest in [*islice(self, 1 + len(self) // FORGOTTEN_PART)]:
                self.take(oldest)
                self.forgotten += 1

    def take(self, key: Key) -> KnownCall | None:
        """Remove a call."""
        known = self.pop(key, None)
        if known is not None:
            self._cost -= len(known.body) + COST
        return known


class AnsweredCalls:
    """Calls that were answered, bounded in number and bytes.

    They are kept in two generations: when the young one has half of the limit, it replaces the old
    one. This is cheaper than finding the oldest call for each new one.
    """

    __slots__ = ("_cost", "old", "young")

    def __init__(self) -> None:
        self.young: dict[Key, KnownCall] = {}
        self.old: dict[Key, KnownCall] = {}
        self._cost = 0

    def get(self, key: Key) -> KnownCall | None:
        """The call of that key."""
        return self.young.get(key) or self.old.get(key)

    def put(self, key: Key, known: KnownCall) -> None:
        """Keep a call; no other has its key."""
        self._cost += len(known.body) + COST
        if len(self.young) >= GENERATION or self._cost > GENERATION_BYTES:
            self.old, self.young = self.young, {}
            self._cost = len(known.body) + COST
        self.young[key] = known

    def drop(self, key: Key) -> None:
        """Forget a call."""
        known = self.young.pop(key, None)
        if known is not None:
            self._cost -= len(known.body) + COST
        self.old.pop(key, None)


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
        self.pending = PendingCalls()
        self.answered = AnsweredCalls()
        self._early: OrderedDict[Key, RpcMessage] = OrderedDict()
        self._doubtful: OrderedDict[Key, DoubtfulCall] = OrderedDict()
        self.dropped = 0

    @property
    def forgotten(self) -> int:
        """The number of calls that were forgotten before a reply came."""
        return self.pending.forgotten

    def unanswered(self) -> Iterator[RpcMessage]:
        """The calls without a reply, oldest first."""
        return (known.call for known in self.pending.values())

    @property
    def waits(self) -> bool:
        """True if a message waits that ``overdue`` may return."""
        return bool(self._early or self._doubtful)

    def is_known(self, key: Key) -> bool:
        """True if a call waits for a reply, or was answered not long ago."""
        return key in self.pending or bool(self.answered.get(key)) or key in self._doubtful

    def is_doubtful(self, key: Key) -> bool:
        """True if a call in doubt waits for a reply."""
        return key in self._doubtful

    def is_pending(self, key: Key) -> bool:
        """True if a call waits for a reply."""
        return key in self.pending

    def call(self, key: Key, call: RpcMessage) -> list[RpcMessage]:
        """Take a call; it, marked if it is a retransmission, and its reply if that came first."""
        known = self.pending.get(key)
        if known is None:
            known = self.answered.get(key)
        if known is not None and _repeats(call, known):
            known.touched = call.time
            return [_changed(call, retransmission=True)]
        if known is not None:
            self.answered.drop(key)
            self.pending.take(key)
        self.pending.put(key, known_call(call))
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
        known = self.pending.get(key)
        if known is not None:
            return [self._answer(key, reply, known.call)]
        known = self.answered.get(key)
        if known is not None:
            duplicate = reply.source in known.answered_by
            if not duplicate and len(known.answered_by) < MAX_SERVERS:
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
        self.first_reply(key, reply.source, reply.time)
        return _of_call(reply, call)

    def new_call(self, key: Key, call: KnownCall) -> bool:
        """Take a call if no message with its key is kept."""
        pending, answered = self.pending, self.answered
        if key in pending or key in answered.young or key in answered.old:
            return False
        if key in self._early or key in self._doubtful:
            return False
        pending.put(key, call)
        return True

    def first_reply(self, key: Key, server: Party, time: int) -> KnownCall | None:
        """Note the first reply to a pending call; None if there is none."""
        known = self.pending.take(key)
        if known is not None:
            known.answered_by = (server,)
            known.touched = time
            self.answered.put(key, known)
        return known


def _repeats(call: RpcMessage, known: KnownCall) -> bool:
    """True if a call with the xid of a known one is its retransmission."""
    if (call.prog, call.vers, call.proc) != (known.prog, known.vers, known.proc):
        return False
    if known.answered_by and call.time - known.touched > REUSE:
        return False
    first = known.body
    if call.length == known.length and call.body[:COMPARED] == first[:COMPARED]:
        return True
    # A body with missing bytes may be shorter. With RPCSEC_GSS, a retransmission has a new number.
    size = min(len(call.body), len(first), COMPARED)
    if (call.cut or known.cut) and call.length == known.length:
        return call.body[:size] == first[:size]
    return not known.answered_by and call.body[24:28] == first[24:28] == RPCSEC_GSS


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
