"""Links over asyncio: a connected socket that carries any number of calls at once."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple, cast

from oncrpc.addr import Transport, transport
from oncrpc.checks import check_seconds
from oncrpc.errors import ClientClosed, HostUnknown, OncRpcError, ProtocolError, TransportError
from oncrpc.net.lookup import LookUp, is_name, look_up
from oncrpc.net.peers import hung_up, peer_of
from oncrpc.net.targets import bind_reserved, place_of, socket_of
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.program import Procedure
from oncrpc.rpc.record import RecordReader, encode_record

R = TypeVar("R")
A = TypeVarTuple("A")
MAX_DATAGRAM = 65536
"""Bytes of a reply over UDP (asyncio)."""

MAX_REPLY = 64 << 20
"""Bytes of a reply over a stream (asyncio)."""

MAX_UNREAD = 256 << 10
"""Bytes that the peer has not read; further calls are sent when it has, unless they end before."""


class AioLink(asyncio.Protocol):
    """A connected socket of either kind that carries calls; also asyncio's protocol of a stream.

    ``broken`` is why no further call can be made; ``doubtful`` says that nobody answers datagrams
    at that address any more.
    """

    def __init__(self, peer: str, calls: Calls, timeout: float) -> None:
        self.peer, self.calls, self.timeout = peer, calls, timeout
        self.loop = asyncio.get_running_loop()
        self.reader = RecordReader(max_record=MAX_REPLY)
        self.transport: asyncio.Transport | None = None
        self.sock: socket.socket | None = None
        self.broken: OncRpcError | None = None
        self.doubtful = False
        self._timer: asyncio.TimerHandle | None = None
        self._full = False
        self._unsent: dict[Pending, None] = {}

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call and wait for its reply, its refusal or its deadline.

        Cancelling leaves the link usable: a late reply is dropped by its xid.
        """
        if self.broken is not None:
            raise self.broken.with_traceback(None)
        now, limit = self.loop.time(), self.timeout if timeout is None else timeout
        call = self.calls.start(procedure, arguments, now=now, timeout=limit, auth=auth)
        call.waiter = self.loop.create_future()
        try:
            self._send(call)
            self._arm(call.due_at)
            result: R = await call.waiter
            return result
        finally:
            self.calls.forget(call)
            self._unsent.pop(call, None)

    @property
    def works(self) -> bool:
        """Whether a call can be made, as far as can be seen.

        The peer may have ended the stream, and the loop not yet have told; while calls are under
        way their replies may come before that end.
        """
        if self.broken is not None or self.doubtful:
            return False
        if len(self.calls):
            return True
        sock = self.transport.get_extra_info("socket") if self.transport else self.sock
        assert sock is not None, "a link that is not broken has a socket"
        return not hung_up(sock.fileno())

    def close(self) -> None:
        """Close the link; calls under way fail, and those made later, with ``ClientClosed``."""
        closed = ClientClosed.at(self.calls.place)
        self._break(closed)
        self.broken = closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the stream is connected."""
        made = self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        made.set_write_buffer_limits(high=MAX_UNREAD)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes of the stream have arrived."""
        self.reader.feed(data)
        try:
            for record in self.reader.records():
                self._take(record)
        except ProtocolError as error:
            error.place = self.calls.place
            self._break(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the stream has ended."""
        reset = OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self._fail(self._error(exc if isinstance(exc, OSError) else reset))

    def pause_writing(self) -> None:
        """asyncio: the peer does not read."""
        self._full = True

    def resume_writing(self) -> None:
        """asyncio: it does again."""
        self._full = False
        while self._unsent and not self._full:
            call = next(iter(self._unsent))
            del self._unsent[call]
            self._send(call)

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
            self.doubtful = True
            self._end_all(self._error(error))
            return
        self._take(data)

    def _take(self, message: bytes) -> None:
        call = self.calls.feed(message)
        if call is not None:
            self._finish(call) if call.done else self._resend(call)

    def _send(self, call: Pending) -> None:
        if self._full:
            self._unsent[call] = None
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.write(encode_record(call.message))
        elif self.sock is not None:
            try:
                self.sock.send(call.message)
            except BlockingIOError:
                pass
            except OSError as error:
                raise self._error(error) from None

    def _error(self, error: OSError) -> TransportError:
        return TransportError.of(error, place=self.calls.place)

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
            self._finish(call) if call.done else self._resend(call)
        self._arm(self.calls.next_deadline())

    def _resend(self, call: Pending) -> None:
        try:
            self._send(call)
        except TransportError as error:
            call.finish(error=error)
            self._finish(call)

    def _finish(self, call: Pending) -> None:
        if call.waiter.done():
            return
        if call.error is not None:
            call.waiter.set_exception(call.error)
        else:
            call.waiter.set_result(call.result)

    def _break(self, error: OncRpcError) -> None:
        """End the link: nothing more is sent, what the peer has not read is dropped."""
        if self.transport is not None:
            self.transport.abort()
        if self.sock is not None:
            self.loop.remove_reader(self.sock.fileno())
            self.sock.close()
            self.sock = None
        self._fail(error)

    def _fail(self, error: OncRpcError) -> None:
        self.broken = self.broken or error
        self._end_all(error)

    def _end_all(self, error: OncRpcError) -> None:
        for call in self.calls.fail(error):
            self._finish(call)
        self._disarm()


async def dial(
    netid: str,
    host: str,
    port: int,
    *,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reserved_port: bool = False,
) -> AioLink:
    """Connect to a host and port, or to the local socket whose path ``host`` is.

    ``reserved_port`` asks for a source port below 1024, which takes a privilege. The ``timeout``
    is for dialing, looking up the name included, and then for each call.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
        AddressError: there is no such transport, or no such port.
    """
    check_seconds("timeout", timeout)
    entry = transport(netid)
    place = place_of(entry, host, port)
    first_xid = int.from_bytes(os.urandom(4), "big")
    calls = Calls(first_xid=first_xid, retransmit=entry.datagram, auth=auth, place=place)
    until = asyncio.get_running_loop().time() + timeout
    try:
        address = await _look_up(entry, host, port, until)
        sock = await _connect(entry, address, until, reserved_port=reserved_port)
        try:
            link = AioLink(peer_of(sock, host), calls, timeout)
        except TransportError:
            sock.close()
            raise
    except HostUnknown:
        raise
    except OSError as error:
        raise TransportError.of(error, place=place) from None
    if entry.datagram:
        link.attach(sock)
    elif sock.family == socket.AF_UNIX:
        await link.loop.create_unix_connection(lambda: link, sock=sock)
    else:
        await link.loop.create_connection(lambda: link, sock=sock)
    return link


async def _connect(
    entry: Transport, address: Any, until: float, *, reserved_port: bool
) -> socket.socket:
    sock = socket_of(entry)
    try:
        sock.setblocking(False)
        if reserved_port:
            bind_reserved(sock)
        await _reach(sock, address, until)
        return sock
    except BaseException:
        sock.close()
        raise


async def _reach(sock: socket.socket, address: Any, until: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(loop.sock_connect(sock, address), until - loop.time())
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT) from None
    except OSError as error:
        if error.errno is None:
            raise
        raise TransportError.number(error.errno) from None  # asyncio's text names no reason


async def _look_up(entry: Transport, host: str, port: int, until: float) -> Any:
    """Names are looked up off the event loop: not by its threads, which it waits for at its end."""
    if not is_name(entry, host):
        return look_up(entry, host, port)
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(done.set)

    found = LookUp(entry, host, port, tell=tell)
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), until - loop.time())
    return found.result()
