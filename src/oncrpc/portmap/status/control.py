"""The control socket: JSON, one object a line, for root and the daemon's own user.

Whoever connects sends ``{"protocol": 1, "ask": "status"}`` and is sent
``{"protocol": 1, "status": {...}}``, or ``{"protocol": 1, "error": "..."}``. It is for a few
callers that take what they asked for at once: what takes longer than ``PATIENCE`` is ended, and so
is a connection beyond ``MAX_CALLERS``.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec
from msgspec import Struct

from oncrpc.endpoint import peer_uid
from oncrpc.portmap.status.report import Status

log = logging.getLogger("oncrpc.portmap")

NAME = "control"
PROTOCOL = 1
MAX_CALLERS = 8
MAX_REQUEST = 4096
"""Bytes of a request, its line end included."""

PATIENCE = 10.0
"""Seconds for a connection: to ask, to be answered, to read that."""

PAUSE = 1.0
"""Seconds without new connections when there is no descriptor for one."""

MAX_PATH = 107
"""Bytes of a path that a socket's address has room for."""

PIECE = 1024


class Request(Struct):
    """What is asked."""

    ask: str
    protocol: int = 0


class Reply(Struct, omit_defaults=True):
    """The answer: what was asked for, or what is wrong."""

    protocol: int
    status: Status | None = None
    error: str | None = None


@contextmanager
def address_in(folder: str) -> Iterator[str]:
    """How the socket in a directory can be named, however long the directory's name is.

    Raises:
        OSError: there is no such directory.
    """
    path = os.path.join(folder, NAME)
    if len(os.fsencode(path)) <= MAX_PATH:
        yield path
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


class Control:
    """Answers in a directory that is the daemon's alone, from ``start`` to ``close``."""

    def __init__(self, folder: str, status: Callable[[], Awaitable[Status]]) -> None:
        self.folder, self.status = folder, status
        self._socket: socket.socket | None = None
        self._callers: set[asyncio.Task[None]] = set()
        self._paused: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to answer; if that cannot be, a line in the log says so."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with address_in(self.folder) as path:
                with suppress(FileNotFoundError):
                    os.unlink(path)  # of a daemon that was killed: the directory is locked by us
                made.bind(path)
                os.chmod(path, 0o600)
            made.setblocking(False)
            made.listen()
        except OSError as error:
            made.close()
            why = (error.strerror or "").lower()
            log.warning("cannot open %s/%s: %s; nobody can ask", self.folder, NAME, why)
            return
        self._socket = made
        self._listen(made)

    async def close(self) -> None:
        """Take the socket away, and end the connections."""
        if self._socket is None:
            return
        if self._paused is not None:
            self._paused.cancel()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        with suppress(OSError), address_in(self.folder) as path:
            os.unlink(path)
        for task in self._callers:
            task.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)

    def _listen(self, made: socket.socket) -> None:
        self._paused = None
        asyncio.get_running_loop().add_reader(made.fileno(), self._accept, made)

    def _accept(self, made: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            sock, _ = made.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                loop.remove_reader(made.fileno())
                self._paused = loop.call_later(PAUSE, self._listen, made)
            return
        sock.setblocking(False)
        if len(self._callers) >= MAX_CALLERS:
            _refuse(sock, "too many connections")
        elif not _may_ask(peer_uid(sock)):
            _refuse(sock, f"uid {peer_uid(sock)} may not ask; root may")
        else:
            task = loop.create_task(self._serve(sock))
            self._callers.add(task)
            task.add_done_callback(self._callers.discard)

    async def _serve(self, sock: socket.socket) -> None:
        """Answer what one connection asks, a line at a time."""
        loop, read = asyncio.get_running_loop(), bytearray()
        with sock, suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while piece := await loop.sock_recv(sock, PIECE):
                    read += piece
                    while b"\n" in read:
                        line, _, rest = read.partition(b"\n")
                        read = rest
                        await loop.sock_sendall(sock, encoded(await self._answer(bytes(line))))
                    if len(read) >= MAX_REQUEST:
                        await loop.sock_sendall(sock, encoded(_wrong("the request is too long")))
                        return

    async def _answer(self, line: bytes) -> Reply:
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _wrong(f"this is no request: {error}")
        if request.protocol != PROTOCOL:
            return _wrong(f"this is protocol {PROTOCOL}")
        if request.ask != "status":
            return _wrong("there is nothing to ask but status")
        return Reply(PROTOCOL, await self.status())


def encoded(message: Request | Reply) -> bytes:
    """A message as a line."""
    return msgspec.json.encode(message) + b"\n"


def _wrong(error: str) -> Reply:
    return Reply(PROTOCOL, error=error)


def _may_ask(uid: int) -> bool:
    """Root, and whoever we are."""
    return uid in (0, os.geteuid())


def _refuse(sock: socket.socket, error: str) -> None:
    with sock, suppress(OSError):
        sock.send(encoded(_wrong(error)))
