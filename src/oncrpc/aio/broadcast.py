"""Calling a program on every host of the local networks, over asyncio."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar, TypeVarTuple

from oncrpc.client.port_mapper import RPCB_MULTICAST
from oncrpc.errors import TransportError, XdrError
from oncrpc.net.broadcast import Destination, broadcast_socket, destinations
from oncrpc.net.targets import check_port
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.program import Procedure
from oncrpc.rpcbind_broadcast import BroadcastCalls

R = TypeVar("R")
A = TypeVarTuple("A")
DURATION = 4.0
"""Seconds that a broadcast waits for replies, unless it is given another time."""

FIRST_PAUSE = 0.5
MAX_HOSTS = 4096
"""Hosts that a broadcast hears."""

MAX_DATAGRAM = 65536
"""Bytes of a reply to a broadcast."""


class Heard(NamedTuple, Generic[R]):
    """A reply: the host it came from, the program's address by its account, and the result."""

    host: str
    uaddr: str
    result: R


async def broadcast(
    procedure: Procedure[R, *A],
    *arguments: *A,
    duration: float = DURATION,
    auth: Auth = AUTH_NONE,
    port: int = PMAP_PORT,
    to: Sequence[Destination] | None = None,
) -> AsyncIterator[Heard[R]]:
    """Call a procedure on every host of the local networks, by CALLIT of their port mappers.

    ::

        async for host, uaddr, result in oncrpc.broadcast(HELLO_V1.GREET, b"all", duration=2.0):
            ...

    Goes to the broadcast address of every IPv4 interface and to the group ff02::202 on every IPv6
    one, again after 0.5, 1, 2 ... seconds, until ``duration`` has passed. Each host is reported
    once. A host that lacks the program, or does not forward calls, sends no reply. Replies are not
    authenticated: any host may send one. A host that has only a loopback interface hears nobody.

    Raises:
        TransportError: every network is down, or no socket can be opened. AddressError: invalid
            port. XdrError: the arguments do not fit.
    """
    check_port(port)
    version = procedure.version
    called = (version.prog, version.vers, procedure.number)
    asked = BroadcastCalls.of(called, procedure.encode_arguments(arguments), auth=auth)
    asking = _Asking(asked, _places(to), port)
    hosts: set[str] = set()
    try:
        asking.start(duration)
        while len(hosts) < MAX_HOSTS and (arrived := await asking.heard.get()) is not None:
            heard = _heard(asked, procedure, *arrived)
            if heard is not None and heard.host not in hosts:
                hosts.add(heard.host)
                yield heard
    finally:
        asking.close()


def _places(to: Sequence[Destination] | None) -> Sequence[Destination]:
    try:
        return destinations(RPCB_MULTICAST) if to is None else to
    except OSError as error:
        raise TransportError.number(error.errno or errno.EIO) from None


def _heard(
    asked: BroadcastCalls, procedure: Procedure[R, *A], message: bytes, host: str
) -> Heard[R] | None:
    """The reply in a message; None if it does not answer the call, or its result is malformed."""
    found = asked.answer(message, host)
    if found is None:
        return None
    with suppress(XdrError):
        result = procedure.decode_result(found.results, 0)
        return Heard(host, found.uaddr.decode("ascii", "replace"), result)
    return None


class _Asking:
    """The sockets of a broadcast, one per family.

    ``heard`` is a bounded queue of messages with the hosts that sent them, ended by None; messages
    that do not fit are dropped.
    """

    def __init__(self, asked: BroadcastCalls, places: Sequence[Destination], port: int) -> None:
        self.asked, self.places, self.port = asked, places, port
        self.loop = asyncio.get_running_loop()
        self.heard: asyncio.Queue[tuple[bytes, str] | None] = asyncio.Queue(MAX_HOSTS)
        self.sockets: dict[int, socket.socket] = {}
        self.timers: list[asyncio.TimerHandle] = []

    def start(self, duration: float) -> None:
        """Send now and at intervals, and receive for that many seconds."""
        for family in {place.family for place in self.places}:
            try:
                sock = self.sockets[family] = broadcast_socket(family)
            except OSError as error:
                raise TransportError.of(error) from None
            sock.setblocking(False)
            self.loop.add_reader(sock.fileno(), self._receive, sock)
        if not self.places:
            self._end()
            return
        if not self._send():
            raise TransportError.number(errno.ENETUNREACH)
        pause, now = FIRST_PAUSE, self.loop.time()
        while pause < duration:
            self.timers.append(self.loop.call_at(now + pause, self._send))
            pause *= 2
        self.timers.append(self.loop.call_at(now + duration, self._end))

    def close(self) -> None:
        """Close the sockets."""
        for timer in self.timers:
            timer.cancel()
        for sock in self.sockets.values():
            self.loop.remove_reader(sock.fileno())
            sock.close()

    def _send(self) -> int:
        return self.asked.send(self.sockets, self.places, self.port)

    def _end(self) -> None:
        if self.heard.full():
            self.heard.get_nowait()
        self.heard.put_nowait(None)

    def _receive(self, sock: socket.socket) -> None:
        with suppress(OSError, asyncio.QueueFull):  # such as ECONNREFUSED of an earlier datagram
            message, source = sock.recvfrom(MAX_DATAGRAM)
            self.heard.put_nowait((message, source[0]))
