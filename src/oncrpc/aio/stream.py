"""Serving record-marked streams: TCP and local sockets (RFC 5531 §11).

A connection costs no more than its limits: the size of a record, the time for it to arrive, the
calls in progress, the replies that the peer has not read. When it reaches one, the server stops
reading from it, so that TCP's own flow control stops the peer. Connections are served a few calls
at a time, one source after the other, and after a slice of time datagrams and new connections are
served. The limits of all connections together are in the pool (``oncrpc.aio.connections``).

A connection survives a restart in place: frozen, it can be handed to another process, with the
bytes that were read but not answered, and those that the peer has not taken.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Awaitable, Hashable
from functools import partial
from typing import Any

from oncrpc.aio.connections import Carried, Pool
from oncrpc.aio.guard import Guard, NoGuard
from oncrpc.aio.quick_replies import QuickReplies
from oncrpc.aio.stream_socket import StreamSocket
from oncrpc.caching import Bounded, Epoch
from oncrpc.errors import ProtocolError, SystemFailure
from oncrpc.host.processes import pidfd_of
from oncrpc.net.peers import is_connected, peer_pid, peer_pidfd, peer_uid
from oncrpc.net.sockets import accept
from oncrpc.rpc.dispatch import Dispatcher, Reply, refuse
from oncrpc.rpc.program import Caller
from oncrpc.rpc.record import RecordReader, encode_record, record_mark
from oncrpc.rpc.record_buffer import RecordBuffer
from oncrpc.rpc.reply_cache import NO_REPLIES, CacheableReply, Replies

log = logging.getLogger("oncrpc.aio")

FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
ACCEPT_BATCH = 64
ACCEPT_PAUSE = 0.1
MAX_KNOWN = 1024
"""Pairs of a source and a local address whose rights are remembered."""

ACCEPTED_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
"""Options that accepted sockets inherit: keep-alive finds hosts that vanished during a call."""


class Connection:
    """One peer: records come in, replies go out as they are ready.

    Between two events:

    - ``queued`` says that it is in the pool's queue; data that arrives stays in the kernel then;
    - it reads unless it is ``queued`` or ``blocked``, or has reached its end;
    - ``calls`` are the tasks of calls in progress, ``call_bytes`` the bytes of these calls;
    - ``unanswered`` is the last value given to the pool: bytes of calls without a reply;
    - ``unread_since`` is set while the peer must read its replies first;
    - only ``connection_lost`` sets ``is_lost``, and it is called once.
    """

    def __init__(self, listener: Listener, sock: socket.SocketType, caller: Caller) -> None:
        self.listener, self.pool, self.caller = listener, listener.pool, caller
        self.source = caller.origin
        caller.connected = partial(is_connected, sock)
        pool, limits = self.pool, self.pool.limits
        make = listener.dispatcher.quick
        calls = None if make is None else make(caller)
        self.quick = None if calls is None else QuickReplies(self, calls)
        self.buffer: RecordBuffer | None = None
        if self.quick is not None:
            self.buffer = RecordBuffer(max_record=limits.record, spares=pool.spares)
        self.reader = self.buffer or RecordReader(max_record=limits.record)
        self.stream = StreamSocket(
            sock, self, poller=pool.poller, most_unsent=limits.unread, read_size=pool.read_size,
            place=None if self.buffer is None else partial(self.buffer.place, pool.room),
        )  # fmt: skip
        self.calls: set[asyncio.Future[None]] = set()
        self.call_bytes = self.unanswered = 0
        self.heard_at = self.record_at = self.pool.clock()
        self.unread_since: float | None = None
        self.queued = False
        self.is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    def begin(self, carried: Carried | None = None) -> None:
        """Answer what has arrived already, or continue where another process stopped."""
        if carried is not None:
            self.pool.touch(self)
            self.heard_at, self.record_at = carried.heard_at, carried.record_at
            self.stream.write(carried.unsent)
            self.reader.feed(carried.unread)
            self._enqueue()
            self.stream.resume_reading()
            return
        self.stream.start()
        if not self.is_lost and self not in self.pool.connections:
            self.pool.touch(self)

    def connection_lost(self) -> None:
        """Called when the socket is closed."""
        self.pool.drop(self)
        if self.unanswered or self.queued:
            self.reader.forget()  # its memory now; the rest when the garbage collector runs
        self.is_lost = True
        if self.quick is not None:
            self.quick.calls.close()
        for task in self.calls:
            # call_soon: a task cancelled before its first step would never leave its hooks.
            self.listener.loop.call_soon(task.cancel)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done once the socket is closed."""
        if self._waiter is None:
            self._waiter = self.listener.loop.create_future()
            if self.is_lost:
                self._waiter.set_result(None)
        return self._waiter

    def data_received(self, data: bytes | memoryview) -> None:
        """Called when bytes have arrived; a memoryview is valid until this returns."""
        self.heard_at = self.pool.clock()
        if not self.reader.within_record:
            self.record_at = self.heard_at
        self.pool.touch(self)
        if self.buffer is None:
            self.reader.feed(bytes(data))
        else:
            self.buffer.arrived(memoryview(data))
        if self.queued:
            self.stream.pause_reading()  # what arrives stays in the kernel
        elif not self.pool.queue.at_once(self.heard_at) or self.answer_some():
            self._enqueue()
        if self.buffer is not None:
            self.buffer.keep_rest()

    def eof_received(self) -> None:
        """Called when the peer has sent everything; its calls are still answered."""
        if not (self.queued or self.blocked or self.calls):
            self.stream.close()

    def pause_writing(self) -> None:
        """Called when the peer does not read its replies."""
        self.unread_since = self.pool.clock()
        self.stream.pause_reading()
        self.pool.hold(self)

    def resume_writing(self) -> None:
        """Called when the peer reads again."""
        self.unread_since = None
        self.pool.not_reading.pop(self, None)
        self.go_on()

    @property
    def blocked(self) -> bool:
        """Whether no further record may be answered now."""
        return self.unread_since is not None or (bool(self.calls) and self._busy())

    def _busy(self) -> bool:
        limits, workers = self.pool.limits, self.listener.dispatcher.workers
        if len(self.calls) >= limits.calls or self.call_bytes >= limits.call_bytes:
            return True
        # Full workers block only a connection with calls in progress (see ``blocked``): the end of
        # one of these calls unblocks it, so that no connection waits for ever. On any other one the
        # dispatcher refuses the calls for workers.
        return workers is not None and workers.full_for(self.source)

    def overdue(self, now: float) -> str | None:
        """Why the connection must end at ``now``; None if it need not."""
        limits = self.pool.limits
        if self.unread_since is not None:
            return "does not read" if now - self.unread_since > limits.write_time else None
        if self.stream.closing:
            return "does not read" if now - self.heard_at > limits.write_time else None
        if self.queued or self.blocked or self.calls:
            return None
        if self.reader.within_record and now - self.record_at > limits.record_time:
            return "a record took too long"
        if limits.idle_time is not None and now - self.heard_at > limits.idle_time:
            return "idle"
        return None

    def freeze(self) -> None:
        """Stop reading; the pool's queue is held meanwhile."""
        self.stream.pause_reading()

    def thaw(self) -> None:
        """Continue after ``freeze``; a queued or blocked connection reads again later."""
        self.stream.release()
        if not (self.queued or self.blocked):
            self.stream.resume_reading()

    def carried(self) -> Carried | None:
        """The state to hand over, or None if the connection cannot be handed over.

        A connection with a call in progress ends: nothing could answer that call. On the remaining
        connections nothing more is sent until ``thaw``: the other process would send it again.
        """
        descriptor = self.stream.sock.fileno()
        self.stream.read_rest()
        unsent = bytes(self.stream.unsent)
        if self.calls or descriptor < 0 or (self.stream.closing and not unsent):
            return None
        unread = self.reader.unread
        times = self.heard_at, self.record_at
        self.stream.hold()
        return Carried(descriptor, self.listener.netid, unread, unsent, *times)

    def end(self, reason: str) -> None:
        """End the connection at once."""
        log.debug("%s: connection ended: %s", self.listener.netid, reason)
        self.pool.drop(self)
        self.stream.abort()
        self.reader.forget()

    def _enqueue(self) -> None:
        self.queued = True
        self.pool.queue.add(self)

    def answer_some(self) -> bool:
        """Answer a batch of records. Returns whether more may be left."""
        self.queued = not (self.stream.closing or self.blocked) and self._work()
        if self.stream.closing or self.queued:
            return self.queued
        unanswered = self.reader.held + self.call_bytes
        if unanswered != self.unanswered:
            self.unanswered = unanswered
            self.pool.count(self, unanswered)
        if self.blocked:
            self.stream.pause_reading()
        elif self.stream.at_end and not self.calls:
            self.stream.close()
        else:
            self.stream.resume_reading()
        return False

    def _work(self) -> bool:
        """Answer records that have arrived, with one write. Returns whether more may be left."""
        quick, now = self.quick, self.heard_at
        if quick is None or not (
            self.listener.is_open(self.caller, now) and quick.calls.begin(now)
        ):
            return self._answer_records(None)
        try:
            return self._answer_records(quick)
        finally:
            quick.calls.end()

    def _answer_records(self, quick: QuickReplies | None) -> bool:
        cached_replies = self.listener.cached_replies(self.caller, self.heard_at)
        replies: list[bytes] = []
        count = size = 0
        stopped = False
        reader, buffer, limits = self.reader, self.buffer, self.pool.limits
        batch_calls, batch_bytes = limits.batch_calls, limits.batch_bytes
        most_joined = reader.joined + limits.batch_fragments
        try:
            for record in reader.records() if buffer is None else buffer.messages():
                message: Any = record  # bytes, or a view of them
                if buffer is not None:
                    answered = None if quick is None else quick.answer(message, replies)
                    if answered is not None:
                        count, size = count + 1, size + answered
                        full = count >= batch_calls or size >= batch_bytes
                        if full or reader.joined >= most_joined or self.blocked:
                            stopped = True  # records may remain
                            break
                        continue
                    message = bytes(message)
                cached = cached_replies.get(message[4:])
                if cached is not None:
                    cached.hits += 1
                    replies += cached.mark, message[:4], cached.tail
                    size += len(cached.tail)
                else:
                    size += self.answer(message, replies)
                    # The call may have changed the subject: read the cached replies again.
                    cached_replies = self.listener.cached_replies(self.caller, self.heard_at)
                count += 1
                full = count == batch_calls or size >= batch_bytes or reader.joined >= most_joined
                if full or (cached is None and self.blocked):
                    stopped = True  # records may remain
                    break
        except ProtocolError as error:
            self.send(replies)
            self.end(str(error))
            return False
        if count:
            self.record_at = self.heard_at
        self.send(replies)
        return stopped and not (self.stream.closing or self.blocked)

    def answer(self, message: bytes, replies: list[bytes]) -> int:
        """Dispatch a call and add its reply, if it is ready. Returns the length of that reply."""
        reply = self.listener.dispatcher.handle(message, self.caller)
        if reply is None:
            return 0
        if not isinstance(reply, bytes):
            task = asyncio.ensure_future(self._finish(reply))
            self.calls.add(task)
            self.call_bytes += len(message)
            task.add_done_callback(partial(self._finished, message[:4], len(message)))
            return 0
        if isinstance(reply, CacheableReply):
            self.listener.keep(self.caller, message, reply)
        replies += record_mark(len(reply)), reply
        return len(reply)

    async def _finish(self, reply: Awaitable[Reply]) -> None:
        found = await reply
        if found is not None:
            self.send([encode_record(found)])

    def _finished(self, xid: bytes, size: int, task: asyncio.Future[None]) -> None:
        self.calls.discard(task)
        self.call_bytes -= size
        if task.cancelled() and not self.stream.closing:
            log.error(
                "%s: a call of %s was cancelled unexpectedly", self.listener.netid, self.caller
            )
            self.send([encode_record(refuse(xid, SystemFailure()))])
        self.go_on()

    def go_on(self) -> None:
        """Continue once unblocked; restart the idle clock."""
        if self.blocked or self.stream.closing:
            return
        self.heard_at = self.record_at = self.pool.clock()
        self.pool.touch(self)
        if not self.queued:
            self._enqueue()

    def send(self, parts: list[bytes]) -> None:
        """Send replies, with their record marks."""
        if parts and not self.stream.closing:
            self.stream.write(*parts)


class Listener:
    """Accepts the connections of one listening socket, from ``start`` to ``close``.

    The connections belong to the ``pool`` and outlive the listener. While it is ``paused`` a timer
    starts it again; otherwise, between ``start`` and ``stop``, the loop watches its socket.
    """

    def __init__(
        self,
        sock: socket.socket,
        netid: str,
        *,
        dispatcher: Dispatcher,
        pool: Pool,
        guard: Guard | None = None,
    ) -> None:
        self.sock, self.netid, self.dispatcher, self.pool = sock, netid, dispatcher, pool
        self.guard = NoGuard() if guard is None else guard
        self.loop = asyncio.get_running_loop()
        self._epoch = Epoch(self.guard)
        self._open = Bounded[Hashable, Hashable | None](MAX_KNOWN)
        self.kind = int(sock.family), int(sock.type), sock.proto
        for option in ACCEPTED_SOCKET_OPTIONS if sock.family != socket.AF_UNIX else ():
            sock.setsockopt(*option)
        self._paused: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._paused = None
        self.loop.add_reader(self.sock.fileno(), self.accept_waiting)

    def stop(self) -> None:
        """Accept no more until ``start``; new connections wait in the socket."""
        if self._paused is not None:
            self._paused.cancel()
        self.loop.remove_reader(self.sock.fileno())

    def close(self) -> None:
        """Accept no more; open connections stay."""
        self.stop()
        self.sock.close()

    def adopt(self, carried: Carried) -> None:
        """Continue a connection that another process has accepted."""
        sock = socket.SocketType(*self.kind, carried.descriptor)
        try:
            source = sock.getpeername()
        except OSError:  # the peer is gone
            source = ("", 0)
        self.begin(sock, source, carried)

    def caller(self, sock: socket.SocketType, source: Any) -> Caller:
        """The caller at the other end of an accepted socket."""
        if self.kind[0] == socket.AF_UNIX:
            pidfd = partial(_pidfd_of_peer, sock, time.clock_gettime(time.CLOCK_BOOTTIME))
            uid, pid = peer_uid(sock), peer_pid(sock)
            return Caller(self.netid, uid=uid, loopback=True, pid=pid, pidfd=pidfd)
        local = sock.getsockname()
        loopback = source[0] == "::1" or source[0].startswith("127.")
        scopes = (source[3], local[3]) if len(source) > 3 else (0, 0)
        return Caller(
            self.netid,
            (source[0].partition("%")[0], source[1], scopes[0]),
            (local[0].partition("%")[0], local[1], scopes[1]),
            loopback=loopback,
        )

    def cached_replies(self, caller: Caller, now: float) -> Replies:
        """Cached replies for this caller; valid until the next dispatch.

        The guard decides whether a caller's calls may be answered from the cache at all. These
        decisions are remembered:

        - Key: the caller's host, the address that it connected to, and the local user.
        - Bound: 1,024 decisions; the oldest is evicted.
        - Emptied when the guard changes.
        """
        cache = self.dispatcher.reply_cache
        if cache is None:
            return NO_REPLIES
        if self._epoch.has_ended(now):
            self._open.clear()
        circumstances = self._circumstances(caller)
        return NO_REPLIES if circumstances is None else cache.replies(circumstances, now)

    def is_open(self, caller: Caller, now: float) -> bool:
        """Whether the guard refuses no call of this caller."""
        if self._epoch.has_ended(now):
            self._open.clear()
        return self._circumstances(caller) is not None

    def keep(self, caller: Caller, message: bytes, reply: CacheableReply) -> None:
        """Keep the reply to a call for later calls with the same bytes."""
        cache, circumstances = self.dispatcher.reply_cache, self._circumstances(caller)
        if cache is not None and circumstances is not None:
            cache.keep(circumstances, message, reply, reply.counters)

    def _circumstances(self, caller: Caller) -> Hashable | None:
        """What a reply to this caller depends on; None if it may not come from the cache."""
        key = caller.host, caller.local, caller.uid
        try:
            return self._open[key]
        except KeyError:
            is_open = self.guard.open_to(caller)
            circumstances = (self.netid, caller.local, caller.loopback) if is_open else None
            self._open.keep(key, circumstances)
            return circumstances

    @property
    def paused(self) -> bool:
        """Whether accepting is paused because descriptors or memory ran out."""
        return self._paused is not None

    def accept_waiting(self) -> None:
        """Accept waiting connections, a bounded number of them."""
        for _ in range(ACCEPT_BATCH):
            try:
                descriptor, source = accept(self.sock)
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._pause(error)
                return
            self.begin(socket.SocketType(*self.kind, descriptor), source)

    def begin(self, sock: socket.SocketType, source: Any, carried: Carried | None = None) -> None:
        """Serve an accepted connection."""
        sock.setblocking(False)
        connection = Connection(self, sock, self.caller(sock, source))
        if self.pool.make_room(connection.source):
            connection.begin(carried)
        else:
            sock.close()

    def _pause(self, error: OSError) -> None:
        """Out of descriptors or memory: make room, and accept nothing for a moment."""
        log.warning("%s: cannot accept: %s", self.netid, error.strerror)
        if error.errno in FULL and self.pool.evict() and error.errno == errno.EMFILE:
            return  # that freed a descriptor
        self.loop.remove_reader(self.sock.fileno())
        self._paused = self.loop.call_later(ACCEPT_PAUSE, self.start)


def _pidfd_of_peer(sock: socket.SocketType, accepted_at: float) -> int:
    """A descriptor of the process at the other end of a local socket, accepted at that time."""
    pidfd = peer_pidfd(sock)
    return pidfd_of(peer_pid(sock), known_at=accepted_at) if pidfd is None else pidfd
