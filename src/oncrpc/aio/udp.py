"""Serving datagrams: a drain loop over one socket, without asyncio's datagram endpoint.

Datagrams are taken and answered a batch at a time. One whose reply is remembered is answered in
place, before anything else is made of it; every other goes to the dispatcher. The control message
that says which address was asked goes back with the reply, so that a client of a host with many
addresses gets it from the one that it sent to. A datagram that is no call is dropped; an error of
one datagram (port 0, unreachable) never ends the endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Hashable
from functools import partial

from oncrpc.aio.datagram_batch import (
    ASKED,
    ASKED_BEFORE,
    MAX_DATAGRAM,
    MAX_TRAIN,
    MAX_TRAIN_REPLY,
    PASSING,
    SLOTS,
    XID,
    Batch,
)
from oncrpc.aio.guard import Bucket, Guard, NoGuard
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp_route import Route, route_of
from oncrpc.errors import ProtocolError, SystemFailure
from oncrpc.net.sockets import loopback_interfaces
from oncrpc.rpc.dispatch import Dispatcher, Reply, refuse
from oncrpc.rpc.per_source import CallsPerSource
from oncrpc.rpc.reply_cache import LIFETIME, Kept, Lasting

log = logging.getLogger("oncrpc.aio")

MAX_CALL = MAX_DATAGRAM
"""Bytes of a call over UDP; a longer one is SYSTEM_ERR."""

MAX_REPLY = MAX_DATAGRAM
"""Bytes of a reply over UDP, as C clients have room for; a longer one becomes SYSTEM_ERR."""

ROUNDS = 4
"""Batches that are taken before others have their turn."""

MAX_ROUTES = 4096
"""Pairs of a source and a local address whose route is remembered."""

MIN_TRAIN = 4

MAX_READY = 4096
"""Calls whose reply is found by their bytes alone, for each route."""

MAX_READY_CALL = 512
"""Bytes of a call whose reply is found by its bytes alone."""

NONE_READY: dict[bytes, Ready] = {}


class Ready:
    """What a datagram is answered with that came in the same way before.

    ``together`` until it is seen that the way there takes no trains: its datagrams are too short
    for that, or it does not take anything.
    """

    __slots__ = ("bucket", "control", "kept", "together")

    def __init__(self, kept: Kept, control: bytes, bucket: Bucket | None) -> None:
        self.kept, self.control, self.bucket = kept, control, bucket
        self.together = len(kept.tail) <= MAX_TRAIN_REPLY


class UdpEndpoint:
    """Answers the calls that arrive at a bound socket, from ``start`` to ``close``.

    What a source may have is asked of the ``guard``. ``dropped`` counts the calls that were not
    answered since their source had had its share, ``busy`` those that came while too many were
    under way, ``malformed`` the datagrams that were no call, and ``overlong`` the replies that the
    caller might not have.
    """

    def __init__(
        self,
        sock: socket.socket,
        netid: str,
        dispatcher: Dispatcher,
        guard: Guard | None = None,
        *,
        limits: Limits | None = None,
    ) -> None:
        self.sock, self.netid, self.dispatcher = sock, netid, dispatcher
        self.guard = NoGuard() if guard is None else guard
        self.limits = limits or Limits()
        self.per_source = CallsPerSource(most=self.limits.datagram_calls_per_source)
        self.loop = asyncio.get_running_loop()
        self.waiting: set[asyncio.Future[None]] = set()
        self.loopbacks = loopback_interfaces()
        self.dropped = self.busy = self.malformed = 0
        self._overlong = [0]
        self.batch = Batch(sock)
        self._routes: dict[bytes, Route] = {}
        self._ready: dict[bytes, Ready] = {}
        self._put: list[Ready | None] = [None] * SLOTS
        self._known: Hashable = None
        self._forgotten = 0
        self._until = 0.0

    @property
    def overlong(self) -> int:
        """The replies that the caller might not have, those from memory too."""
        if self.dispatcher.memo is not None:
            self.dispatcher.memo.settle()
        return self._overlong[0]

    def start(self) -> None:
        """Begin to answer."""
        self.loop.add_reader(self.sock.fileno(), self._drain)

    def stop(self) -> None:
        """Take nothing more; calls that are being worked on are still answered."""
        self.loop.remove_reader(self.sock.fileno())

    def look_again(self) -> None:
        """The interfaces of this host have changed."""
        self.loopbacks = loopback_interfaces()
        self._known = None

    def close(self) -> None:
        """Stop; calls that are being worked on are not answered."""
        self.loop.remove_reader(self.sock.fileno())
        for task in self.waiting:
            self.loop.call_soon(task.cancel)  # a task that has not begun yet would leak its call
        self.sock.close()

    def _drain(self) -> None:
        for _ in range(ROUNDS):
            try:
                count = self.batch.receive()
            except OSError as error:
                log.debug("%s: %s", self.netid, error)
                continue
            self._answer_all(count)
            if count < SLOTS:
                return

    def _answer_all(self, count: int) -> None:
        """Answer the first slots; neighbours that have a reply are sent together."""
        now = time.monotonic()
        self._refresh(now)
        batch, put = self.batch, self._put
        block, sizes = batch.block, batch.sizes(count)
        ready_for = (self._ready if batch.whole(count) else NONE_READY).get
        first, asked, ready = 0, b"", None
        for n, (at, size) in enumerate(zip(ASKED, sizes, strict=False)):
            before, asked = asked, block[at : at + ASKED_BEFORE + size]
            if asked != before:
                ready = ready_for(asked)
            if ready is None:
                answered, asked = self._answer(n, now), b""
            elif ready.bucket is None or ready.bucket.take(now):
                ready.kept.hits += 1
                if put[n] is not ready:
                    put[n] = ready
                    batch.put(n, ready.kept.tail, ready.control)
                continue
            else:
                ready.kept.hits += 1  # a call that is worked out is counted before, too
                self.dropped += 1
                answered = False
            if not answered:
                self._send(first, n)
                first = n + 1
        self._send(first, count)

    def _answer(self, n: int, now: float) -> bool:
        """Answer a slot that nothing is ready for; whether there is a reply in it now."""
        route, message = self._route(n, now), self.batch.message(n)
        kept = (route.table or {}).get(message[4:]) if not self.batch.cut(n) else None
        if kept is not None:
            kept.hits += 1
        reply = self._worked_out(n, message, route, now) if kept is None else kept
        if reply is None or not self._may_send(route, now):
            return False
        if isinstance(reply, Kept):
            self._make_ready(n, reply, route)
            tail = reply.tail
        elif route.control is None:
            self._send_alone(reply, route, self.batch.source(n))
            return False
        else:
            tail = reply[4:]
        self._put[n] = None
        self.batch.put(n, tail, route.message)
        return True

    def _worked_out(self, n: int, message: bytes, route: Route, now: float) -> bytes | None:
        """The dispatcher's reply to the datagram in a slot, if there is one at once."""
        if len(self.waiting) >= self.limits.datagram_calls:
            self.busy += 1
            return None
        if self.batch.cut(n):
            return self._too_long(message, route)
        return self._reply(message, route, self.batch.source(n), now)

    def _make_ready(self, n: int, kept: Kept, route: Route) -> None:
        """The next such datagram is answered without looking for its route and its table."""
        asked = self.batch.asked(n)
        if len(asked) > MAX_READY_CALL:
            return
        if len(self._ready) >= MAX_READY:
            self._ready.clear()
        self._ready[asked] = Ready(kept, route.message, route.bucket)

    def _too_long(self, message: bytes, route: Route) -> bytes:
        """The refusal of a call that there is no room for: its client would wait in vain."""
        log.warning("%s: a call from %s is over %d bytes", self.netid, route.host, MAX_CALL)
        return refuse(message[:4], SystemFailure())

    def _reply(self, message: bytes, route: Route, address: bytes, now: float) -> bytes | None:
        """The dispatcher's reply; it is remembered if it lasts, and sent later if it takes time."""
        caller = route.caller(self.netid, int.from_bytes(address[2:4], "big"))
        if self.per_source.full(caller):
            self.busy += 1
            return None
        try:
            reply = self.dispatcher.handle(message, caller)
        except ProtocolError as error:
            log.debug("%s: dropped a datagram: %s", self.netid, error)
            self.malformed += 1
            return None
        self._refresh(now)
        if not isinstance(reply, bytes | None):
            counted = self.per_source.counted(caller, reply)
            task = asyncio.ensure_future(self._send_later(counted, message, route, address))
            self.waiting.add(task)
            task.add_done_callback(partial(self._finished, message[:4], route, address))
            return None
        fits = self._fitting(reply, message, route)
        memo = self.dispatcher.memo
        table = route.table
        if isinstance(reply, Lasting) and not (memo is None or table is None or fits is None):
            refused = [] if fits is reply else [(self._overlong, 0)]
            memo.keep(table, message, fits, reply.counts + refused)
            self._refresh(now)  # other replies may have had to make room
        return fits

    def _may_send(self, route: Route, now: float) -> bool:
        """Take a reply out of the source's bucket."""
        if route.bucket is None or route.bucket.take(now):
            return True
        self.dropped += 1
        return False

    def _fitting(self, reply: Reply, message: bytes, route: Route) -> Reply:
        fits = _fitting(reply, message, route)
        self._overlong[0] += fits is not reply
        return fits

    def _route(self, n: int, now: float) -> Route:
        """The route of a slot's datagram; remembered if it is known which address was asked."""
        batch = self.batch
        control = batch.control(n)
        known = len(control) == batch.control_size and not batch.cut(n)
        route = self._routes.get(batch.route(n)) if known else None
        if route is not None:
            return route
        port = self.sock.getsockname()[1]
        route = route_of(batch.source(n), control, port, loopbacks=self.loopbacks)
        standing = self.guard.standing(route.caller(self.netid, 0))
        route.trusted, route.bucket = standing.trusted, standing.bucket
        memo = self.dispatcher.memo
        if memo is not None and standing.open and route.control is not None:
            circumstances = route.local, route.loopback, route.to_group, standing.trusted
            route.table = memo.table((self.netid, *circumstances))
            if memo.forgotten != self._forgotten:
                self._refresh(now)  # other tables had to make room
        if route.control is not None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[batch.route(n)] = route
        return route

    def _refresh(self, now: float) -> None:
        """Forget the routes and the replies that may no longer be true."""
        memo = self.dispatcher.memo
        if memo is not None:
            memo.refresh(now)
            if memo.forgotten != self._forgotten:
                self._ready.clear()
                self._forgotten = memo.forgotten
        known = self.guard.generation, memo.epoch if memo is not None else 0
        if known != self._known or now >= self._until:
            self._routes.clear()
            self._ready.clear()
            self._known, self._until = known, now + LIFETIME

    def _send(self, first: int, end: int) -> None:
        """Send the slots from ``first`` to before ``end``; one that cannot be sent is left out."""
        ready = self._of_train(first, end)
        if ready is not None:
            try:
                self.batch.send_train(first, end - first)
            except OSError as error:
                log.debug("%s: replies were not sent together: %s", self.netid, error)
                ready.together = error.errno in PASSING
            else:
                return
        while first < end:
            try:
                first += self.batch.send(first, end - first)
            except OSError as error:
                log.debug("%s: a reply was not sent: %s", self.netid, error)
                first += 1

    def _of_train(self, first: int, end: int) -> Ready | None:
        """The reply, if the same but for the xid goes from all these slots to the same place."""
        ready, count = self._put[first] if first < end else None, end - first
        if ready is None or count < MIN_TRAIN or not ready.together:
            return None
        if count * (XID + len(ready.kept.tail)) > MAX_TRAIN or not self.batch.trains:
            return None
        alike = self._put[first:end].count(ready) == count
        return ready if alike and self.batch.from_one_port(first, count) else None

    async def _send_later(
        self, reply: Awaitable[Reply], message: bytes, route: Route, address: bytes
    ) -> None:
        fits = self._fitting(await reply, message, route)
        if fits is not None and self._may_send(route, time.monotonic()):
            self._send_alone(fits, route, address)

    def _finished(
        self, xid: bytes, route: Route, address: bytes, task: asyncio.Future[None]
    ) -> None:
        self.waiting.discard(task)
        if task.cancelled() and self.sock.fileno() >= 0 and self._may_send(route, time.monotonic()):
            log.error("%s: a call of %s was cancelled, and not by us", self.netid, route.host)
            self._send_alone(refuse(xid, SystemFailure()), route, address)

    def _send_alone(self, reply: bytes, route: Route, address: bytes) -> None:
        port = int.from_bytes(address[2:4], "big")
        to = (route.host, port, 0, route.scope) if ":" in route.host else (route.host, port)
        try:
            self.sock.sendmsg([reply], [route.control] if route.control else [], 0, to)
        except OSError as error:
            log.debug("%s: reply to %s: %s", self.netid, route.host, error)


def _fitting(reply: Reply, message: bytes, route: Route) -> Reply:
    """The reply if it may be as long as that, else SYSTEM_ERR, or nothing if even that is too long.

    Who is not trusted gets no reply that is longer than the call: the sender may be somebody else.
    """
    most = MAX_REPLY if route.trusted else min(len(message), MAX_REPLY)
    if reply is not None and len(reply) > most:
        reply = refuse(message[:4], SystemFailure())
        return reply if len(reply) <= most else None
    return reply
