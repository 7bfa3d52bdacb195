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

from oncrpc.aio.mmsg import (
    ADDRESS_AT,
    CONTROL_AT,
    CONTROL_LENGTH,
    DATA_AT,
    FLAGS,
    HEADER_WORDS,
    LENGTH,
    MAX_DATAGRAM,
    SLOT_SIZE,
    SLOTS,
    Batch,
)
from oncrpc.aio.route import Guard, NoGuard, Route, route_of
from oncrpc.aio.sockets import loopback_interfaces
from oncrpc.errors import ProtocolError, SystemFailure
from oncrpc.rpc.dispatch import Dispatcher, Reply, refuse
from oncrpc.rpc.memo import LIFETIME, Lasting

log = logging.getLogger("oncrpc.aio")

MAX_CALL = MAX_DATAGRAM
MAX_REPLY = MAX_DATAGRAM
"""What the C clients have room for; a longer reply becomes SYSTEM_ERR."""

ROUNDS = 4
"""Batches that are taken before others have their turn."""

MAX_WAITING = 256
"""Calls whose handler has not finished; while there are so many, datagrams are dropped."""

MAX_ROUTES = 4096
ROUTE_AT = ADDRESS_AT + 4
"""From here to the datagram a slot has what tells routes apart; before it is the source's port."""


class UdpEndpoint:
    """Answers the calls that arrive at a bound socket, from ``start`` to ``close``.

    What a source may have is asked of the ``guard``. ``dropped`` counts the calls that were not
    answered since their source had had its share, ``busy`` those that came while too many were
    under way, ``malformed`` the datagrams that were no call, and ``overlong`` the replies that the
    caller might not have.
    """

    def __init__(
        self, sock: socket.socket, netid: str, dispatcher: Dispatcher, guard: Guard | None = None
    ) -> None:
        self.sock, self.netid, self.dispatcher = sock, netid, dispatcher
        self.guard = NoGuard() if guard is None else guard
        self.loop = asyncio.get_running_loop()
        self.waiting: set[asyncio.Future[None]] = set()
        self.loopbacks = loopback_interfaces()
        self.dropped = self.busy = self.malformed = self.overlong = 0
        self.batch = Batch(sock)
        self._routes: dict[bytes, Route] = {}
        self._known: Hashable = None
        self._until = 0.0

    def start(self) -> None:
        """Begin to answer."""
        self.loop.add_reader(self.sock.fileno(), self._drain)

    def stop(self) -> None:
        """Take nothing more; calls that are being worked on are still answered."""
        self.loop.remove_reader(self.sock.fileno())

    def look_again(self) -> None:
        """The interfaces of this host have changed."""
        self.loopbacks = loopback_interfaces()
        self._routes.clear()

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
        """Answer the first slots; neighbours that have a reply in them are sent together."""
        now = time.monotonic()
        self._refresh(now)
        batch, routes = self.batch, self._routes
        memory, words, lengths = batch.memory, batch.words, batch.lengths
        control_size = batch.control_size
        first = 0
        for n in range(count):
            begin, header = n * SLOT_SIZE, n * HEADER_WORDS
            data, control = begin + DATA_AT, begin + CONTROL_AT
            end = data + words[header + LENGTH]
            route = kept = None
            if not words[header + FLAGS] and words[header + CONTROL_LENGTH] == control_size:
                route = routes.get(memory[begin + ROUTE_AT : data].tobytes())
            if route is not None and route.table:
                kept = route.table.get(memory[data + 4 : end].tobytes())
            if route is None or kept is None:
                length = self._answer(n, route, now)
            elif route.bucket is None or route.bucket.take(now):
                kept.hits += 1
                length = 4 + len(kept.tail)
                memory[data + 4 : data + length] = kept.tail
                memory[control : control + control_size] = route.message
            else:
                self.dropped += 1
                length = 0
            if length:
                lengths[2 * n + 1] = length
            else:
                self._send(first, n)
                first = n + 1
        self._send(first, count)

    def _answer(self, n: int, route: Route | None, now: float) -> int:
        """Have the dispatcher answer a slot; the length of the reply that is in it now, else 0."""
        memory, begin, header = self.batch.memory, n * SLOT_SIZE, n * HEADER_WORDS
        data = begin + DATA_AT
        if len(self.waiting) >= MAX_WAITING:
            self.busy += 1
            return 0
        message = memory[data : data + self.batch.words[header + LENGTH]].tobytes()
        route = self._route(n) if route is None else route
        address = memory[begin + ADDRESS_AT : begin + CONTROL_AT].tobytes()
        cut = self.batch.words[header + FLAGS] & socket.MSG_TRUNC
        reply = self._too_long(message, route) if cut else self._reply(message, route, address)
        if reply is None or not self._may_send(route, now):
            return 0
        if route.control is None:
            self._send_alone(reply, route, address)
            return 0
        memory[data : data + len(reply)] = reply
        control = begin + CONTROL_AT
        memory[control : control + self.batch.control_size] = route.message
        return len(reply)

    def _too_long(self, message: bytes, route: Route) -> bytes:
        """The refusal of a call that there is no room for: its client would wait in vain."""
        log.warning("%s: a call from %s is over %d bytes", self.netid, route.host, MAX_CALL)
        return refuse(message[:4], SystemFailure())

    def _reply(self, message: bytes, route: Route, address: bytes) -> Reply:
        """The reply, if there is one at once; it is remembered if it lasts."""
        caller = route.caller(self.netid, int.from_bytes(address[2:4], "big"))
        try:
            reply = self.dispatcher.handle(message, caller)
        except ProtocolError as error:
            log.debug("%s: dropped a datagram: %s", self.netid, error)
            self.malformed += 1
            return None
        if not isinstance(reply, bytes | None):
            task = asyncio.ensure_future(self._send_later(reply, message, route, address))
            self.waiting.add(task)
            task.add_done_callback(partial(self._finished, message[:4], route, address))
            return None
        fits = self._fitting(reply, message, route)
        memo = self.dispatcher.memo
        if memo is not None:
            memo.refresh(time.monotonic())
            if fits is not None and isinstance(reply, Lasting) and route.table is not None:
                memo.keep(route.table, message, fits, reply.counts)
        return fits

    def _may_send(self, route: Route, now: float) -> bool:
        """Take a reply out of the source's bucket."""
        if route.bucket is None or route.bucket.take(now):
            return True
        self.dropped += 1
        return False

    def _fitting(self, reply: Reply, message: bytes, route: Route) -> Reply:
        fits = _fitting(reply, message, route)
        self.overlong += fits is not reply
        return fits

    def _route(self, n: int) -> Route:
        """The route of a slot's datagram; remembered if it is known which address was asked."""
        memory, words, begin = self.batch.memory, self.batch.words, n * SLOT_SIZE
        size = words[n * HEADER_WORDS + CONTROL_LENGTH]
        data, control = begin + DATA_AT, begin + CONTROL_AT
        address = memory[begin + ADDRESS_AT : control].tobytes()
        port = self.sock.getsockname()[1]
        found = memory[control : control + size].tobytes()
        route = route_of(address, found, port, loopbacks=self.loopbacks)
        standing = self.guard.standing(route.caller(self.netid, 0))
        route.trusted, route.bucket = standing.trusted, standing.bucket
        memo = self.dispatcher.memo
        if memo is not None and standing.open and route.control is not None:
            circumstances = route.local, route.loopback, route.to_group, standing.trusted
            route.table = memo.table((self.netid, *circumstances))
        if route.control is not None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[memory[begin + ROUTE_AT : data].tobytes()] = route
        return route

    def _refresh(self, now: float) -> None:
        """Forget the routes and the replies that may no longer be true."""
        memo = self.dispatcher.memo
        if memo is not None:
            memo.refresh(now)
        known = self.guard.generation, memo.epoch if memo is not None else 0
        if known != self._known or now >= self._until:
            self._routes.clear()
            self._known, self._until = known, now + LIFETIME

    def _send(self, first: int, end: int) -> None:
        """Send the slots from ``first`` to before ``end``; one that cannot be sent is left out."""
        while first < end:
            try:
                first += self.batch.send(first, end - first)
            except OSError as error:
                log.debug("%s: a reply was not sent: %s", self.netid, error)
                first += 1

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
