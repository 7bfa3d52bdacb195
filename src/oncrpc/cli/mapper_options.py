"""Which port mapper a command speaks to, by its options."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from oncrpc.addr import split_host_port
from oncrpc.cli.bounded_lists import dial_bounded
from oncrpc.cli.command import Failure, Option, integer
from oncrpc.client.mapper_address import MAPPER_VARIABLE, MapperAddress, mapper_from_environment
from oncrpc.client.port_mapper import Dial, MapperClient, OpenLink
from oncrpc.errors import AddressError, OncRpcError, TransportError
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.sync import SocketLink

MAPPER_OPTIONS = (
    Option("port", "", "PORT", "the port of the port mapper; 111 by default"),
    Option("rpcbind-port", "", "PORT", "the same as --port"),
    Option("socket", "", "PATH", "the local socket of the port mapper; @NAME if abstract"),
)


def mapper_of_environment(program: str) -> MapperAddress | None:
    """The port mapper that ``ONCRPC_MAPPER`` names; a wrong value ends the command."""
    try:
        return mapper_from_environment()
    except AddressError as error:
        raise Failure(f"{program}: {error}") from None


class MapperChoice:
    """The port mapper that the options of pmap_dump and pmap_set name; by default this host's."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.port: int | None = None
        self.host = self.socket = ""
        self.by_variable = False

    def take(self, name: str, value: str) -> bool:
        """Take an option; False if it does not name a port mapper."""
        if name == "host":
            self.host = not_empty(self.program, name, value)
        elif name == "socket":
            self.socket = not_empty(self.program, name, value)
        elif name in ("port", "rpcbind-port"):
            self.port = integer(value)
            if self.port is None or not 0 < self.port < 65536:
                raise Failure(f"{self.program}: invalid port {value}: must be 1 to 65535")
        else:
            return False
        return True

    def choose(self) -> None:
        """Decide once all options are known; without any, ``ONCRPC_MAPPER`` names the port mapper.

        Raises:
            Failure: the options contradict each other.
        """
        if self.socket and self.host:
            raise Failure(f"{self.program}: --socket does not go with --host")
        if self.socket and self.port is not None:
            raise Failure(f"{self.program}: --socket does not go with --port")
        if self.host:
            self._split_host()
        elif not self.socket and self.port is None:
            named = mapper_of_environment(self.program)
            self.by_variable = named is not None
            if named is not None and named.local:
                self.socket = named.host
            elif named is not None:
                self.host, self.port = named

    def _split_host(self) -> None:
        try:
            host, port = split_host_port(self.host, -1)
        except AddressError as error:
            raise Failure(f"{self.program}: --host: {error}") from None
        if port < 0:
            port = PMAP_PORT if self.port is None else self.port
        elif self.port not in (None, port):
            raise Failure(f"{self.program}: --port {self.port} contradicts the port of {self.host}")
        self.host, self.port = host, port

    def open(self) -> AbstractAsyncContextManager[OpenLink]:
        """A link to it: over TCP to a host, else over the local socket, which proves the user."""
        mapper = mapper_client(_dial, port=self.port, socket=self.socket)
        if self.host:
            return mapper.open("tcp6" if ":" in self.host else "tcp", self.host)
        return mapper.local()

    def failure(self, error: OncRpcError) -> Failure:
        """Why the port mapper could not be asked, and what to look at next."""
        if self.socket and isinstance(error, TransportError):
            return unreachable(self.program, self.socket, error, by_variable=self.by_variable)
        if isinstance(error, TransportError):
            named = f"{self.host} port {self.port}"
            place = named if self.host else error.place.partition(" over ")[0]
            found = unreachable(self.program, place, error, by_variable=self.by_variable)
            return Failure(f"{found}; is it running?")
        reason = f"the port mapper does not answer as it should: {error}"
        return Failure(f"{self.program}: {reason}")


async def _dial(netid: str, host: str, port: int) -> SocketLink:
    return await dial_bounded(netid, host, port, timeout=DEFAULT_TIMEOUT)


def mapper_client(
    dial: Dial,
    *,
    port: int | None,
    socket: str | None,
    host: str = "",
    kind: type[MapperClient] = MapperClient,
) -> MapperClient:
    """A client of the port mapper at that socket only; without a socket, of the one at that port.

    A port means another daemon than the one at the usual sockets, which are not asked then.
    """
    if socket:
        return kind(dial, sockets=(socket,), hosts=())
    if host:
        return kind(dial, port=PMAP_PORT if port is None else port, sockets=(), hosts=(host,))
    return kind(dial) if port is None else kind(dial, port=port, sockets=())


def unreachable(
    program: str, place: str, error: TransportError, *, by_variable: bool = False
) -> Failure:
    """The error for a place that was named, where no port mapper listens."""
    where = f"{place} ({MAPPER_VARIABLE})" if by_variable else place
    return Failure(f"{program}: cannot reach the port mapper at {where}: {error.strerror}")


def not_empty(program: str, name: str, value: str) -> str:
    """The value of an option that must not be empty."""
    if not value:
        raise Failure(f"{program}: --{name} is empty")
    return value
