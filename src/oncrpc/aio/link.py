"""Links over asyncio: a connected socket that carries any number of calls at once."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple, cast

from oncrpc.addr import Transport, transport
from oncrpc.checks import check_timeout
from oncrpc.errors import ClientClosed, HostUnknown, OncRpcError, ProtocolError, TransportError
from oncrpc.net.lookup import LookUp, is_name, look_up
from oncrpc.net.peers import hung_up, peer_of_new
from oncrpc.net.targets import SocketAddress, bind_reserved, place_text, socket_of
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
"""Bytes that the peer has not read; further calls wait until it has read them."""


class AioLink(ABC):
    """A connected socket that carries any number of calls at once, over asyncio.

    ``timeout`` in seconds holds for each call. ``broken`` is the error that every further call
    raises, None while calls can be made. ``doubtful`` says that the peer of a datagram socket did
    not answer the last call: a further call may be answered. ``calls.place`` is where the link
    leads, for the text of errors.

    Between two events of the loop: every call in ``calls`` has a waiter that is not done; one timer
    runs, set for the earliest time at which a call is due, or none if no call is in progress; a
    broken link has no call in progress.
    """

    def __init__(self, peer: str, calls: Calls, timeout: float) -> None:
        self.peer, self.calls, self.timeout = peer, calls, timeout
        self.loop = asyncio.get_running_loop()
        self.broken: OncRpcError | None = None
        self.doubtful = False
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"{len(self.calls)} calls in progress"
        return f"<{type(self).__name__} to {self.calls.place}, {state}>"

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
            self._forget(call)

    @property
    def works(self) -> bool:
        """Whether a call can be made, as far as can be seen.

        The peer may have ended the stream without the loop having reported it yet. While calls are
        in progress the link counts as working: their replies may come before that end.
        """
        if self.broken is not None or self.doubtful:
            return False
        return len(self.calls) > 0 or not hung_up(self._fileno())

    def close(self) -> None:
        """Close the link; calls in progress fail, and later ones, with ``ClientClosed``."""
        closed = ClientClosed.at(self.calls.place)
        self._break(closed)
        self.broken = closed

    @abstractmethod
    def _fileno(self) -> int:
        """The descriptor of a link that is not broken."""

    @abstractmethod
    def _send(self, call: Pending) -> None:
        """Send the call's message, for the first time or again."""

    @abstractmethod
    def _forget(self, call: Pending) -> None:
        """Called when a call has ended: do not send it if it was not sent yet."""

    @abstractmethod
    def _close_socket(self) -> None:
        """Close the socket at once; also if it is closed already."""

    def _take(self, message: bytes) -> None:
        call = self.calls.feed(message)
        if call is not None:
            self._finish(call) if call.done else self._resend(call)

    def _error(self, error: OSError) -> TransportError:
        return TransportError.of(error, place=self.calls.place)

    def _arm(self, at: float | None) -> None:
        """Set the timer to that time, unless it is set to an earlier one."""
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
        """End the link: nothing more is sent, and data that the peer has not read is dropped."""
        self._close_socket()
        self._fail(error)

    def _fail(self, error: OncRpcError) -> None:
        self.broken = self.broken or error
        self._end_all(error)

    def _end_all(self, error: OncRpcError) -> None:
        for call in self.calls.fail(error):
            self._finish(call)
        self._disarm()


class StreamLink(AioLink, asyncio.Protocol):
    """A link over TCP or a local socket; also the protocol of asyncio's transport.

    Calls that are made while the peer does not read wait in ``_unsent``, in the order in which they
    were made, instead of in the transport's buffer: a call that ends meanwhile is never sent.
    """

    def __init__(self, peer: str, calls: Calls, timeout: float) -> None:
        super().__init__(peer, calls, timeout)
        self.reader = RecordReader(max_record=MAX_REPLY)
        self.transport: asyncio.Transport | None = None
        self._full = False
        self._unsent: dict[Pending, None] = {}

    @property
    def unsent(self) -> int:
        """Calls that wait because the peer does not read."""
        return len(self._unsent)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the stream is connected."""
        made = self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
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
        """asyncio: the peer reads again."""
        self._full = False
        while self._unsent and not self._full:
            call = next(iter(self._unsent))
            del self._unsent[call]
            self._send(call)

    def _fileno(self) -> int:
        assert self.transport is not None, "a link that is not broken is connected"
        return int(self.transport.get_extra_info("socket").fileno())

    def _send(self, call: Pending) -> None:
        if self._full:
            self._unsent[call] = None
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.write(encode_record(call.message))

    def _forget(self, call: Pending) -> None:
        self._unsent.pop(call, None)

    def _close_socket(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class DatagramLink(AioLink):
    """A link over a connected datagram socket, which it owns."""

    def __init__(self, peer: str, calls: Calls, timeout: float, *, sock: socket.socket) -> None:
        super().__init__(peer, calls, timeout)
        self.sock = sock
        self.loop.add_reader(sock.fileno(), self._receive)

    def _receive(self) -> None:
        try:
            data = self.sock.recv(MAX_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self.doubtful = True
            self._end_all(self._error(error))
            return
        self._take(data)

    def _fileno(self) -> int:
        return self.sock.fileno()

    def _send(self, call: Pending) -> None:
        try:
            self.sock.send(call.message)
        except BlockingIOError:  # dropped, as the network might: it is sent again
            pass
        except OSError as error:
            raise self._error(error) from None

    def _forget(self, call: Pending) -> None:
        pass  # every call was sent, or dropped

    def _close_socket(self) -> None:
        if self.sock.fileno() >= 0:
            self.loop.remove_reader(self.sock.fileno())
            self.sock.close()


async def dial(
    netid: str,
    host: str,
    port: int,
    *,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reserved_port: bool = False,
    own_host: str = "",
) -> AioLink:
    """Connect to a host and port, or to the local socket whose path ``host`` is.

    ``reserved_port`` asks for a source port below 1024, which needs a privilege. ``own_host`` is
    the address of this host to call from; without it the kernel chooses one. The ``timeout`` is for
    dialing, looking up the name included, and then for each call.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
        AddressError: no such transport, or an invalid port.
    """
    sock = await connected_socket(
        netid, host, port, timeout=timeout, reserved_port=reserved_port, own_host=own_host
    )
    entry = transport(netid)
    place = place_text(entry, host, port)
    first_xid = int.from_bytes(os.urandom(4), "big")
    calls = Calls(first_xid=first_xid, retransmit=entry.datagram, auth=auth, place=place)
    peer = peer_of_new(sock, host, place=place)
    if entry.datagram:
        return DatagramLink(peer, calls, timeout, sock=sock)
    link = StreamLink(peer, calls, timeout)
    if sock.family == socket.AF_UNIX:
        await link.loop.create_unix_connection(lambda: link, sock=sock)
    else:
        await link.loop.create_connection(lambda: link, sock=sock)
    return link


async def connected_socket(
    netid: str,
    host: str,
    port: int,
    *,
    timeout: float,
    reserved_port: bool = False,
    own_host: str = "",
) -> socket.socket:
    """A socket that does not block, connected as ``dial`` connects; the caller closes it.

    Raises:
        HostUnknown, TransportError, AddressError: as ``dial``.
    """
    check_timeout(timeout)
    entry = transport(netid)
    place = place_text(entry, host, port)
    until = asyncio.get_running_loop().time() + timeout
    try:
        address = await _look_up(entry, host, port, until)
        own = await _look_up(entry, own_host, 0, until) if own_host else None
        return await _connect(entry, address, until, own=own, reserved_port=reserved_port)
    except HostUnknown:
        raise
    except OSError as error:
        raise TransportError.of(error, place=place) from None


async def _connect(
    entry: Transport,
    address: Any,
    until: float,
    *,
    own: SocketAddress | None,
    reserved_port: bool,
) -> socket.socket:
    sock = socket_of(entry)
    try:
        sock.setblocking(False)
        if reserved_port:
            bind_reserved(sock, own)
        elif own is not None:
            sock.bind(own)
        await _reach(sock, address, until)
        return sock
    except BaseException:
        sock.close()
        raise


async def _reach(sock: socket.socket, address: Any, until: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        # Not ``wait_for``: in Python 3.11 it loses a cancellation that comes as it is connected.
        async with asyncio.timeout_at(until):
            await loop.sock_connect(sock, address)
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT) from None
    except OSError as error:
        if error.errno is None:
            raise
        raise TransportError.number(error.errno) from None  # asyncio's text lacks the reason


async def _look_up(entry: Transport, host: str, port: int, until: float) -> Any:
    """The address; a name is resolved in a thread that the event loop does not wait for."""
    if not is_name(entry, host):
        return look_up(entry, host, port)
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(done.set)

    found = LookUp(entry, host, port, tell=tell)
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            await done.wait()
    return found.result()
