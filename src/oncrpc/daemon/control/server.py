"""The control socket, for root and the daemon's user (see ``protocol``).

It serves few clients: a connection beyond ``MAX_CALLERS``, or longer than ``PATIENCE``, is closed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

import msgspec
from msgspec import Struct

from oncrpc.daemon.control.protocol import (
    NAME,
    PROTOCOL,
    STATUS,
    Request,
    address_in,
    answer_line,
    error_line,
)
from oncrpc.net.peers import peer_uid

log = logging.getLogger("oncrpc.daemon")

MAX_CALLERS = 8
"""Connections to the control socket; one more is refused."""

MAX_REQUEST = 4096
"""Bytes of a request with its line end."""

PATIENCE = 10.0
"""Seconds that a connection may last."""

PAUSE = 1.0
"""Seconds without accepting after the process ran out of descriptors."""

PIECE = 1024


Answerer = Callable[[str], Awaitable[Struct]]
"""Answers a request, given what it is about."""

FollowedAnswerer = Callable[[socket.socket, str], Awaitable[None]]
"""Answers a request until the client closes the connection. Takes its socket and argument."""


class RefusedRequest(Exception):
    """Raised by an answerer; the text goes to the client."""


class Control:
    """Answers in a directory of the daemon, from ``start`` to ``close``.

    If the directory is not ``locked``, another daemon may use it: a socket that answers there is
    left alone. ``requests`` are those besides ``status``; those that are ``followed`` are answered
    until the client closes the connection, for any time.
    """

    def __init__(
        self,
        folder: str,
        status: Callable[[], Awaitable[Struct]],
        *,
        locked: bool = True,
        requests: Mapping[str, Answerer] = MappingProxyType({}),
        followed: Mapping[str, FollowedAnswerer] = MappingProxyType({}),
    ) -> None:
        self.folder, self.locked = folder, locked
        self.answerers: Mapping[str, Answerer] = {STATUS: lambda _: status(), **requests}
        self.followed = followed
        self._inode = 0
        self._socket: socket.socket | None = None
        self._callers: set[asyncio.Task[None]] = set()
        self._paused: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._callers)

    @property
    def paused(self) -> bool:
        """True while it does not accept, because the process ran out of descriptors."""
        return self._paused is not None

    def start(self) -> None:
        """Begin to answer; a failure is logged, and the daemon continues without."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with address_in(self.folder) as path:
                if not self.locked:
                    _check(self.folder, path)
                with suppress(FileNotFoundError):
                    os.unlink(path)  # of a daemon that was killed
                made.bind(path)
                os.chmod(path, 0o600)
                self._inode = os.stat(path).st_ino
            made.setblocking(False)
            made.listen()
        except OSError as error:
            made.close()
            why = (error.strerror or "").lower()
            log.warning(
                "cannot open %s/%s: %s; 'status' will not find this daemon", self.folder, NAME, why
            )
            return
        self._socket = made
        self._listen(made)

    async def close(self) -> None:
        """Remove the socket and close the connections."""
        if self._socket is None:
            return
        if self._paused is not None:
            self._paused.cancel()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        with suppress(OSError), address_in(self.folder) as path:
            if os.stat(path).st_ino == self._inode:
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
        """Answer one connection."""
        with sock, suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                request = await self._answer_lines(sock)
            if request is not None:
                try:
                    await self.followed[request.ask](sock, request.about)
                except RefusedRequest as error:
                    sock.send(error_line(str(error)))

    async def _answer_lines(self, sock: socket.socket) -> Request | None:
        """Answer line by line, until the end (None) or a request to follow, which is returned."""
        loop, read = asyncio.get_running_loop(), bytearray()
        while piece := await loop.sock_recv(sock, PIECE):
            read += piece
            while b"\n" in read:
                line, _, rest = read.partition(b"\n")
                read = rest
                answer = await self._answer(bytes(line))
                if isinstance(answer, Request):
                    return answer
                await loop.sock_sendall(sock, answer)
            if len(read) >= MAX_REQUEST:
                await loop.sock_sendall(sock, error_line("the request is too long"))
                break
        return None

    async def _answer(self, line: bytes) -> bytes | Request:
        """The answer to a request, or the request itself if it is one to follow."""
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return error_line(f"invalid request: {error}")
        if request.protocol != PROTOCOL:
            return error_line(f"unknown protocol; this is protocol {PROTOCOL}")
        if request.ask in self.followed:
            return request
        answerer = self.answerers.get(request.ask)
        if answerer is None:
            known = ", ".join((*self.answerers, *self.followed))
            return error_line(f"unknown request; this daemon knows {known}")
        try:
            return answer_line(await answerer(request.about), request.ask)
        except RefusedRequest as error:
            return error_line(str(error))


def _check(folder: str, path: str) -> None:
    """Refuse a directory that others may use, and one in which a socket answers.

    Raises:
        OSError: the directory cannot be used.
    """
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "others may use the directory")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.setblocking(False)
        if trial.connect_ex(path) in (0, errno.EAGAIN):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _may_ask(uid: int) -> bool:
    """Only root and the daemon's user."""
    return uid in (0, os.geteuid())


def _refuse(sock: socket.socket, error: str) -> None:
    with sock, suppress(OSError):
        sock.send(error_line(error))
