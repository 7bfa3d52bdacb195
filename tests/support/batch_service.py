"""A service with pure procedures, at an endpoint that replies to a batch on request."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from oncrpc.addr import transport
from oncrpc.aio.guard import Guard
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.aio.udp_route import PKTINFO
from oncrpc.net.sockets import IP_PKTINFO, listen
from oncrpc.rpc import Call, pure
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.reply_cache import CallCounter, ReplyCache
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, call
from support.words import words


class Ledger(ECHO_V1.Service):
    """ECHO is pure, counts its calls, and also returns how often MUCH was called.

    WHOAMI is pure too, and its reply longer than its call.
    """

    def __init__(self) -> None:
        self.counter = CallCounter()
        self.generation = self.ran = 0

    @pure
    def ECHO(self, call: Call, arg: bytes) -> bytes:
        self.ran += 1
        call.count(self.counter)
        return self.generation.to_bytes(4, "big") + arg

    @pure
    def WHOAMI(self, call: Call) -> bytes:
        return bytes(100)

    def MUCH(self, call: Call, arg: int) -> bytes:  # of the interface
        self.generation += 1
        return b""


class Desk:
    """An endpoint that replies when the test drains it, and its clients."""

    def __init__(self, *, caching: bool, guard: Guard | None, limits: Limits | None) -> None:
        self.ledger = Ledger()
        self.cache = ReplyCache(self.ledger)
        answering = Dispatcher(
            [self.ledger], clock=ManualClock(), reply_cache=self.cache if caching else None
        )
        sock = listen(transport("udp"), "0.0.0.0", 0)
        self.endpoint = UdpEndpoint(sock, "udp", answering, guard, limits=limits)
        self.port = sock.getsockname()[1]
        self.clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for client in self.clients:
            client.connect(("127.0.0.1", self.port))

    def answer(self, *asked: tuple[int, bytes]) -> list[list[bytes]]:
        """Send the calls of each client, have them answered as one batch; the replies of each."""
        for n, message in asked:
            self.clients[n].send(message)
        drain(self.endpoint, [message for _, message in asked])
        return [received(client, self.endpoint.sock) for client in self.clients]

    def close(self) -> None:
        """Close all sockets."""
        self.endpoint.close()
        for client in self.clients:
            client.close()


DEADLINE, END = 10.0, b"end"


def drain(endpoint: UdpEndpoint, sent: Sequence[bytes]) -> None:
    """Let the endpoint reply to the datagrams that pass the kernel filter: calls (RFC 5531 §9).

    On a busy machine the kernel delivers them a little later, so this waits for each.
    """
    left = sum(len(message) >= 8 and message[4:8] == bytes(4) for message in sent)
    while left > 0:
        assert select.select([endpoint.sock], [], [], DEADLINE)[0]
        left -= endpoint.drain()


def received(client: socket.socket, endpoint: socket.socket) -> list[bytes]:
    """The datagrams that an endpoint sent to a client; a last one marks the end."""
    control = []
    with suppress(OSError):  # of a client that is not connected
        address = socket.inet_aton(client.getpeername()[0])
        control = [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(0, address, bytes(4)))]
    endpoint.sendmsg([END], control, 0, client.getsockname())
    client.settimeout(DEADLINE)
    return list(iter(partial(client.recv, 65536), END))


@contextmanager
def desk(
    *, caching: bool = True, guard: Guard | None = None, limits: Limits | None = None
) -> Iterator[Desk]:
    """A desk that is closed in the end; needs a running event loop."""
    made = Desk(caching=caching, guard=guard, limits=limits)
    try:
        yield made
    finally:
        made.close()


def asks(xid: int, text: bytes = b"hello") -> bytes:
    """A call of ECHO."""
    return call(xid, ECHO_V1.ECHO, text)


def tells(xid: int, text: bytes = b"hello", changes: int = 0) -> bytes:
    """The reply to it."""
    size = 4 + len(text)
    return words(xid, 1, 0, 0, 0, 0, size, changes) + text + bytes(-size % 4)


def changes(xid: int) -> bytes:
    """A call after which ECHO returns something else."""
    return call(xid, ECHO_V1.MUCH, 0)
