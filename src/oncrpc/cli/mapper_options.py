"""Which port mapper a command speaks to, by its options."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from oncrpc.cli.bounded_lists import dial_bounded
from oncrpc.cli.command import Failure, Option, integer
from oncrpc.errors import OncRpcError, TransportError
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpcbind import Binder, Dial, OpenLink
from oncrpc.sync import SocketLink

MAPPER_OPTIONS = (
    Option("rpcbind-port", "", "PORT", "the port of the port mapper, if it is not 111"),
    Option("socket", "", "PATH", "the local socket of the port mapper; @NAME if abstract"),
)


class Mapper:
    """The port mapper that the options of pmap_dump and pmap_set name; else this host's."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.port: int | None = None
        self.host = self.socket = ""

    def take(self, name: str, value: str) -> bool:
        """Take an option; False if it names no port mapper."""
        if name == "host":
            self.host = not_empty(self.program, name, value)
        elif name == "socket":
            self.socket = not_empty(self.program, name, value)
        elif name == "rpcbind-port":
            self.port = integer(value)
            if self.port is None or not 0 < self.port < 65536:
                raise Failure(f"{self.program}: {value} is illegal port number")
        else:
            return False
        return True

    def open(self) -> AbstractAsyncContextManager[OpenLink]:
        """A link to it: over TCP to a host, else by the way that proves most who we are.

        Raises:
            Failure: the options name two.
        """
        if self.socket and self.host:
            raise Failure(f"{self.program}: --socket does not go with --host")
        if self.socket and self.port is not None:
            raise Failure(f"{self.program}: --socket does not go with --rpcbind-port")
        binder = binder_of(_dial, port=self.port, socket=self.socket)
        if self.host:
            return binder.open("tcp6" if ":" in self.host else "tcp", self.host)
        return binder.local()

    def failure(self, error: OncRpcError) -> Failure:
        """Why it could not be asked, and what to look at next."""
        if self.socket and isinstance(error, TransportError):
            return unreachable(self.program, self.socket, error)
        if isinstance(error, TransportError):
            reason = f"cannot reach the port mapper: {error.strerror}; is it running?"
        else:
            reason = f"the port mapper does not answer as it should: {error}"
        return Failure(f"{self.program}: {reason}")


async def _dial(netid: str, host: str, port: int) -> SocketLink:
    return await dial_bounded(netid, host, port, timeout=DEFAULT_TIMEOUT)


def binder_of(dial: Dial, *, port: int | None, socket: str | None) -> Binder:
    """What asks the port mapper at that socket and nowhere else; without one, at that port.

    A port means another daemon than the one at the usual sockets: those are left out.
    """
    if socket:
        return Binder(dial, sockets=(socket,), hosts=())
    return Binder(dial) if port is None else Binder(dial, port=port, sockets=())


def unreachable(program: str, socket: str, error: TransportError) -> Failure:
    """There is no port mapper at the local socket that was named."""
    return Failure(f"{program}: cannot reach the port mapper at {socket}: {error.strerror}")


def not_empty(program: str, name: str, value: str) -> str:
    """The value of an option that has to have one."""
    if not value:
        raise Failure(f"{program}: --{name} is empty")
    return value
