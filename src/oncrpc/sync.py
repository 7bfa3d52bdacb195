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
import functools
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import MethodType
from typing import Any, Generic, TypeVar

from oncrpc import addr
from oncrpc.binder import Binder
from oncrpc.endpoint import (
    bind_reserved,
    first_of,
    hung_up,
    look_up,
    netids_for,
    peer_of,
    place_of,
    socket_of,
)
from oncrpc.errors import CallTimeout, ProtocolError, TransportError
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT, Calls, Pending
from oncrpc.rpc.program import Client, Procedure, check_client
from oncrpc.rpc.record import RecordReader, encode_record

R = TypeVar("R")
C = TypeVar("C", bound=Client)
MAX_DATAGRAM = 65536
SHORTEST_WAIT = 0.0001
MAX_REPLY = 64 << 20
"""The longest reply that is read from a stream: a dump of half a million registrations."""


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a conversation over blocking links to its end."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise TypeError("the coroutine awaits something that does not block")


class SocketLink:
    """One connected socket, one call at a time; ``timeout`` in seconds holds for each call.

    ``place`` is where it leads, for the text of errors. ``broken`` says that a call found that no
    further one can be made, or over datagrams that nobody answers there any more.
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
        """Close the socket."""
        self.broken = True
        self.sock.close()

    @property
    def works(self) -> bool:
        """Whether a call can be made, as far as can be seen: the peer may have ended the stream."""
        return not (self.broken or hung_up(self.sock.fileno()))

    async def call(
        self,
        procedure: Procedure[R],
        *arguments: Any,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call and block until its reply, its refusal or its deadline.

        Raises:
            RuntimeError: another thread's call is under way.
        """
        if len(self.calls):
            raise RuntimeError("a call is under way on this link: each thread needs its own")
        if self.sock.fileno() < 0:
            raise TransportError.number(errno.ECONNABORTED, place=self.calls.place)
        now, limit = time.monotonic(), self.timeout if timeout is None else timeout
        call = self.calls.start(procedure, arguments, now=now, timeout=limit, auth=auth)
        try:
            self._send(call)
            while not call.done:
                self._step()
        except CallTimeout:
            raise
        except ProtocolError:
            self.close()  # where the next record begins is not known
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
            self.close()  # half a record was sent: nothing can follow it
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
        self.sock.settimeout(max(deadline - time.monotonic(), SHORTEST_WAIT))

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
        if call is not None and not call.done:
            self._send(call)


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

    ``reserved_port`` asks for a source port below 1024, which takes a privilege.

    Raises:
        HostUnknown: the name has no address of the transport's family. TransportError.
        AddressError: there is no such transport, or no such port.
    """
    entry = addr.transport(netid)
    place = place_of(entry, host, port)
    address = look_up(entry, host, port)
    try:
        sock = socket_of(entry)
        try:
            sock.settimeout(max(timeout, SHORTEST_WAIT))
            if reserved_port:
                bind_reserved(sock)
            sock.connect(address)
            peer = peer_of(sock, host)
            return SocketLink(sock, peer, auth=auth, timeout=timeout, place=place)
        except BaseException:
            sock.close()
            raise
    except TimeoutError:
        raise TransportError.number(errno.ETIMEDOUT, place=place) from None
    except OSError as error:
        raise TransportError.of(error, place=place) from None


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
        procedure: Procedure[R],
        *arguments: Any,
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


class Blocking(Generic[C]):
    """A client whose methods block and return results, one call at a time.

    ``mapper.PMAPPROC_DUMP()`` is ``run(mapper.client.PMAPPROC_DUMP())``. A type checker cannot
    derive the one from the other, so to it the former takes and gives ``Any``; where types matter
    write the latter, or ``mapper.call(PMAP_VERS.PMAPPROC_DUMP)``, whose result has its type.
    """

    def __init__(self, client: C) -> None:
        self.client = client

    def call(self, procedure: Procedure[R], *arguments: Any) -> R:
        """Call a procedure and return its result; a refusal is raised."""
        return run(self.client.call(procedure, *arguments))

    def with_options(
        self, *, timeout: float | None = None, auth: Auth | None = None
    ) -> Blocking[C]:
        """The same client on the same link, whose calls have another timeout or credential."""
        return Blocking(self.client.with_options(timeout=timeout, auth=auth))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.client, name)
        if not isinstance(found, MethodType):
            return found

        @functools.wraps(found)
        def blocking(*arguments: Any, **options: Any) -> Any:
            result = found(*arguments, **options)
            return run(result) if isinstance(result, Coroutine) else result

        return blocking

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.client)})


@contextmanager
def connect(
    host: str,
    client: type[C],
    *,
    transport: str = "tcp",
    port: int | None = None,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reconnect: bool = False,
    reserved_port: bool = False,
    binder: Binder | None = None,
) -> Iterator[Blocking[C]]:
    """A blocking client of one version of a program on a host, while the context lasts.

    The arguments and the errors are those of ``oncrpc.connect``.
    """
    check_client(client)

    def opened(limit: float) -> SocketLink:
        asked = binder or Binder(functools.partial(dial, timeout=limit))

        async def over(netid: str) -> SocketLink:
            place = (host, port or 0)
            if port is None:
                place = await asked.find(host, client.version, netid)
            link = await dial(netid, *place, auth=auth, timeout=limit, reserved_port=reserved_port)
            link.timeout = timeout
            return link

        return run(first_of(netids_for(transport, host), over))

    first = opened(timeout)
    link = ReconnectingLink(first, opened, timeout=timeout) if reconnect else first
    try:
        yield Blocking(client(link))
    finally:
        link.close()


binder = Binder(dial)
"""Asks port mappers, blocking."""

__all__ = ["Binder", "Blocking", "SocketLink", "binder", "connect", "dial", "run"]
