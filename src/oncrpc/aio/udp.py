"""Serving datagrams: a drain loop over one socket, without asyncio's datagram endpoint.

Datagrams are received and answered a batch at a time (``datagram_batch``). A datagram whose reply
is known is answered first, before anything is parsed (``known_datagrams``); every other one goes to
the dispatcher. Neighbouring replies leave with one system call (``segments``).

The control message that says which address was called goes back with the reply, so that a client of
a host with many addresses gets its reply from the one that it called. A datagram that is not a call
is dropped; an error of one datagram (port 0, unreachable) never ends the endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable
from functools import partial
from typing import Protocol

from oncrpc.aio import segments
from oncrpc.aio.datagram_batch import IDENTITY_BEFORE, Batch
from oncrpc.aio.guard import Guard, NoGuard
from oncrpc.aio.known_datagrams import KNOWN_NOTHING, KnownDatagram, KnownDatagrams
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp_route import Route
from oncrpc.errors import ProtocolError, SystemFailure
from oncrpc.rpc.calls import REPLY
from oncrpc.rpc.dispatch import LARGEST_DATAGRAM, Dispatcher, Reply, refuse
from oncrpc.rpc.per_source import CallsPerSource
from oncrpc.rpc.reply_cache import CacheableReply, CachedReply, CallCounter

log = logging.getLogger("oncrpc.aio")


class ReplyTaker(Protocol):
    """A link that sends its calls from the endpoint's socket."""

    def take(self, reply: bytes) -> None:
        """Called with a reply that came from the link's peer."""

    def close(self) -> None:
        """Called when the socket is about to be closed."""


class UdpEndpoint:
    """Answers the calls that arrive at a bound socket, from ``start`` to ``close``.

    Between two events:

    - every datagram that was received has been answered, dropped, or is one of ``in_progress``;
    - the entries of ``known`` may be stale; they are read again for each batch, and after each call
      that was dispatched;
    - ``_slot_entries[n]`` is the entry of ``known`` whose reply is in slot ``n`` of the batch, None
      if another reply is there. A dropped entry never compares equal to a new one.

    Public counters: ``dropped``, calls beyond a rate limit; ``busy``, calls that arrived while too
    many were in progress; ``malformed``, datagrams that were not calls; ``overlong``, replies
    longer than allowed.
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
        self.limits = limits or Limits()
        check_datagram(self.limits)
        self.per_source = CallsPerSource(most=self.limits.datagram_calls_per_source)
        self.loop = asyncio.get_running_loop()
        self.in_progress: set[asyncio.Future[None]] = set()
        self.links: dict[tuple[str, int, int], ReplyTaker] = {}  # by host, port and scope
        self.dropped = self.busy = self.malformed = 0
        self._overlong = CallCounter()
        self.batch = Batch(sock, datagram=self.limits.datagram)
        self.known = KnownDatagrams(
            netid,
            sock.getsockname()[1],
            guard=NoGuard() if guard is None else guard,
            cache=dispatcher.reply_cache,
            limits=self.limits,
        )
        self._slot_entries: list[KnownDatagram | None] = [None] * self.batch.slots

    @property
    def overlong(self) -> int:
        """Replies longer than allowed, including those from the reply cache."""
        if self.dispatcher.reply_cache is not None:
            self.dispatcher.reply_cache.settle()
        return self._overlong.count

    def start(self) -> None:
        """Begin to answer."""
        self.loop.add_reader(self.sock.fileno(), self.drain)

    def stop(self) -> None:
        """Receive nothing more; calls in progress are still answered."""
        self.loop.remove_reader(self.sock.fileno())

    def look_again(self) -> None:
        """Called when the interfaces of this host have changed."""
        self.known.look_again()

    def close(self) -> None:
        """Stop; calls in progress are not answered."""
        for link in list(self.links.values()):
            link.close()
        self.loop.remove_reader(self.sock.fileno())
        for task in self.in_progress:
            self.loop.call_soon(
                task.cancel
            )  # a task cancelled before its first step leaks its call
        self.sock.close()

    def drain(self) -> int:
        """Answer a bounded number of batches of datagrams. Returns the number of datagrams."""
        answered = 0
        for _ in range(self.limits.datagram_batches):
            try:
                count = self.batch.receive()
            except OSError as error:
                log.debug("%s: %s", self.netid, error)
                continue
            self._answer_all(count)
            answered += count
            if count < self.batch.slots:
                break
        return answered

    def _answer_all(self, count: int) -> None:
        """Answer the first slots; the replies of neighbouring slots are sent together.

        This loop runs for every datagram. For a known one it does four things: slice the identity,
        look it up (unless it equals the previous one), take a token, count a hit. The reply is
        copied into the slot only if another one is there.
        """
        # In the loop, ``identity`` is the one of slot ``n`` and ``entry`` its known datagram, None
        # if there is none. Both carry over to the next slot: an equal identity has the same entry.
        # After a call that was not known, ``identity`` is b"", which equals no identity, since that
        # call may have added an entry or made others stale. ``entries[n]`` stays from batch to
        # batch: if it is ``entry``, the reply is in the slot already. The slots from ``first`` to
        # before ``n`` have replies that are not sent yet; a slot without a reply sends them.
        now = time.monotonic()
        batch, entries = self.batch, self._slot_entries
        block, sizes = batch.block, batch.sizes(count)
        addressed = batch.all_addressed(count)
        known = self.known.entries(now)
        look_up = (known if addressed else KNOWN_NOTHING).get
        first, identity, entry = 0, b"", None
        for n, (at, size) in enumerate(zip(batch.identities, sizes, strict=False)):
            before, identity = identity, block[at : at + IDENTITY_BEFORE + size]
            if identity != before:
                entry = look_up(identity)
            if entry is None:
                answered = self._answer(n, now)
                identity = b""  # force a look-up for the next slot
                # The call may have changed the subject of the known replies: read them again.
                known = self.known.entries(now)
                look_up = (known if addressed else KNOWN_NOTHING).get
            elif entry.bucket is None or entry.bucket.take(now):
                entry.reply.hits += 1
                if entries[n] is not entry:
                    entries[n] = entry
                    batch.put(n, entry.reply.tail, entry.control)
                continue
            else:
                entry.reply.hits += 1  # counted like a dispatched call, then dropped
                self.dropped += 1
                answered = False
            if not answered:
                segments.send(batch, entries, first, n)
                first = n + 1
        segments.send(batch, entries, first, count)

    def _answer(self, n: int, now: float) -> bool:
        """Answer a slot whose datagram is not known. Returns whether the slot has a reply now."""
        batch = self.batch
        route, message = self.known.route(batch, n), batch.message(n)
        if message[4:8] == REPLY:
            self._take_reply(message, route, batch.source(n))
            return False
        truncated = batch.is_truncated(n)
        reply: bytes | CachedReply | None = None
        cached = None if truncated else self.known.cached(route, message, now)
        if cached is not None:
            reply = cached
            cached.hits += 1
        elif len(self.in_progress) >= self.limits.datagram_calls:
            self.busy += 1
        elif truncated:
            reply = self._too_long(message, route)
        else:
            reply = self._dispatch(message, route, batch.source(n))
        if reply is None or not self._may_send(route, now):
            return False
        if isinstance(reply, CachedReply):
            self._slot_entries[n] = self.known.add(batch.identity(n), reply, route)
            batch.put(n, reply.tail, route.message)
            return True
        if route.control is None:
            self._send_alone(reply, route, batch.source(n))
            return False
        self._slot_entries[n] = None
        batch.put(n, reply[4:], route.message)
        return True

    def _take_reply(self, reply: bytes, route: Route, source: bytes) -> None:
        """Pass a reply to the link to its sender, also while too many calls are in progress."""
        link = self.links.get((route.host, int.from_bytes(source[2:4], "big"), route.scope))
        if link is None:
            self.malformed += 1
        else:
            link.take(reply)

    def _too_long(self, message: bytes, route: Route) -> bytes:
        """The refusal of a truncated call: without it the client would wait for its timeout."""
        most = self.limits.datagram
        log.warning("%s: a call from %s is over %d bytes", self.netid, route.host, most)
        return refuse(message[:4], SystemFailure())

    def _dispatch(self, message: bytes, route: Route, source: bytes) -> bytes | CachedReply | None:
        """The dispatcher's reply. Keeps it if cacheable. None: later, or never."""
        caller = route.caller(self.netid, int.from_bytes(source[2:4], "big"))
        if self.per_source.full(caller):
            self.busy += 1
            return None
        try:
            reply = self.dispatcher.handle(message, caller)
        except ProtocolError as error:
            log.debug("%s: dropped a datagram: %s", self.netid, error)
            self.malformed += 1
            return None
        if not isinstance(reply, bytes | None):
            counted = self.per_source.counted(caller, reply)
            task = asyncio.ensure_future(self._send_later(counted, message, route, source))
            self.in_progress.add(task)
            task.add_done_callback(partial(self._finished, message[:4], route, source))
            return None
        fits = self._fitting(reply, message, route)
        if not isinstance(reply, CacheableReply) or fits is None:
            return fits
        counters = [*reply.counters, *([] if fits is reply else [self._overlong])]
        return self.known.keep(route, message, fits, counters) or fits

    def _may_send(self, route: Route, now: float) -> bool:
        """Take a token from the source's bucket. Returns False, and counts, if it has none."""
        if route.bucket is None or route.bucket.take(now):
            return True
        self.dropped += 1
        return False

    def _fitting(self, reply: Reply, message: bytes, route: Route) -> Reply:
        fits = fitting(reply, message, trusted=route.trusted, most=self.limits.datagram)
        if fits is not reply:
            self._overlong.again()
        return fits

    async def _send_later(
        self, reply: Awaitable[Reply], message: bytes, route: Route, source: bytes
    ) -> None:
        fits = self._fitting(await reply, message, route)
        if fits is not None and self._may_send(route, time.monotonic()):
            self._send_alone(fits, route, source)

    def _finished(
        self, xid: bytes, route: Route, source: bytes, task: asyncio.Future[None]
    ) -> None:
        self.in_progress.discard(task)
        if task.cancelled() and self.sock.fileno() >= 0 and self._may_send(route, time.monotonic()):
            log.error("%s: a call of %s was cancelled unexpectedly", self.netid, route.host)
            self._send_alone(refuse(xid, SystemFailure()), route, source)

    def _send_alone(self, reply: bytes, route: Route, source: bytes) -> None:
        port = int.from_bytes(source[2:4], "big")
        to = (route.host, port, 0, route.scope) if ":" in route.host else (route.host, port)
        try:
            self.sock.sendmsg([reply], [route.control] if route.control else [], 0, to)
        except OSError as error:
            log.debug("%s: reply to %s: %s", self.netid, route.host, error)


def check_datagram(limits: Limits) -> None:
    """Refuse a size that no datagram can have.

    Raises:
        ValueError: it is not positive, or above 65,507.
    """
    if not 0 < limits.datagram <= LARGEST_DATAGRAM:
        raise ValueError(f"invalid datagram limit {limits.datagram}: must be 1 to 65507")


def fitting(reply: Reply, message: bytes, *, trusted: bool, most: int) -> Reply:
    """The reply if within the limit, else SYSTEM_ERR; None if even that exceeds it.

    A source that is not trusted gets no reply that is longer than its call: its address may be
    forged, so the reply could reach a victim.
    """
    longest = most if trusted else min(len(message), most)
    if reply is not None and len(reply) > longest:
        reply = refuse(message[:4], SystemFailure())
        return reply if len(reply) <= longest else None
    return reply
