"""Port mapper calls laid out as the RFCs draw them, and raw sockets to send them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oncrpc.rpc.record import RecordReader
from support.hosts import Host
from support.namespace import DEADLINE
from support.words import words

PROG = 100000
AUTH_NONE = words(0, 0)
AUTH_SYS = words(1, 24, 0x1234, 4, b"host", 0, 0, 0)
"""The AUTH_SYS credential of root on ``host``, as the kernel sends it."""

TRUE, FALSE = words(1), words(0)
AUTH_TOOWEAK = 5
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def call(xid: int, vers: int, proc: int, *arguments: int | bytes, cred: bytes = AUTH_NONE) -> bytes:
    """A call of program 100000."""
    return words(xid, 0, 2, PROG, vers, proc, cred, AUTH_NONE, *arguments)


def success(xid: int, *results: int | bytes) -> bytes:
    """The reply to a call that was carried out."""
    return words(xid, 1, 0, AUTH_NONE, 0, *results)


def refused(xid: int, stat: int) -> bytes:
    """The reply that refuses a credential."""
    return words(xid, 1, 1, 1, stat)


def string(text: str) -> bytes:
    """A counted string, padded."""
    data = text.encode()
    return words(len(data), data.ljust((len(data) + 3) // 4 * 4, b"\0"))


def rpcb(prog: int, vers: int, netid: str, addr: str, owner: str = "") -> bytes:
    """The argument of SET, UNSET and GETADDR in versions 3 and 4."""
    return words(prog, vers, string(netid), string(addr), string(owner))


def record(message: bytes) -> bytes:
    """A record of one fragment."""
    return fragment(message, last=True)


def fragment(data: bytes, *, last: bool) -> bytes:
    """A fragment of a record."""
    return words(last << 31 | len(data), data)


class Stream:
    """A connected stream socket; replies come one at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.reader = sock, RecordReader()

    def ask(self, message: bytes) -> bytes:
        """Send a call as one record; its reply."""
        self.send(record(message))
        return self.receive()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def receive(self) -> bytes:
        """The next record, out of however many fragments."""
        while (found := next(self.reader.records(), None)) is None:
            data = self.sock.recv(65536)
            assert data, "the connection ended"
            self.reader.feed(data)
        return found


@contextmanager
def stream(host: Host, address: Any) -> Iterator[Stream]:
    """A connection made on a host: to (address, port), to a path or to an abstract name."""
    family = _family(address)
    place = host.path(address) if isinstance(address, str) and address[0] == "/" else address
    with host.network():
        sock = socket.socket(family, socket.SOCK_STREAM)
    with sock:
        sock.settimeout(DEADLINE)
        sock.connect(place)
        yield Stream(sock)


@contextmanager
def datagrams(host: Host, family: str = "inet") -> Iterator[socket.socket]:
    """An unconnected datagram socket on a host, which may broadcast."""
    with host.network():
        sock = socket.socket(FAMILIES[family], socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        yield sock


def _family(address: Any) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET
