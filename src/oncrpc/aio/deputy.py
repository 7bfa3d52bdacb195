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
    """Serves connections in other processes."""

    def take(self, sock: socket.SocketType, host: str, netid: str, carried: Carried | None) -> None:
        """Serve a connection from ``host``, and close the socket here.

        ``carried`` is the state of a connection that was served before.
        """

    async def freeze(self) -> list[Carried]:
        """Answer nothing more until ``thaw``. Returns the connections, which are open here."""

    def thaw(self) -> None:
        """Take connections again."""


class DeputyListener(Listener):
    """Accepts connections for a deputy."""

    def __init__(self, *arguments: Any, deputy: Deputy, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.deputy = deputy

    def begin(self, sock: socket.SocketType, source: Any, carried: Carried | None = None) -> None:
        """Give the connection away."""
        self.deputy.take(sock, source[0].partition("%")[0], self.netid, carried)


class Receiver(Listener):
    """Serves the connections that another process has accepted."""

    def start(self) -> None:
        """Accept nothing."""

    def stop(self) -> None:
        """Nothing was started."""

    def receive(self, descriptor: int) -> None:
        """Serve a new connection."""
        sock = socket.SocketType(*self.kind, descriptor)
        try:
            source = sock.getpeername()
        except OSError:  # the peer is gone
            sock.close()
        else:
            self.begin(sock, source)
