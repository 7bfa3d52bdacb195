"""Clients that call a port mapper without pause, and count replies and failures.

with Load(host) as load:
    ...
load.check()
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from support.hosts import Host
from support.wire import Stream, call, record, rpcb, stream, success
from support.words import words

FIRST_PROGRAM = 400_000
RETRANSMIT = 1.0
"""Seconds until a UDP call is retransmitted."""

WINDOW = 16
"""The pipelining client's calls in flight."""

LOOPBACK = ("127.0.0.1", 111)
SOCKET = "/run/rpcbind.sock"
PORT = success(0, 111)[4:]
"""The rest of the reply to a GETPORT of the port mapper over TCP or UDP."""


@dataclass
class Load:
    """The clients, one thread each; ``counts`` are their calls with replies."""

    host: Host
    counts: dict[str, int] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    registered: list[int] = field(default_factory=list)
    most_sent: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        clients = (self.datagrams, self.connects, self.pipelines, self.local, self.registers)
        for client in clients:
            self.counts[client.__name__] = 0
            self._threads.append(threading.Thread(target=self._run, args=(client,)))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, before: dict[str, int]) -> bool:
        """True if every client got a reply since then, or has given up."""
        return bool(self.trouble) or all(self.counts[name] > before[name] for name in before)

    def _run(self, client: Callable[[], Iterator[None]]) -> None:
        name = client.__name__
        try:
            for _ in client():
                self.counts[name] += 1
                if self._ended.is_set():
                    break
        except (OSError, AssertionError) as error:
            self.trouble.append(f"{name}, call {self.counts[name] + 1}: {error!r}")

    def datagrams(self) -> Iterator[None]:
        """A call over UDP, again and again; counts how often the unluckiest one was sent."""
        with self.host.network():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.connect(LOOPBACK)
            sock.settimeout(RETRANSMIT)
            for xid in _numbers():
                self._ask_by_datagram(sock, xid)
                yield

    def _ask_by_datagram(self, sock: socket.socket, xid: int) -> None:
        for sent in range(1, 6):
            self.most_sent = max(self.most_sent, sent)
            sock.send(_getport(xid))
            with suppress(TimeoutError):
                while (reply := sock.recv(9000))[:4] != words(xid):
                    pass
                assert reply[4:] == PORT
                return
        raise AssertionError("no answer to five datagrams")

    def connects(self) -> Iterator[None]:
        """A connection for each call over TCP."""
        for xid in _numbers():
            with stream(self.host, LOOPBACK) as client:
                assert client.ask(_getport(xid))[4:] == PORT
            yield

    def pipelines(self) -> Iterator[None]:
        """One connection with many calls under way, whose records come in odd pieces."""
        with stream(self.host, LOOPBACK) as client:
            pieces = _Pieces(client)
            for xid in range(1, WINDOW):
                pieces.send(record(_getport(xid)))
            for xid in _numbers():
                pieces.send(record(_getport(xid + WINDOW - 1)))
                assert client.receive() == words(xid) + PORT
                yield

    def local(self) -> Iterator[None]:
        """Over the local socket, in turn a new connection and the same old one."""
        with stream(self.host, SOCKET) as old:
            for xid in _numbers():
                with stream(self.host, SOCKET) as new:
                    for client in (old, new):
                        assert client.ask(_getport(xid))[4:] == PORT
                yield

    def registers(self) -> Iterator[None]:
        """Programs are registered, each of them by a call that is acknowledged."""
        with stream(self.host, SOCKET) as client:
            for xid in _numbers():
                entry = rpcb(FIRST_PROGRAM + xid, 1, "tcp", "0.0.0.0.0.111")
                assert client.ask(call(xid, 4, 1, entry)) == success(xid, 1)
                self.registered.append(FIRST_PROGRAM + xid)
                yield
                self._ended.wait(0.002)  # the registry has room for some ten thousand


class _Pieces:
    """Sends bytes of which some are held back until the next are sent."""

    HELD = 7

    def __init__(self, client: Stream) -> None:
        self.client, self.waiting = client, b""

    def send(self, data: bytes) -> None:
        data = self.waiting + data
        self.client.send(data[: -self.HELD])
        self.waiting = data[-self.HELD :]


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def _getport(xid: int) -> bytes:
    return call(xid, 2, 3, 100000, 2, 6, 0)
