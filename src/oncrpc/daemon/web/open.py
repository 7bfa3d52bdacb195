"""Open the web server's socket, and load its modules.

Both happen before root is left: the port may need root, and the user that the daemon becomes may
not be able to read the directories of the interpreter.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from oncrpc.daemon.config.values import StartError, WebAddress

if TYPE_CHECKING:
    from oncrpc.daemon.web.content import WebContent

log = logging.getLogger("oncrpc.daemon.web")

SERVER = "oncrpc.daemon.web.server"
WEB_PACKAGES = ("aiohttp", "prometheus_client")
WEB_BACKLOG = 16
BIND_ERRORS = {
    errno.EACCES: "permission denied; choose a port above 1023",
    errno.EADDRINUSE: "in use; choose another port",
    errno.EADDRNOTAVAIL: "this host has no such address; see 'ip address'",
}


def load(modules: Iterable[str] = ()) -> None:
    """Import the server and the modules of an application's content.

    Raises:
        StartError: a package is not installed.
    """
    try:
        for module in (SERVER, *modules):
            import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in WEB_PACKAGES:
            raise
        raise StartError(
            f"the web pages need {error.name}, which is not installed; pip install 'oncrpc[web]'"
        ) from None


def opened(
    place: WebAddress | None, former: int | None = None, modules: Iterable[str] = ()
) -> socket.socket | None:
    """Open the socket, and load ``modules``; None without a place.

    ``former`` is the descriptor of the socket that an earlier image of this process has left; it
    continues to be used if it is bound to the same place.

    Raises:
        StartError: the socket cannot be bound, or a package is not installed.
    """
    kept = None if former is None else socket.socket(fileno=former)
    if kept is not None and (place is None or not _is_at(kept, place)):
        kept.close()
        kept = None
    if place is None:
        return None
    load(modules)
    sock = kept or _bound(place)
    if not place.address.is_loopback:
        log.warning(
            "the web pages on %s can be read by everybody who can reach that address", place
        )
    return sock


def _is_at(sock: socket.socket, place: WebAddress) -> bool:
    host, port = sock.getsockname()[:2]
    return host == str(place.address) and place.port in (0, port)


def _bound(place: WebAddress) -> socket.socket:
    family = socket.AF_INET if place.address.version == 4 else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((str(place.address), place.port))
            sock.listen(WEB_BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        reason = BIND_ERRORS.get(error.errno or 0) or os.strerror(error.errno or 0).lower()
        raise StartError(f"cannot serve web pages on {place}: {reason}") from None
    return sock


@asynccontextmanager
async def web_server(
    sock: socket.socket | None, content: Callable[[], WebContent]
) -> AsyncIterator[None]:
    """Serve what ``content`` returns for as long as the context lasts; without a socket nothing.

    Requests are answered from the next turn of the event loop on: start the daemon before.
    """
    if sock is None:
        yield
        return
    from oncrpc.daemon.web.server import WebServer

    made = WebServer(content())
    await made.start(sock)
    try:
        yield
    finally:
        await made.close()
