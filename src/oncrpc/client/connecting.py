"""The common part of ``connect`` over asyncio and blocking sockets: check, look up, dial."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar, TypeVarTuple

from oncrpc.checks import check_timeout
from oncrpc.client.port_mapper import MapperClient, OpenLink, port_mapper
from oncrpc.net.targets import check_target, first_of, netids_for
from oncrpc.rpc.auth import AUTH_NONE, Auth, flavor_of
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpc.program import Procedure, Version, check_client

L = TypeVar("L", bound="DriverLink")
L_co = TypeVar("L_co", bound="DriverLink", covariant=True)
R = TypeVar("R")
A = TypeVarTuple("A")
SHORTEST = 1e-6


class DriverLink(OpenLink, Protocol):
    """A link of a driver, whose timeout can be set."""

    timeout: float


class DialLink(Protocol[L_co]):
    """Opens a link to a port, or a local socket; the timeout is for that and then for each call."""

    def __call__(
        self,
        netid: str,
        host: str,
        port: int,
        *,
        auth: Auth = AUTH_NONE,
        timeout: float = DEFAULT_TIMEOUT,
        reserved_port: bool = False,
    ) -> Awaitable[L_co]: ...


class ClientClass(Protocol):
    """The class of a generated client, such as ``HELLO_V1.Client``."""

    @property
    def version(self) -> type[Version]: ...


class TimeLimit:
    """A time limit that starts now, by a driver's clock.

    Raises:
        TypeError, ValueError: it is not a number of seconds above 0.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        check_timeout(seconds)
        self.clock = clock
        self.until = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds; when the limit has passed a tiny number, since links refuse a timeout of 0."""
        return max(self.until - self.clock(), SHORTEST)


class LimitedLink(Generic[L]):
    """A link to a port mapper, all calls of which together end within the limit."""

    def __init__(self, link: L, limit: TimeLimit) -> None:
        self.link, self.limit, self.peer = link, limit, link.peer

    @property
    def timeout(self) -> float:
        """The seconds that are left."""
        return self.limit.left

    def close(self) -> None:
        """Close the link."""
        self.link.close()

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call within the limit, and within its own timeout if that is shorter."""
        left = self.limit.left if timeout is None else min(timeout, self.limit.left)
        return await self.link.call(procedure, *arguments, timeout=left, auth=auth)


def limited_dial(dial: DialLink[L], limit: TimeLimit) -> Callable[..., Awaitable[LimitedLink[L]]]:
    """A ``Dial`` for port mappers whose links and calls all end within the limit."""

    async def dial_within(netid: str, host: str, port: int) -> LimitedLink[L]:
        return LimitedLink(await dial(netid, host, port, timeout=limit.left), limit)

    return dial_within


class ConnectTarget(Generic[L]):
    """The program that a client is connected to, found and dialed as often as needed.

    Raises:
        AddressError: no such transport, no such port, or an invalid ``mapper``.
        TypeError: an argument is of the wrong kind.
    """

    def __init__(
        self,
        host: str,
        client: ClientClass,
        *,
        dial: DialLink[L],
        clock: Callable[[], float],
        transport: str,
        port: int | None,
        auth: Auth,
        timeout: float,
        reserved_port: bool,
        mapper: str | MapperClient | None,
    ) -> None:
        check_client(client)
        check_target(host, transport, port)
        check_timeout(timeout)
        flavor_of(auth)
        if mapper is not None:
            port_mapper(mapper, dial)
        self.version = client.version
        self.host, self.transport, self.port, self.mapper = host, transport, port, mapper
        self.dial, self.clock, self.timeout = dial, clock, timeout
        self.auth, self.reserved_port = auth, reserved_port

    async def open(self, seconds: float) -> L:
        """Dial the program, asking the port mapper first if its port is not known."""
        limit = TimeLimit(seconds, self.clock)

        async def over(netid: str) -> L:
            host, port = self.host, self.port
            if port is None:
                mapper = port_mapper(self.mapper, limited_dial(self.dial, limit))
                host, port = await mapper.find(host, self.version, netid)
            link = await self.dial(
                netid, host, port,
                auth=self.auth, timeout=limit.left, reserved_port=self.reserved_port,
            )  # fmt: skip
            link.timeout = self.timeout
            return link

        return await first_of(netids_for(self.transport, self.host), over)
