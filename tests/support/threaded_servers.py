"""Servers in a thread, on ephemeral ports and temporary paths, for blocking clients."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from oncrpc import sync
from oncrpc.rpc import Caller, Service
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.testing import ManualClock

Behaviour = Callable[[socket.socket], None]
"""What the server does with each connection, or once with its datagram socket."""

LOOPBACK = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM, ("::1", 0)),
}


@contextmanager
def behaving(netid: str, behaviour: Behaviour, *, path: str = "") -> Iterator[tuple[str, int]]:
    """A server while the context lasts: the host, or path, and the port to dial."""
    family, kind, address = LOOPBACK.get(netid, (socket.AF_UNIX, socket.SOCK_STREAM, path))
    with socket.socket(family, kind) as sock:
        sock.bind("\0" + path[1:] if path.startswith("@") else address)
        host, port = (path, 0) if path else sock.getsockname()[:2]
        target = behaviour if kind == socket.SOCK_DGRAM else _accepting(behaviour)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        thread = threading.Thread(target=target, args=(sock,))
        thread.start()
        try:
            yield host, port
        finally:
            if kind == socket.SOCK_DGRAM:
                sock.sendto(b"", sock.getsockname())
            else:
                sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accepting(behaviour: Behaviour) -> Behaviour:
    def accept(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):
                behaviour(connection)

    return accept


def answering(*services: Service, datagrams: bool) -> Behaviour:
    """Answers every call, one connection after the other."""
    dispatcher = Dispatcher(services, clock=ManualClock())

    def answer(message: bytes) -> bytes:
        reply = dispatcher.handle(message, Caller("udp" if datagrams else "tcp"))
        assert isinstance(reply, bytes)
        return reply

    def stream(connection: socket.socket) -> None:
        reader = RecordReader()
        while data := connection.recv(65536):
            reader.feed(data)
            for record in reader.records():
                connection.sendall(encode_record(answer(record)))

    def datagram(sock: socket.socket) -> None:
        while (received := sock.recvfrom(65536))[0]:
            sock.sendto(answer(received[0]), received[1])

    return datagram if datagrams else stream


def silent(sock: socket.socket) -> None:
    """Takes what comes and says nothing, until the client is gone or the server ends."""
    while sock.recv(65536):
        pass


def has_ipv6() -> bool:
    """The loopback interface has its IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def dialed(netid: str, place: tuple[str, int], *, timeout: float = 10.0) -> sync.SocketLink:
    """A blocking link to a server of this module."""
    return sync.run(sync.dial(netid, *place, timeout=timeout))
