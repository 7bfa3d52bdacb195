"""Blocking calls, for commands and scripts that need no event loop.

    with sync.connect("files.example", PMAP_VERS.Client, port=111) as mapper:
        mapper.PMAPPROC_DUMP()

The conversations of this library are coroutines over a link. A blocking link does its work within
``await``, so that such a coroutine runs from start to end when it is first resumed: ``run`` does
that, without asyncio.

    sync.run(sync.binder.getaddr("files.example", 100003, 3, "tcp"))
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

from oncrpc import addr
from oncrpc.checks import check_kind, check_seconds
from oncrpc.errors import (
    CallTimeout,
    ClientClosed,
    HostUnknown,
    LimitExceeded,
    ProtocolError,
    TransportError,
)
from oncrpc.net.lookup import LONGEST_WAIT, LookUp, is_name, look_up
from oncrpc.net.peers import hung_up, peer_of
from oncrpc.net.targets import (
    bind_reserved,
    check_target,
    first_of,
    netids_for,
    place_of,
    socket_of,
)
from oncrpc.rpc.auth import AUTH_NONE, Auth, flavor_of
from oncrpc.rpc.blocking import run
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.program import ClientType, Procedure, SyncClient, check_client
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.rpcbind import Binder

R = TypeVar("R")
A = TypeVarTuple("A")
S = TypeVar("S", bound=SyncClient)
MAX_DATAGRAM = 65536
"""Bytes read at a time, and of a reply over UDP (blocking)."""

SHORTEST_WAIT = 0.0001
MAX_REPLY = 64 << 20
"""Bytes of a reply over a stream (blocking): a dump of half a million registrations."""

MAX_STRAY = 1024
"""Messages on a stream that answer no call under way. A timed-out call may still be answered, but
not so often: a peer that sends more is not answering calls, and would keep the caller reading."""


class SocketLink:
    """One connected socket, one call at a time; ``timeout`` in seconds holds for each call.

    ``place`` is where it leads, for the text of errors. ``broken`` says that a call found that no
    further one can be made, or over datagrams that nobody answers there any more; ``ended`` is why
    the socket is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        *,
        auth: Auth = AUTH_NONE,
        timeout: float,
        place: str = "",
    ) -> None:
        self.sock, self.peer, self.timeout = sock, peer, timeout
        self.datagram = sock.type == socket.SOCK_DGRAM
        self.broken = False
        self.stray = 0
        self.ended: TransportError | None = None
        first_xid = int.from_bytes(os.urandom(4), "big")
        self.calls = Calls(
            first_xid=first_xid, retransmit=self.datagram, auth=auth, place=place or peer
        )
        self.reader = RecordReader(max_record=MAX_REPLY)

    def __enter__(self) -> SocketLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; a call made later fails with ``ClientClosed``."""
        self._end(ClientClosed.at(self.calls.place))

    def _give_up(self, reason: str) -> None:
        """Close the socket, on which nothing can follow."""
        given_up = TransportError(errno.ECONNABORTED, f"given up after {reason}")
        given_up.place = self.calls.place
        self._end(given_up)

    def _end(self, why: TransportError) -> None:
        self.broken, self.ended = True, why
        self.sock.close()

    @property
    def works(self) -> bool:
        """Whether a call can be made, as far as can be seen: the peer may have ended the stream."""
        return not (self.broken or hung_up(self.sock.fileno()))

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call and block until its reply, its refusal or its deadline.

        Raises:
            RuntimeError: another thread's call is under way.
        """
        if len(self.calls):
            raise RuntimeError("a call is under way on this link: each thread needs its own")
        if self.ended is not None:
            raise self.ended.with_traceback(None)
        now, limit = time.monotonic(), self.timeout if timeout is None else timeout
        call = self.calls.start(procedure, arguments, now=now, timeout=limit, auth=auth)
        try:
            self._send(call)
            while not call.done:
                self._step()
        except CallTimeout:
            raise
        except ProtocolError as error:
            # Where the next record begins is not known.
            self._give_up(f"bytes that are no record: {error}")
            error.procedure, error.place = procedure, self.calls.place
            raise
        except OSError as error:
            self.broken = True
            raise TransportError.of(error, place=self.calls.place) from None
        finally:
            self.calls.forget(call)
        if call.error is not None:
            raise call.error
        result: R = call.result
        return result

    def _send(self, call: Pending) -> None:
        self._wait_until(call.deadline)
        try:
            self.sock.sendall(call.message if self.datagram else encode_record(call.message))
        except TimeoutError:
            self._give_up("half a call that was not taken in time")
            raise CallTimeout(f"{self.calls.place} does not take {call.procedure!r}") from None

    def _step(self) -> None:
        """Take what arrives until something is due, then see to what is due."""
        self._wait_until(self.calls.next_deadline() or 0.0)
        with suppress(TimeoutError):
            self._take(self.sock.recv(MAX_DATAGRAM))
        for call in self.calls.due(time.monotonic()):
            if not call.done:
                self._send(call)

    def _wait_until(self, deadline: float) -> None:
        self.sock.settimeout(_bounded(deadline - time.monotonic()))

    def _take(self, data: bytes) -> None:
        if self.datagram:
            self._feed(data)
            return
        if not data:
            raise TransportError.number(errno.ECONNRESET)
        self.reader.feed(data)
        for record in self.reader.records():
            self._feed(record)

    def _feed(self, message: bytes) -> None:
        call = self.calls.feed(message)
        if call is None:
            self._count_stray()
        elif not call.done:
            self._send(call)

    def _count_stray(self) -> None:
        """Datagrams may come from anyone, so only messages on a stream have a limit."""
        self.stray += 1
        if not self.datagram and self.stray > MAX_STRAY:
            raise LimitExceeded(f"over {MAX_STRAY} messages that answer no call")


async def dial(
    netid: str,
    host: str,
    port: int,
    *,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reserved_port: bool = False,
) -> SocketLink:
    """Connect to a host and port, or to the local socket whose path ``host`` is.

    ``reserved_port`` asks for a source port below 1024, which takes a privilege. The ``timeout``
    is for dialing, looking up the name included, and then for each call.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
        AddressError: there is no such transport, or no such port.
    """
    check_seconds("timeout", timeout)
    entry = addr.transport(netid)
    place = place_of(entry, host, port)
    until = time.monotonic() + timeout
    try:
        address = _look_up(entry, host, port, timeout)
        sock = socket_of(entry)
        try:
            sock.settimeout(_bounded(until - time.monotonic()))
            if reserved_port:
                bind_reserved(sock)
            sock.connect(address)
            peer = peer_of(sock, host)
            return SocketLink(sock, peer, auth=auth, timeout=timeout, place=place)
        except BaseException:
            sock.close()
            raise
    except HostUnknown:
        raise
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT, place=place) from None
    except OSError as error:
        raise TransportError.of(error, place=place) from None


def _look_up(entry: addr.Transport, host: str, port: int, timeout: float) -> Any:
    if is_name(entry, host):
        return LookUp(entry, host, port).wait(timeout)
    return look_up(entry, host, port)


def _bounded(seconds: float) -> float:
    """What may be waited on a socket: at least a moment, and no infinity."""
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


class ReconnectingLink:
    """Carries calls over ``link``, and over a new one once that is broken.

    The call that finds it broken by an error fails: whether it was carried out nobody knows. One
    that finds that the peer has ended the stream meanwhile dials first, and its timeout holds for
    both; ``dial`` is given what may pass until there is a connection.
    """

    def __init__(
        self, link: SocketLink, dial: Callable[[float], SocketLink], *, timeout: float
    ) -> None:
        self.link, self.dial, self.timeout = link, dial, timeout
        self.closed = False

    def close(self) -> None:
        """Close the link for good."""
        self.closed = True
        self.link.close()

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call on a link that works.

        Raises:
            TransportError, NotRegistered: it cannot be dialed now; the next call tries again.
        """
        left = self.timeout if timeout is None else timeout
        if not self.closed and not self.link.works:
            until = time.monotonic() + left
            self.link.close()
            self.link = self.dial(left)
            left = until - time.monotonic()
        return await self.link.call(procedure, *arguments, timeout=left, auth=auth)


@contextmanager
def connect(
    host: str,
    client: ClientType[S],
    *,
    transport: str = "tcp",
    port: int | None = None,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reconnect: bool = False,
    reserved_port: bool = False,
    binder: Binder | None = None,
) -> Iterator[S]:
    """A blocking client of one version of a program on a host, while the context lasts.

    For ``HELLO_V1.Client`` it is a ``HELLO_V1.SyncClient``. The arguments and the errors are those
    of ``oncrpc.connect``.
    """
    check_client(client)
    check_target(host, transport, port)
    check_seconds("timeout", timeout)
    check_kind("binder", binder, Binder, type(None))
    flavor_of(auth)

    def opened(limit: float) -> SocketLink:
        within = _Within(limit, auth=auth, reserved_port=reserved_port)
        asked = binder or Binder(within.dial)

        async def over(netid: str) -> SocketLink:
            if port is not None:
                place = host, port
            else:
                place = await asked.find(host, client.version, netid)
            link = await within.reach(netid, *place)
            link.timeout = timeout
            return link

        return run(first_of(netids_for(transport, host), over))

    first = opened(timeout)
    link = ReconnectingLink(first, opened, timeout=timeout) if reconnect else first
    try:
        yield client.blocking(client(link))
    finally:
        link.close()


class _Within:
    """Dials port mapper and program within one time limit; the ``options`` are for the latter."""

    def __init__(self, timeout: float, **options: Any) -> None:
        self.until, self.options = time.monotonic() + timeout, options

    async def dial(self, netid: str, host: str, port: int) -> SocketLink:
        """Open a link in the time that is left, which then holds for its calls."""
        link = await dial(netid, host, port, timeout=self.until - time.monotonic())
        link.timeout = self.until - time.monotonic()
        return link

    async def reach(self, netid: str, host: str, port: int) -> SocketLink:
        """Open a link in the time that is left."""
        left = self.until - time.monotonic()
        return await dial(netid, host, port, timeout=left, **self.options)


binder = Binder(dial)
"""Asks port mappers, blocking."""

__all__ = ["Binder", "SocketLink", "binder", "connect", "dial", "run"]
