"""Opening what the web pages need, while it can be: their socket, and the modules they are made of.

Both are done before root is left. The user that the daemon becomes may not be able to read the
directory of the interpreter.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.web.address import Place

if TYPE_CHECKING:
    from oncrpc.portmap.daemon import Daemon

log = logging.getLogger("oncrpc.portmap")

PAGES = "oncrpc.daemon.web.server"
NEEDED = ("aiohttp", "prometheus_client")
BACKLOG = 16
WHY = {
    errno.EACCES: "permission denied; choose a port above 1023",
    errno.EADDRINUSE: "in use; choose another port",
    errno.EADDRNOTAVAIL: "this host has no such address; see 'ip address'",
}


def load() -> None:
    """Load everything that the pages are made of.

    Raises:
        StartError: what they need is not installed, or cannot be read.
    """
    try:
        import_module(PAGES)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        raise StartError(
            f"the web pages need {error.name}, which is not installed; pip install 'oncrpc[web]'"
        ) from None


def opened(place: Place | None, former: int | None = None) -> socket.socket | None:
    """The socket of the pages, None where there are none; ``former`` is that of a former image.

    Raises:
        StartError: it cannot be bound, or the pages cannot be loaded.
    """
    kept = None if former is None else socket.socket(fileno=former)
    if kept is not None and (place is None or not _is_at(kept, place)):
        kept.close()
        kept = None
    if place is None:
        return None
    load()
    sock = kept or _bound(place)
    if not place.address.is_loopback:
        log.warning("the web pages on %s can be read by whoever reaches that address", place)
    return sock


def _is_at(sock: socket.socket, place: Place) -> bool:
    host, port = sock.getsockname()[:2]
    return host == str(place.address) and place.port in (0, port)


def _bound(place: Place) -> socket.socket:
    family = socket.AF_INET if place.address.version == 4 else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((str(place.address), place.port))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        reason = WHY.get(error.errno or 0) or os.strerror(error.errno or 0).lower()
        raise StartError(f"cannot serve web pages on {place}: {reason}") from None
    return sock


@asynccontextmanager
async def shown(daemon: Daemon) -> AsyncIterator[None]:
    """Serve the pages of a daemon, if it has a socket for them, for as long as the context lasts.

    Requests are answered once the loop has its turn: the daemon is to be started before.
    """
    sock = daemon.listeners.web
    if sock is None:
        yield
        return
    from oncrpc.daemon.web.server import Pages

    pages = Pages(daemon)
    await pages.start(sock)
    try:
        yield
    finally:
        await pages.close()
