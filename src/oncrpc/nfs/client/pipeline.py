"""Many calls in progress over one stream, which is connected again when it breaks.

Starting a call does not wait. So a transfer has many READs or WRITEs in progress without a task for
each, and the same code runs over asyncio and over a blocking socket. When the connection breaks,
the pipeline connects again and sends all calls in progress with the same xid (RFC 1813 §4.4), until
each has its reply or reaches its deadline.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol, TypeVar, TypeVarTuple

from oncrpc.errors import (
    CallTimeout,
    ClientClosed,
    LimitExceeded,
    OncRpcError,
    ProtocolError,
    TransportError,
)
from oncrpc.nfs.client.replies import ReadReply, ReplyReader
from oncrpc.rpc.auth import AUTH_NONE, Auth, Flavor, SysFlavor
from oncrpc.rpc.calls import Calls, Pending
from oncrpc.rpc.program import AnyProcedure, Procedure
from oncrpc.rpc.record import LAST_FRAGMENT, MARK

R = TypeVar("R")
A = TypeVarTuple("A")
DEFAULT_CALL_TIMEOUT = 60.0
"""Seconds for a call of the NFS client, including repeated attempts."""

MAX_STRAY_REPLIES = 1024
"""Replies without a call in progress that the NFS client accepts on a connection."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two attempts to connect again: the first pause, doubled up to the longest."""

DIAL_TIMEOUT = 10.0
"""Seconds for one attempt to connect again."""

READS_IN_A_ROW = 8
"""System calls that read the data of one READ before the loop handles other events."""

SEND_PARTS = 64
"""Buffers that one system call sends; the system's limit is 1024."""

KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""TCP options that detect a vanished peer after half a minute."""

PLAIN_FLAVORS = (Flavor, SysFlavor)
"""Flavors that do not check the verifier of a reply."""


class Started:
    """A call in progress.

    ``payload`` is sent after the message. ``into`` is the buffer for the data of a READ. ``size``
    is the number of bytes of a WRITE. ``waiter`` is the future of the task that waits, if any.
    ``at`` is the time of the start, ``took`` the seconds until the reply.
    """

    __slots__ = ("at", "call", "into", "payload", "size", "took", "waiter")

    def __init__(
        self, call: Pending, payload: memoryview, into: memoryview | None, *, at: float
    ) -> None:
        self.call, self.payload, self.into = call, payload, into
        self.at, self.took = at, 0.0
        self.size = len(payload)
        self.waiter: Any = None


class Pipeline(ABC):
    """Sends calls over ``sock``; when it breaks, over a new socket from ``reopen``.

    ``timeout`` in seconds applies to each call. ``sock`` is None while there is no connection.
    ``calls`` and ``_started`` have the same calls, by xid; ``_outgoing`` has their bytes that are
    not sent yet. ``why`` is the error that broke the connection, or that of the last attempt to
    connect.
    """

    def __init__(
        self, sock: socket.socket, peer: str, *, auth: Auth, timeout: float, place: str
    ) -> None:
        self.peer, self.timeout = peer, timeout
        first_xid = int.from_bytes(os.urandom(4), "big")
        self.calls = Calls(first_xid=first_xid, retransmit=False, auth=auth, place=place)
        self.reopen: Callable[[float], Awaitable[socket.socket]] | None = None
        self.sock: socket.socket | None = None
        self.closed = False
        self.why: OncRpcError | None = None
        self._started: dict[int, Started] = {}
        self._outgoing = deque[memoryview]()
        self._stray = 0
        self._pause = 0.0
        self._reader = ReplyReader(self._buffer_for)
        self.adopt(sock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.calls.place}, {len(self._started)} calls>"

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make a call and wait for its result."""
        result: R = await self.result(self.start(procedure, *arguments, timeout=timeout, auth=auth))
        return result

    def start(
        self,
        procedure: AnyProcedure,
        *arguments: Any,
        payload: bytes | memoryview = b"",
        into: memoryview | None = None,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> Started:
        """Start a call; ``result`` waits for it.

        ``payload`` is sent after the arguments, padded, and must not change until the call has
        ended. ``into`` takes the data of a READ of version 3, whose result is then a ``ReadReply``.
        """
        if self.closed:
            raise ClientClosed.at(self.calls.place)
        if self.sock is None and self.reopen is None:
            raise self.why or ClientClosed.at(self.calls.place)
        limit = self.timeout if timeout is None else timeout
        now = self.now()
        call = self.calls.start(procedure, arguments, now=now, timeout=limit, auth=auth)
        started = self._started[call.xid] = Started(call, memoryview(payload), into, at=now)
        self._arm(call.due_at)
        if self.sock is None:
            self._connect()
        else:
            self._queue(started)
            self._send()
        return started

    async def result(self, started: Started) -> Any:
        """Wait until a call has ended, and return its result.

        Raises:
            CallError, TransportError, CallTimeout, ProtocolError.
        """
        try:
            await self._wait(started)
        finally:
            self.forget(started)
        if started.call.error is not None:
            raise started.call.error
        return started.call.result

    def forget(self, started: Started) -> None:
        """Forget a call: its late reply is dropped, and its buffer is not written to any more."""
        call = started.call
        if self._started.pop(call.xid, None) is not None:
            self.calls.forget(call)
            self._reader.abandon(call.xid)

    def close(self) -> None:
        """Close the connection for good; calls in progress fail with ``ClientClosed``."""
        self.closed = True
        self._drop_socket()
        self._end_all(ClientClosed.at(self.calls.place))

    def detach(self) -> socket.socket:
        """Give the connected socket to the caller. The pipeline is closed then.

        Raises:
            TransportError: the connection has broken meanwhile.
        """
        sock = self.sock
        if sock is None:
            raise self.why or ClientClosed.at(self.calls.place)
        self.closed = True
        self._unwatch(sock)
        self.sock = None
        return sock

    def adopt(self, sock: socket.socket) -> None:
        """Use this connected socket, and send all calls in progress over it."""
        self.sock, self._stray = sock, 0
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option, value in KEEPALIVE.items():
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._reader = ReplyReader(self._buffer_for)
        self._watch(sock)
        for started in self._started.values():
            self._queue(started)
        self._send()

    @property
    def local(self) -> bool:
        """Whether both ends of the connection have the address of this host."""
        sock = self.sock
        if sock is None:
            return False
        return sock.family == socket.AF_UNIX or sock.getsockname()[0] == sock.getpeername()[0]

    @abstractmethod
    def now(self) -> float:
        """Seconds of a monotonic clock."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""

    @abstractmethod
    def new_lock(self) -> AbstractAsyncContextManager[object]:
        """A lock between the users of this pipeline."""

    @abstractmethod
    async def _wait(self, started: Started) -> None:
        """Wait until a call is done."""

    @abstractmethod
    def _wake(self, started: Started) -> None:
        """A call is done."""

    @abstractmethod
    def _arm(self, at: float) -> None:
        """Call ``_due`` at that time."""

    @abstractmethod
    def _connect(self) -> None:
        """Start ``_redial``, if it is not running."""

    @abstractmethod
    def _watch(self, sock: socket.socket) -> None:
        """Call ``_receive`` when there is something to read."""

    @abstractmethod
    def _watch_writing(self, wanted: bool) -> None:
        """Call ``_send`` when the socket takes bytes again."""

    @abstractmethod
    def _unwatch(self, sock: socket.socket) -> None:
        """Stop watching."""

    async def _redial(self) -> None:
        """Connect again, until that succeeds or no call is in progress.

        The first attempt is made at once; the pauses then grow until a reply has come.
        """
        while self.sock is None and self._started and self.reopen is not None:
            pause, self._pause = self._pause, max(self._pause, FIRST_PAUSE / 2) * 2
            if pause:
                await self.sleep(min(pause, LONGEST_PAUSE))
                self._due()
            try:
                sock = await self.reopen(min(self.timeout, DIAL_TIMEOUT))
                if self.closed:
                    sock.close()
                    return
                self.adopt(sock)
            except OncRpcError as error:
                self.why = error
            except OSError as error:  # the new connection broke at once
                self.why = TransportError.of(error, place=self.calls.place)
                self._drop_socket()

    def _queue(self, started: Started) -> None:
        call, payload = started.call, started.payload
        padding = -len(payload) % 4
        length = len(call.message) + len(payload) + padding
        self._outgoing.append(memoryview(MARK.pack(LAST_FRAGMENT | length) + call.message))
        if payload:
            self._outgoing.append(payload)
        if padding:
            self._outgoing.append(memoryview(bytes(padding)))

    def _send(self) -> None:
        """Send until the socket is full."""
        outgoing = self._outgoing
        try:
            while outgoing and self.sock is not None:
                parts = [outgoing[i] for i in range(min(len(outgoing), SEND_PARTS))]
                self._sent(self.sock.sendmsg(parts))
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(error)
            return
        self._watch_writing(bool(outgoing))

    def _sent(self, count: int) -> None:
        outgoing = self._outgoing
        while outgoing and count >= len(outgoing[0]):
            count -= len(outgoing.popleft())
        if count:
            outgoing[0] = outgoing[0][count:]

    def _receive(self) -> None:
        """Read a piece of what has arrived, and more if it ends within the data of a READ."""
        try:
            for _ in range(READS_IN_A_ROW):
                if self.sock is None:
                    return
                for reply in self._reader.receive(self.sock):
                    self._take(reply)
                if not self._reader.within_data:
                    return
        except BlockingIOError:
            pass
        except ProtocolError as error:  # the next record cannot be found
            error.place = self.calls.place
            self._drop_socket()
            self._end_all(error)
        except OSError as error:
            self._lost(error)

    def _take(self, reply: bytes | ReadReply) -> None:
        xid = reply.xid if isinstance(reply, ReadReply) else int.from_bytes(reply[:4], "big")
        started = self._started.get(xid)
        if started is None:
            self._count_stray()
            return
        call, self._pause = started.call, 0.0
        if isinstance(reply, ReadReply):
            self.calls.forget(call)
            call.finish(reply)
        elif self.calls.feed(reply) is None:
            self._count_stray()
            return
        del self._started[xid]
        if call.done:
            started.took = self.now() - started.at
            self._wake(started)
        else:  # it is repeated with a new xid
            self._started[call.xid] = started
            self._queue(started)
            self._send()

    def _count_stray(self) -> None:
        self._stray += 1
        if self._stray > MAX_STRAY_REPLIES:
            raise LimitExceeded(f"over {MAX_STRAY_REPLIES} replies that answer no call")

    def _buffer_for(self, xid: int) -> memoryview | None:
        started = self._started.get(xid)
        if started is None or type(started.call.flavor) not in PLAIN_FLAVORS:
            return None
        return started.into

    def _lost(self, error: OSError) -> None:
        """The connection broke: send the calls in progress again over a new one."""
        self.why = TransportError.of(error, place=self.calls.place)
        self._drop_socket()
        if self.reopen is None or self.closed:
            self._end_all(self.why)
        elif self._started:
            self._connect()

    def _drop_socket(self) -> None:
        sock, self.sock = self.sock, None
        self._outgoing.clear()
        self._reader = ReplyReader(self._buffer_for)
        if sock is not None:
            self._unwatch(sock)
            with suppress(OSError):
                sock.close()

    def _end_all(self, error: OncRpcError) -> None:
        self.calls.fail(error)
        self._end(list(self._started.values()))

    def _due(self) -> None:
        """End the calls that have reached their deadline."""
        done = set(self.calls.due(self.now()))
        late = [started for started in self._started.values() if started.call in done]
        for started in late:
            if self.sock is None and self.why is not None:
                started.call.error = CallTimeout(f"{started.call.error}; {self.why}")
        self._end(late)

    def _end(self, ended: list[Started]) -> None:
        for started in ended:
            del self._started[started.call.xid]
            self._wake(started)


class Connector(Protocol):
    """Opens a pipeline to a port: the ``dial`` of a driver."""

    def __call__(
        self,
        netid: str,
        host: str,
        port: int,
        *,
        auth: Auth = AUTH_NONE,
        timeout: float = DEFAULT_CALL_TIMEOUT,
        reserved_port: bool = False,
    ) -> Awaitable[Pipeline]: ...
