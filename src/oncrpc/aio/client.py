"""Calling programs over asyncio: any number of calls at once on one connection."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from oncrpc.addr import RPCB_SOCKET, Transport, is_numeric, transport
from oncrpc.binder import Binder
from oncrpc.endpoint import look_up, peer_of, socket_of
from oncrpc.errors import ProtocolError, TransportError
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.program import Client, Procedure
from oncrpc.rpc.prot import opaque_auth
from oncrpc.rpc.record import RecordReader, encode_record

R = TypeVar("R")
C = TypeVar("C", bound=Client)
MAX_DATAGRAM = 65536
MAX_REPLY = 64 << 20


class AioLink(asyncio.Protocol):
    """A connected socket of either kind that carries calls; also asyncio's protocol of a stream."""

    def __init__(self, peer: str, calls: Calls, timeout: float) -> None:
        self.peer, self.calls, self.timeout = peer, calls, timeout
        self.loop = asyncio.get_running_loop()
        self.reader = RecordReader(max_record=MAX_REPLY)
        self.transport: asyncio.Transport | None = None
        self.sock: socket.socket | None = None
        self.broken: TransportError | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def call(self, procedure: Procedure[R], *arguments: Any) -> R:
        """Make the call and wait for its reply, its refusal or its deadline.

        Cancelling leaves the link usable: a late reply is dropped by its xid.
        """
        if self.broken is not None:
            raise self.broken.with_traceback(None)
        now = self.loop.time()
        call = self.calls.start(procedure, arguments, now=now, timeout=self.timeout)
        call.waiter = self.loop.create_future()
        try:
            self._send(call)
            self._arm(min(call.deadline, call.retry_at))
            result: R = await call.waiter
            return result
        finally:
            self.calls.forget(call)

    def close(self) -> None:
        """Close the link; calls under way fail."""
        if self.transport is not None:
            self.transport.close()
        if self.sock is not None:
            self.loop.remove_reader(self.sock.fileno())
            self.sock.close()
            self.sock = None
        self._fail(TransportError.number(errno.ECONNABORTED))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the stream is connected."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes of the stream have arrived."""
        self.reader.feed(data)
        try:
            for record in self.reader.records():
                self._finish(self.calls.feed(record))
        except ProtocolError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the stream has ended."""
        broken = isinstance(exc, OSError)
        self._fail(TransportError.of(exc) if broken else TransportError.number(errno.ECONNRESET))  # type: ignore[arg-type]  # mypy does not follow `broken`

    def attach(self, sock: socket.socket) -> None:
        """Carry calls over a connected datagram socket."""
        self.sock = sock
        self.loop.add_reader(sock.fileno(), self._receive)

    def _receive(self) -> None:
        assert self.sock is not None
        try:
            data = self.sock.recv(MAX_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._end_all(TransportError.of(error))
            return
        self._finish(self.calls.feed(data))

    def _send(self, call: Pending) -> None:
        if self.transport is not None:
            self.transport.write(encode_record(call.message))
        elif self.sock is not None:
            try:
                self.sock.send(call.message)
            except BlockingIOError:
                pass
            except OSError as error:
                raise TransportError.of(error) from None

    def _arm(self, at: float | None) -> None:
        """Have ``_due`` called at that time, if it is not to be called earlier."""
        if at is not None and (self._timer is None or at < self._timer.when()):
            self._disarm()
            self._timer = self.loop.call_at(at, self._due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        for call in self.calls.due(self.loop.time()):
            if call.done:
                self._finish(call)
            else:
                self._resend(call)
        self._arm(self.calls.next_deadline())

    def _resend(self, call: Pending) -> None:
        try:
            self._send(call)
        except TransportError as error:
            call.finish(error=error)
            self._finish(call)

    def _finish(self, call: Pending | None) -> None:
        if call is None or call.waiter.done():
            return
        if call.error is not None:
            call.waiter.set_exception(call.error)
        else:
            call.waiter.set_result(call.result)

    def _fail(self, error: TransportError) -> None:
        self.broken = self.broken or error
        self._end_all(error)

    def _end_all(self, error: TransportError) -> None:
        for call in self.calls.fail(error):
            self._finish(call)
        self._disarm()


async def dial(
    netid: str,
    host: str,
    port: int,
    *,
    cred: opaque_auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
) -> AioLink:
    """Connect to a host and port, or to the local socket whose path ``host`` is.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
    """
    entry = transport(netid)
    calls = Calls(
        first_xid=int.from_bytes(os.urandom(4), "big"), retransmit=entry.datagram, cred=cred
    )
    sock = await _connect(entry, host, port, timeout)
    try:
        link = AioLink(peer_of(sock, host), calls, timeout)
    except TransportError:
        sock.close()
        raise
    if entry.datagram:
        link.attach(sock)
    elif sock.family == socket.AF_UNIX:
        await link.loop.create_unix_connection(lambda: link, sock=sock)
    else:
        await link.loop.create_connection(lambda: link, sock=sock)
    return link


async def _connect(entry: Transport, host: str, port: int, timeout: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    address = await _look_up(entry, host, port)
    try:
        sock = socket_of(entry)
        try:
            sock.setblocking(False)
            await asyncio.wait_for(loop.sock_connect(sock, address), timeout)
            return sock
        except BaseException:
            sock.close()
            raise
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT) from None
    except OSError as error:
        raise TransportError.of(error) from None


async def _look_up(entry: Transport, host: str, port: int) -> Any:
    """Names are looked up in a thread, off the event loop."""
    if entry.family == "loopback" or is_numeric(host):
        return look_up(entry, host, port)
    return await asyncio.to_thread(look_up, entry, host, port)


@asynccontextmanager
async def connect(
    host: str,
    client: type[C],
    *,
    netid: str = "tcp",
    port: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    cred: opaque_auth = AUTH_NONE,
    binder: Binder | None = None,
) -> AsyncIterator[C]:
    """A client of one version of a program on a host, while the context lasts.

    Without a port the host's port mapper is asked; for the netid ``local``, ``host`` is a path.
    ``timeout`` is for each call, in seconds.

    Raises:
        NotRegistered: the port mapper does not know the program. TransportError, CallTimeout.
    """
    version = client.version
    if port is None and transport(netid).family != "loopback":
        asked = binder or Binder(dial)
        port = await asked.getport(host, version.prog, version.vers, netid)
    link = await dial(netid, host or RPCB_SOCKET, port or 0, cred=cred, timeout=timeout)
    try:
        yield client(link)
    finally:
        link.close()
