"""Serving record-marked streams: TCP and local sockets (RFC 5531 §11).

A connection cannot cost more than its bounds: a record's size, its time to arrive, the calls under
way, the replies that the peer does not read. While it is at one of them nothing more is read from
it, so that TCP's own flow control holds the peer. Nor does it keep others waiting: connections take
turns, a call each, and after a slice of time datagrams and new connections have theirs. The pool
bounds all connections together: a new one takes the place of the one that has been silent
longest; of those that do not read their replies the ones that began it first go when the replies
are too many. It also bounds those of one source, an address or the user at a local socket: at that
bound the new one takes the place of one of its own, so that nobody can push out everybody else's.

A connection outlives its process: frozen, it can be carried to another image of the program, with
the bytes that were read but not answered and those that the peer has not taken yet.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from oncrpc.endpoint import peer_pid, peer_pidfd, peer_uid
from oncrpc.errors import ProtocolError
from oncrpc.rpc.dispatch import Dispatcher, Reply
from oncrpc.rpc.program import Caller
from oncrpc.rpc.record import RecordReader, encode_record

log = logging.getLogger("oncrpc.aio")

FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
ACCEPT_BATCH = 64
ACCEPT_PAUSE = 0.1
Source = str | int | None
"""Where connections come from: a host's address, or the uid of a local one's user."""

SLICE = 0.005
"""Seconds for which streams are answered before everything else that waits has its turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may cost: counts, bytes, and seconds."""

    connections: int = 1000
    per_source: int = 250
    record: int = 1 << 20
    calls: int = 64
    unread: int = 256 << 10
    unread_by_all: int = 64 << 20
    record_time: float = 30.0
    write_time: float = 30.0
    idle_time: float | None = 300.0


@dataclass(frozen=True, slots=True)
class Carried:
    """An open connection on its way to another image; the times are of the monotonic clock."""

    descriptor: int
    netid: str
    unread: bytes
    unsent: bytes
    heard_at: float
    record_at: float


class Turns:
    """Connections that have something to do, served in turn, a call each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._waiting: deque[Connection] = deque()
        self._serving = self._held = False

    def add(self, connection: Connection) -> None:
        """The connection has bytes that were not looked at; it must not be waiting already."""
        self._waiting.append(connection)
        if not self._serving:
            self._serving = True
            asyncio.get_running_loop().call_soon(self._serve)

    def hold(self) -> None:
        """Give nobody a turn until ``go_on``."""
        self._held = True

    def go_on(self) -> None:
        """Give those that wait their turns."""
        self._held = False
        if self._waiting and not self._serving:
            self._serving = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        if self._held:
            self._serving = False
            return
        until = self.clock() + SLICE
        while self._waiting and self.clock() <= until:
            connection = self._waiting.popleft()
            if connection.take_turn():
                self._waiting.append(connection)
        self._serving = bool(self._waiting)
        if self._serving:
            asyncio.get_running_loop().call_soon(self._serve)


class Pool:
    """The connections of some listeners, longest silent first, and their limits."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float], turns: Turns | None = None
    ) -> None:
        self.limits, self.clock, self.turns = limits, clock, turns or Turns(clock)
        self.connections: OrderedDict[Connection, None] = OrderedDict()
        self.sources: dict[Source, OrderedDict[Connection, None]] = {}
        self.arriving: set[Connection] = set()
        self.not_reading: dict[Connection, None] = {}

    def arrive(self, connection: Connection) -> None:
        """The connection was accepted; it has no transport yet."""
        self.arriving.add(connection)
        self.sources.setdefault(connection.source, OrderedDict())[connection] = None

    def arrived(self, connection: Connection) -> None:
        """The connection has one now, or never will."""
        self.arriving.discard(connection)
        if connection not in self.connections:
            self.drop(connection)

    def touch(self, connection: Connection) -> None:
        """The connection was heard of just now."""
        for kept in (self.connections, self.sources.setdefault(connection.source, OrderedDict())):
            kept[connection] = None
            kept.move_to_end(connection)

    def drop(self, connection: Connection) -> None:
        """The connection has ended."""
        self.connections.pop(connection, None)
        self.not_reading.pop(connection, None)
        own = self.sources.get(connection.source)
        if own is not None:
            own.pop(connection, None)
            if not own:
                del self.sources[connection.source]

    def make_room(self, source: Source) -> bool:
        """Whether one more may come in from there; if need be the longest silent one has to go.

        At its own bound a source loses one of its own, else whoever it is.
        """
        own = self.sources.get(source)
        if own is not None and len(own) >= self.limits.per_source and not self.evict(own):
            return False
        if len(self.connections) + len(self.arriving) < self.limits.connections:
            return True
        return self.evict()

    def hold(self, connection: Connection) -> None:
        """The connection's peer has stopped reading; the first that did goes if they are many."""
        self.not_reading[connection] = None
        unread = sum(c.transport.get_write_buffer_size() for c in self.not_reading)
        while unread > self.limits.unread_by_all:
            first = next(iter(self.not_reading))
            unread -= first.transport.get_write_buffer_size()
            first.end("too many replies are unread")

    def evict(self, among: Iterable[Connection] | None = None) -> bool:
        """End the longest silent connection that has no call under way; False if all have."""
        for connection in self.connections if among is None else among:
            if not connection.calls and connection not in self.arriving:
                connection.end("made room for a new connection")
                return True
        return False

    def sweep(self) -> None:
        """End the connections that are beyond a time limit."""
        now = self.clock()
        for connection in list(self.connections):
            connection.forget_sent()
            reason = connection.overdue(now)
            if reason:
                connection.end(reason)


class Connection(asyncio.Protocol):
    """One peer: its records in, its replies out as they are ready."""

    transport: asyncio.Transport

    def __init__(self, listener: Listener, caller: Caller, carried: Carried | None = None) -> None:
        self.listener, self.pool, self.caller = listener, listener.pool, caller
        self.source: Source = caller.source[0] if caller.source else caller.uid
        self.reader = RecordReader(max_record=self.pool.limits.record)
        self.calls: set[asyncio.Future[None]] = set()
        self.heard_at = self.record_at = self.pool.clock()
        self.unread_since: float | None = None
        self.at_end = self.waiting = False
        self._carried = carried
        self._written: deque[bytes] = deque()
        self._written_size = 0
        self.lost = listener.loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=self.pool.limits.unread)
        self.pool.arriving.discard(self)
        self.pool.touch(self)
        if self._carried is not None:
            self._take_up(self._carried)
            self._carried = None

    def _take_up(self, carried: Carried) -> None:
        """Go on where another image of the program has left off."""
        self.heard_at, self.record_at = carried.heard_at, carried.record_at
        if carried.unsent:
            self._send(carried.unsent)
        if carried.unread:
            self.reader.feed(carried.unread)
            self._wait_for_turn()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """asyncio: the connection is gone."""
        self.pool.drop(self)
        for task in self.calls:
            task.cancel()
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have arrived."""
        self.heard_at = self.pool.clock()
        if not self.reader.within_record:
            self.record_at = self.heard_at
        self.pool.touch(self)
        self.reader.feed(data)
        self._wait_for_turn()

    def eof_received(self) -> bool:
        """asyncio: the peer has sent all; its calls are still answered."""
        self.at_end = True
        return self.waiting or self.blocked or bool(self.calls)

    def pause_writing(self) -> None:
        """asyncio: the peer does not read its replies."""
        self.unread_since = self.pool.clock()
        self.transport.pause_reading()
        self.pool.hold(self)

    def resume_writing(self) -> None:
        """asyncio: it does again."""
        self.unread_since = None
        self.pool.not_reading.pop(self, None)
        self._go_on()

    @property
    def blocked(self) -> bool:
        """No further record is to be taken now."""
        return self.unread_since is not None or len(self.calls) >= self.pool.limits.calls

    def overdue(self, now: float) -> str | None:
        """Why the connection is to end at ``now``, if it is."""
        limits = self.pool.limits
        if self.unread_since is not None:
            return "does not read" if now - self.unread_since > limits.write_time else None
        if self.waiting or self.blocked or self.calls:
            return None
        if self.reader.within_record and now - self.record_at > limits.record_time:
            return "a record took too long"
        if limits.idle_time is not None and now - self.heard_at > limits.idle_time:
            return "idle"
        return None

    def freeze(self) -> None:
        """Read nothing more, and have no turn: the pool's turns are held."""
        self.transport.pause_reading()

    def thaw(self) -> None:
        """Go on after ``freeze``; one that waits or is blocked reads again in its time."""
        if not (self.waiting or self.blocked):
            self.transport.resume_reading()

    def carried(self) -> Carried | None:
        """What another image needs to go on with it; None if it is to end with this one.

        A connection that has a call under way is: nobody would answer that.
        """
        unsent = self._unsent()
        descriptor = self.transport.get_extra_info("socket").fileno()
        if self.calls or descriptor < 0 or (self.transport.is_closing() and not unsent):
            return None
        unread = self.reader.unread
        times = self.heard_at, self.record_at
        return Carried(descriptor, self.listener.netid, unread, unsent, *times)

    def end(self, reason: str) -> None:
        """End the connection at once."""
        log.debug("%s: connection ended: %s", self.listener.netid, reason)
        self.pool.drop(self)
        self.transport.abort()

    def _wait_for_turn(self) -> None:
        """Have a turn; what arrives while waiting for it stays with the kernel."""
        if self.waiting:
            self.transport.pause_reading()
            return
        self.waiting = True
        self.pool.turns.add(self)

    def take_turn(self) -> bool:
        """Answer one record; whether there may be another to be answered now."""
        self.waiting = not (self.transport.is_closing() or self.blocked) and self._work()
        if self.transport.is_closing() or self.waiting:
            return self.waiting
        if self.blocked:
            self.transport.pause_reading()
        elif self.at_end and not self.calls:
            self.transport.close()
        else:
            self.transport.resume_reading()
        return False

    def _work(self) -> bool:
        """Answer a record if a whole one is there; whether the next may be."""
        try:
            message = next(self.reader.records(), None)
            if message is None:
                return False
            self.record_at = self.heard_at
            self._answer(message)
        except ProtocolError as error:
            self.end(str(error))
        return not (self.transport.is_closing() or self.blocked)

    def _answer(self, message: bytes) -> None:
        reply = self.listener.dispatcher.handle(message, self.caller)
        if isinstance(reply, bytes | None):
            self._write(reply)
            return
        task = asyncio.ensure_future(self._finish(reply))
        self.calls.add(task)
        task.add_done_callback(self._finished)

    async def _finish(self, reply: Awaitable[Reply]) -> None:
        self._write(await reply)

    def _finished(self, task: asyncio.Future[None]) -> None:
        self.calls.discard(task)
        self._go_on()

    def _go_on(self) -> None:
        """Something that may have blocked is over; until now the peer could not do more."""
        if self.blocked or self.transport.is_closing():
            return
        self.heard_at = self.record_at = self.pool.clock()
        self.pool.touch(self)
        if not self.waiting:
            self._wait_for_turn()

    def _write(self, reply: Reply) -> None:
        if reply is not None and not self.transport.is_closing():
            self._send(encode_record(reply))

    def _send(self, data: bytes) -> None:
        """Write, and keep what the transport could not send yet: it does not give that back."""
        self.transport.write(data)
        if self._written or self.transport.get_write_buffer_size():
            self._written.append(data)
            self._written_size += len(data)
            self.forget_sent()

    def forget_sent(self) -> None:
        """Keep no more of what was written than the parts that have bytes unsent."""
        unsent = self.transport.get_write_buffer_size() if self._written else 0
        while self._written and self._written_size - len(self._written[0]) >= unsent:
            self._written_size -= len(self._written.popleft())

    def _unsent(self) -> bytes:
        self.forget_sent()
        written = b"".join(self._written)
        return written[len(written) - self.transport.get_write_buffer_size() :]


class Listener:
    """Accepts the connections of one listening socket, from ``start`` to ``close``."""

    def __init__(self, sock: socket.socket, netid: str, dispatcher: Dispatcher, pool: Pool) -> None:
        self.sock, self.netid, self.dispatcher, self.pool = sock, netid, dispatcher, pool
        self.loop = asyncio.get_running_loop()
        self.starting: set[asyncio.Task[Any]] = set()
        self._paused: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._paused = None
        self.loop.add_reader(self.sock.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more until ``start``; those who connect wait in the socket."""
        if self._paused is not None:
            self._paused.cancel()
        self.loop.remove_reader(self.sock.fileno())

    def close(self) -> None:
        """Accept no more; the connections that there are stay."""
        self.stop()
        self.sock.close()

    def adopt(self, carried: Carried) -> None:
        """Go on with a connection that another image of the program has accepted."""
        self._begin(socket.socket(fileno=carried.descriptor), carried)

    def caller(self, sock: socket.socket) -> Caller:
        """Who is at the other end of an accepted socket."""
        if sock.family == socket.AF_UNIX:
            pidfd = partial(peer_pidfd, sock, time.clock_gettime(time.CLOCK_BOOTTIME))
            uid, pid = peer_uid(sock), peer_pid(sock)
            return Caller(self.netid, uid=uid, loopback=True, pid=pid, pidfd=pidfd)
        try:
            source = sock.getpeername()
        except OSError:
            source = ("", 0)
        local = sock.getsockname()
        loopback = source[0] == "::1" or source[0].startswith("127.")
        scopes = (source[3], local[3]) if len(source) > 3 else (0, 0)
        return Caller(
            self.netid,
            (source[0].partition("%")[0], source[1], scopes[0]),
            (local[0].partition("%")[0], local[1], scopes[1]),
            loopback=loopback,
        )

    def _accept(self) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, _ = self.sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._pause(error)
                return
            self._begin(sock)

    def _begin(self, sock: socket.socket, carried: Carried | None = None) -> None:
        connection = Connection(self, self.caller(sock), carried)
        if not self.pool.make_room(connection.source):
            sock.close()
            return
        sock.setblocking(False)
        self.pool.arrive(connection)
        made = self.loop.connect_accepted_socket(lambda: connection, sock)
        task = self.loop.create_task(made)
        self.starting.add(task)
        task.add_done_callback(self.starting.discard)
        task.add_done_callback(lambda _: self.pool.arrived(connection))

    def _pause(self, error: OSError) -> None:
        """Out of descriptors or memory: make room, and leave the queue alone for a moment."""
        log.warning("%s: cannot accept: %s", self.netid, error.strerror)
        if error.errno in FULL:
            self.pool.evict()
        self.loop.remove_reader(self.sock.fileno())
        self._paused = self.loop.call_later(ACCEPT_PAUSE, self.start)
