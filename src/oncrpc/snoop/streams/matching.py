"""Match replies to calls (RFC 5531 §9), and recognise retransmissions and reused xids.

A call and its reply have the xid and the conversation in common. Over UDP a server may answer from
another of its addresses, and many may answer a broadcast, so that only the client counts there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from oncrpc.snoop.capture.segments import parties_of
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.streams.recognition import HEAD

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


CountedCall = tuple[Any, int, int, int, bytes, bool, bytes, int]
"""A call while calls are only counted: what counts it, then the fields of ``KnownCall`` up to
``length``, without those that are in the body.

A tuple, because to create a ``KnownCall`` takes as long as to count the call.
"""

CountedAnswer = tuple[CountedCall, Party, int]
"""A call that was answered: the server, and the time of the reply."""


class KnownCall:
    """A call, the servers that have answered it, and its last retransmission or first answer.

    The ``RpcMessage`` is created from the other fields only when it is needed.
    """

    __slots__ = (
        "answered_by", "began", "body", "by_tcp", "flow", "length", "message", "number", "proc",
        "prog", "time", "touched", "vers", "xid",
    )  # fmt: skip
    xid: int
    prog: int
    vers: int
    proc: int

    def __init__(
        self,
        number: int,
        time: int,
        began: int,
        flow: bytes,
        by_tcp: bool,
        body: bytes,
        length: int,
        message: RpcMessage | None = None,
    ) -> None:
        self.number, self.time, self.began = number, time, began
        self.flow, self.by_tcp, self.body, self.length = flow, by_tcp, body, length
        self.touched, self.message = time, message
        if message is None:
            self.xid, _, _, self.prog, self.vers, self.proc = HEAD.unpack_from(body)
        else:  # a call has all these
            self.xid, self.prog = message.xid, message.prog or 0
            self.vers, self.proc = message.vers or 0, message.proc or 0
        self.answered_by: tuple[Party, ...] = ()

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


class KnownReply:
    """The first reply to a call."""

    __slots__ = ("began", "body", "call", "flow", "length", "number", "time")

    def __init__(
        self,
        call: KnownCall,
        number: int,
        time: int,
        began: int,
        flow: bytes,
        body: bytes,
        length: int,
    ) -> None:
        self.call, self.number, self.time, self.began = call, number, time, began
        self.flow, self.body, self.length = flow, body, length

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
        call.number, call.time, call.began, b"", call.transport == "tcp", call.body, call.length,
        call,
    )  # fmt: skip


def _known(calls: dict[Key, KnownCall | CountedCall], key: Key) -> KnownCall | None:
    """The pending call of a key; one that was only counted is replaced in place."""
    found = calls.get(key)
    if isinstance(found, tuple):
        found = calls[key] = KnownCall(*found[1:])
    return found


def _known_answered(calls: dict[Key, KnownCall | CountedAnswer], key: Key) -> KnownCall | None:
    """The same for an answered call."""
    found = calls.get(key)
    if isinstance(found, tuple):
        counted, server, time = found
        found = calls[key] = KnownCall(*counted[1:])
        found.answered_by, found.touched = (server,), time
    return found


def cost_of(call: KnownCall | CountedCall) -> int:
    """The bytes that a pending or answered call takes."""
    return COST + len(call[6] if isinstance(call, tuple) else call.body)


class PendingCalls(dict[Key, KnownCall | CountedCall]):
    """Calls without a reply by their key, the oldest first, bounded in number and bytes.

    Finding the first item of a ``dict`` is slow after many removals at its front. Therefore several
    of the oldest calls are forgotten at once. ``cost`` is the bytes of all calls: ``put`` and
    ``take`` keep it, and so must a caller that adds or removes a call itself.
    """

    __slots__ = ("cost", "forgotten")

    def __init__(self) -> None:
        super().__init__()
        self.cost = 0
        self.forgotten = 0

    def put(self, key: Key, call: KnownCall | CountedCall) -> None:
        """Keep a call; no other has its key."""
        self[key] = call
        self.cost += cost_of(call)
        if len(self) > MAX_PENDING or self.cost > MAX_PENDING_BYTES:
            self.shrink()

    def shrink(self) -> None:
        """Forget the oldest calls beyond the bounds."""
        while len(self) > MAX_PENDING or self.cost > MAX_PENDING_BYTES:
            for oldest in [*islice(self, 1 + len(self) // FORGOTTEN_PART)]:
                self.cost -= cost_of(self.pop(oldest))
                self.forgotten += 1

    def known(self, key: Key) -> KnownCall | None:
        """The call of that key."""
        return _known(self, key)

    def take(self, key: Key) -> KnownCall | None:
        """Remove a call."""
        known = _known(self, key)
        if known is not None:
            del self[key]
            self.cost -= cost_of(known)
        return known


class AnsweredCalls:
    """Calls that were answered, bounded in number and bytes.

    They are kept in two generations: when the young one has half of the limit, it replaces the old
    one. This is cheaper than finding the oldest call for each new one.
    """

    __slots__ = ("cost", "old", "young")

    def __init__(self) -> None:
        self.young: dict[Key, KnownCall | CountedAnswer] = {}
        self.old: dict[Key, KnownCall | CountedAnswer] = {}
        self.cost = 0

    def get(self, key: Key) -> KnownCall | None:
        """The call of that key."""
        return _known_answered(self.young, key) or _known_answered(self.old, key)

    def put(self, key: Key, call: KnownCall | CountedAnswer, cost: int) -> None:
        """Keep a call of that cost; no other has its key."""
        self.cost += cost
        if len(self.young) >= GENERATION or self.cost > GENERATION_BYTES:
            self.old, self.young = self.young, {}
            self.cost = cost
        self.young[key] = call

    def drop(self, key: Key) -> None:
        """Forget a call."""
        known = _known_answered(self.young, key)
        if known is not None:
            del self.young[key]
            self.cost -= cost_of(known)
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
        known = (self.pending.known(key) for key in [*self.pending])
        return (call.call for call in known if call is not None)

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
        known = self.pending.known(key)
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
        known = self.pending.known(key)
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

    def new_call(self, key: Key, call: KnownCall | CountedCall) -> bool:
        """Take a call if no message with its key is kept."""
        answered = self.answered
        if key in self.pending or key in answered.young or key in answered.old:
            return False
        if self.is_waiting(key):
            return False
        self.pending.put(key, call)
        return True

    def is_waiting(self, key: Key) -> bool:
        """True if a reply waits for its call, or a call in doubt for its reply."""
        return key in self._early or key in self._doubtful

    def first_reply(self, key: Key, server: Party, time: int) -> KnownCall | None:
        """Note the first reply to a pending call; None if there is none."""
        known = self.pending.take(key)
        if known is not None:
            known.answered_by = (server,)
            known.touched = time
            self.answered.put(key, known, cost_of(known))
        return known

    def counted_reply(self, key: Key, server: Party, time: int) -> CountedCall | None:
        """The same as ``first_reply`` for a call that was counted; None for others."""
        call = self.pending.get(key)
        if not isinstance(call, tuple):
            return None
        del self.pending[key]
        cost = cost_of(call)
        self.pending.cost -= cost
        self.answered.put(key, (call, server, time), cost)
        return call


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
