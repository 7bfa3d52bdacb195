"""A threaded server of scripted replies: the base of fake port mappers and programs."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import cast

from oncrpc.errors import ProtocolError
from oncrpc.rpc import Caller, Service
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader, encode_record

Handle = Callable[[bytes], bytes | None]
"""Returns the reply to a call, None for silence, or no bytes to close the connection."""

HANG_UP = b""


def serving(*services: Service) -> Handle:
    """A handler that replies as a server of those programs does."""
    dispatcher = Dispatcher(services, clock=time.monotonic)

    def handle(message: bytes) -> bytes | None:
        return cast(bytes | None, dispatcher.handle(message, Caller("tcp")))

    return handle


class Server:
    """Answers on any number of sockets by one thread, which ends with the context."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.calls: list[bytes] = []
        self._selector = selectors.DefaultSelector()
        self._readers: dict[socket.socket, RecordReader] = {}
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self.serve, daemon=True)

    def tcp(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen on a port, a free one by default; returns it."""
        sock = socket.create_server((host, port), family=_family(host))
        return self._listening(sock, sock.getsockname()[1])

    def udp(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Receive on a port, a free one by default; returns it."""
        sock = socket.socket(_family(host), socket.SOCK_DGRAM)
        sock.bind((host, port))
        return self._listening(sock, sock.getsockname()[1])

    def local(self, path: str) -> str:
        """Listen on a local socket; returns its path."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen()
        self._listening(sock, 0)
        return path

    def _listening(self, sock: socket.socket, port: int) -> int:
        self._selector.register(sock, selectors.EVENT_READ)
        return port

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            cast(socket.socket, key.fileobj).close()
        self._selector.close()

    def serve(self) -> None:
        """Answer until the context ends."""
        while True:
            for key, _ in self._selector.select():
                sock = cast(socket.socket, key.fileobj)
                if sock is self._woken:
                    return
                self._ready(sock)

    def _ready(self, sock: socket.socket) -> None:
        if sock.type == socket.SOCK_DGRAM:
            data, source = sock.recvfrom(65536)
            reply = self._answer(data)
            if reply:
                sock.sendto(reply, source)
        elif sock in self._readers:
            self._received(sock)
        else:
            connection, _ = sock.accept()
            self._readers[connection] = RecordReader()
            self._selector.register(connection, selectors.EVENT_READ)

    def _received(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        self._readers[sock].feed(data)
        replies = [self._answer(record) for record in self._readers[sock].records()]
        if not data or HANG_UP in replies:
            self._selector.unregister(sock)
            del self._readers[sock]
            sock.close()
            return
        for reply in filter(None, replies):
            sock.sendall(encode_record(reply))

    def _answer(self, message: bytes) -> bytes | None:
        self.calls.append(message)
        try:
            return self.handle(message)
        except ProtocolError:
            return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
