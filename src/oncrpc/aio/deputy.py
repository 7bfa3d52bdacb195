"""Stream connections that one process accepts and other processes serve.

The accepting server has a ``Deputy``, which sends each connection to another process. There it
arrives at a ``Receiver``, a listener that accepts nothing itself.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

from oncrpc.aio.connections import Carried
from oncrpc.aio.stream import Listener


class Deputy(Protocol):
    """Gives accepted connections to other processes, which serve them."""

    def take(self, sock: socket.SocketType, host: str, netid: str, carried: Carried | None) -> None:
        """Give a connection from ``host`` to a process, and close the socket here.

        ``carried`` is the state of a connection that was served before.
        """

    async def freeze(self) -> list[Carried]:
        """Take all connections back, and answer nothing until ``thaw``."""

    def thaw(self) -> None:
        """Serve connections again, also those that ``freeze`` returned."""


class DeputyListener(Listener):
    """A listener that gives each accepted connection to a deputy."""

    def __init__(self, *arguments: Any, deputy: Deputy, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.deputy = deputy

    def begin(self, sock: socket.SocketType, source: Any, carried: Carried | None = None) -> None:
        """Give the connection to the deputy."""
        self.deputy.take(sock, source[0].partition("%")[0], self.netid, carried)


class Receiver(Listener):
    """A listener for connections that another process has accepted."""

    def start(self) -> None:
        """Accept nothing."""

    def stop(self) -> None:
        """Nothing to stop."""

    def receive(self, descriptor: int) -> None:
        """Serve a new connection."""
        sock = socket.SocketType(*self.kind, descriptor)
        try:
            source = sock.getpeername()
        except OSError:  # the peer is gone
            sock.close()
        else:
            self.begin(sock, source)
