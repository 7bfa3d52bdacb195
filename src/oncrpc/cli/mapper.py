"""Which port mapper a command speaks to, by its options; shared by pmap_dump and pmap_set."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from oncrpc import sync
from oncrpc.addr import RPCB_ABSTRACT, RPCB_SOCKET
from oncrpc.binder import OpenLink
from oncrpc.cli.command import Failure, Option, integer
from oncrpc.errors import OncRpcError, TransportError
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.sync import Binder

MAPPER_OPTIONS = (
    Option("rpcbind-port", "", "PORT", "the port of the port mapper, if it is not 111"),
    Option("socket", "", "PATH", "the local socket of the port mapper; @NAME if abstract"),
)


class Mapper:
    """The port mapper that the options name; without any, this host's by the usual ways."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.port: int | None = None
        self.socket = ""

    def take(self, name: str, value: str) -> bool:
        """Take an option; False if it is none of ``MAPPER_OPTIONS``."""
        if name == "socket":
            self.socket = value
        elif name == "rpcbind-port":
            self.port = integer(value)
            if self.port is None or not 0 < self.port < 65536:
                raise Failure(f"{self.program}: {value} is illegal port number")
        else:
            return False
        return True

    def open(self, host: str = "") -> AbstractAsyncContextManager[OpenLink]:
        """A link to it: over TCP to a host, else by the way that proves most who we are."""
        port = PMAP_PORT if self.port is None else self.port
        binder = Binder(sync.dial, port=port, sockets=sockets(self.socket, self.port))
        return binder.open("tcp6" if ":" in host else "tcp", host) if host else binder.local()


def trouble(error: OncRpcError) -> str:
    """Why the port mapper could not be asked, and what to look at next."""
    if isinstance(error, TransportError):
        return f"cannot reach the port mapper: {error.strerror}; is it running?"
    return f"the port mapper does not answer as it should: {error}"


def sockets(path: str | None, port: int | None) -> tuple[str, ...]:
    """The local sockets to try: none if only a port was named, for that means another daemon."""
    if path:
        return (path,)
    return () if port is not None else (RPCB_ABSTRACT, RPCB_SOCKET)
