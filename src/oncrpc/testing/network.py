"""A client and a server in one process: over a stream that loses nothing, or over bad datagrams.

Both links do their work within ``await``, so ``oncrpc.sync.run`` drives a client over them, without
an event loop and without waiting: where time has to pass, the manual clock is advanced. A handler
that is a coroutine may not await what needs an event loop.
"""

from __future__ import annotations

import errno
import heapq
import inspect
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, TypeVar, TypeVarTuple

from oncrpc.errors import ClientClosed, ProtocolError, TransportError
from oncrpc.rpc.auth import AUTH_NONE, Auth, Judge
from oncrpc.rpc.blocking import run
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import Caller, Procedure, Service
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.testing.clock import ManualClock

R = TypeVar("R")
A = TypeVarTuple("A")
LOCALHOST = "127.0.0.1.0.111"
STREAM_CALLER = Caller("tcp", ("127.0.0.1", 700, 0), ("127.0.0.1", 111, 0), loopback=True)
DATAGRAM_CALLER = Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.2", 111, 0), datagram=True)

Fate = Callable[[], Sequence[float]]
"""Asked once for every datagram that is sent: after how many seconds each copy of it arrives.

None is a loss, two a duplicate, and a later datagram with a shorter delay overtakes.
"""


def bad_weather(random: Random, *, loss: float = 0.3, longest: float = 2.0) -> Fate:
    """Loses a part of the datagrams, doubles one in five, and delays all by up to ``longest``."""

    def fate() -> Sequence[float]:
        copies = 0 if random.random() < loss else 1 + (random.random() < 0.2)
        return [random.uniform(0, longest) for _ in range(copies)]

    return fate


class MemoryLink:
    """A stream to a dispatcher of its own: records there and back, whole and in order.

    A call that gets no reply ends with ``CallTimeout``, at once but for the manual clock. Bytes
    that the server cannot read close the link, as on a real stream.
    """

    def __init__(
        self,
        services: Iterable[Service],
        *,
        clock: ManualClock | None = None,
        caller: Caller = STREAM_CALLER,
        peer: str = LOCALHOST,
        timeout: float = DEFAULT_TIMEOUT,
        auth: Auth = AUTH_NONE,
        judge: Judge | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.caller, self.peer, self.timeout = caller, peer, timeout
        self.dispatcher = Dispatcher(services, clock=self.clock, auth=judge)
        self.calls = Calls(first_xid=0, retransmit=False, auth=auth)
        self.closed = False
        self._requests, self._replies = RecordReader(), RecordReader()

    def close(self) -> None:
        """Close the link."""
        self.closed = True

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call; its reply, its refusal or its deadline is there at once."""
        if self.closed:
            raise ClientClosed.at(self.calls.place)
        limit = self.timeout if timeout is None else timeout
        call = self.calls.start(procedure, arguments, now=self.clock(), timeout=limit, auth=auth)
        self._send(call)
        if not call.done:
            self.clock.advance(limit)
            self.calls.due(self.clock())
        result: R = _outcome(call)
        return result

    def _send(self, call: Pending) -> None:
        self._requests.feed(encode_record(call.message))
        try:
            self._serve()
        except ProtocolError:
            self.close()
            self.calls.fail(TransportError.number(errno.ECONNRESET))
        for record in self._replies.records():
            answered = self.calls.feed(record)
            if answered is not None and not answered.done:
                self._send(answered)

    def _serve(self) -> None:
        for record in self._requests.records():
            reply = _answer(self.dispatcher, record, self.caller)
            if reply is not None:
                self._replies.feed(encode_record(reply))


class LossyLink:
    """Datagrams to a dispatcher over a network that loses, doubles, reorders and delays them.

    Calls are retransmitted as over UDP. ``begin`` starts a call beside others, ``settle`` lets the
    time pass until all have ended, ``drain`` until nothing is on its way.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        clock: ManualClock,
        fate: Fate,
        caller: Caller = DATAGRAM_CALLER,
        timeout: float = DEFAULT_TIMEOUT,
        auth: Auth = AUTH_NONE,
    ) -> None:
        self.dispatcher, self.clock, self.fate = dispatcher, clock, fate
        self.caller, self.timeout = caller, timeout
        self.calls = Calls(first_xid=0, retransmit=True, auth=auth)
        self._sent = 0
        self._under_way: list[tuple[float, int, Callable[[bytes], object], bytes]] = []

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call; the clock is advanced to its reply, its refusal or its deadline."""
        call = self.begin(procedure, *arguments, timeout=timeout, auth=auth)
        while not call.done:
            self._step()
        result: R = _outcome(call)
        return result

    def begin(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> Pending:
        """Start a call and send it."""
        limit = self.timeout if timeout is None else timeout
        call = self.calls.start(procedure, arguments, now=self.clock(), timeout=limit, auth=auth)
        self._send(call.message, self._serve)
        return call

    def settle(self) -> None:
        """Let the time pass until every call has ended."""
        while len(self.calls):
            self._step()

    def drain(self) -> None:
        """Let the time pass until nothing is on its way either."""
        self.settle()
        while self._under_way:
            self._step()

    def _send(self, message: bytes, receive: Callable[[bytes], object]) -> None:
        for delay in self.fate():
            self._sent += 1  # of those that arrive together, the one sent first is first
            heapq.heappush(self._under_way, (self.clock() + delay, self._sent, receive, message))

    def _step(self) -> None:
        """Advance the clock to whatever is next, a datagram that arrives or a call that is due."""
        due = self.calls.next_deadline()
        arrival = self._under_way[0][0] if self._under_way else None
        at = min(moment for moment in (due, arrival) if moment is not None)
        self.clock.now = max(self.clock.now, at)
        while self._under_way and self._under_way[0][0] <= self.clock():
            _, _, receive, message = heapq.heappop(self._under_way)
            receive(message)
        for call in self.calls.due(self.clock()):
            if not call.done:
                self._send(call.message, self._serve)

    def _serve(self, message: bytes) -> None:
        reply = _answer(self.dispatcher, message, self.caller)
        if reply is not None:
            self._send(reply, self._take)

    def _take(self, reply: bytes) -> None:
        answered = self.calls.feed(reply)
        if answered is not None and not answered.done:
            self._send(answered.message, self._serve)


def _answer(dispatcher: Dispatcher, message: bytes, caller: Caller) -> bytes | None:
    reply = dispatcher.handle(message, caller)
    if reply is None or isinstance(reply, bytes):
        return reply
    assert inspect.iscoroutine(reply)
    answered: bytes | None = run(reply)
    return answered


def _outcome(call: Pending) -> Any:
    if call.error is not None:
        raise call.error
    return call.result
