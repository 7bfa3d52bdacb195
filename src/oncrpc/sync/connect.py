"""Connecting a blocking client, and dialing again when its connection was lost."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar, TypeVarTuple

from oncrpc.client.connecting import ConnectTarget, TimeLimit
from oncrpc.client.contexts import blocking_context
from oncrpc.client.hooks import HookedLink, SyncClientHook, awaited, check_hooks
from oncrpc.client.port_mapper import MapperClient
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.blocking import run
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpc.program import ClientType, Procedure, SyncClient
from oncrpc.sync.link import SocketLink, dial

R = TypeVar("R")
A = TypeVarTuple("A")
S = TypeVar("S", bound=SyncClient)


class ReconnectingLink:
    """Carries calls over ``link``, and over a new one once that is broken.

    A call during which the link breaks fails: the server may have carried it out or not. A call
    that finds that the peer has ended the stream dials first, and its timeout holds for both.
    ``dial`` takes the seconds that it has.
    """

    def __init__(
        self,
        link: SocketLink,
        dial: Callable[[float], Awaitable[SocketLink]],
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link, self.dial, self.timeout, self.clock = link, dial, timeout, clock
        self.closed = False

    def __repr__(self) -> str:
        return f"<reconnecting {self.link!r}>"

    def close(self) -> None:
        """Close the link for good."""
        self.closed = True
        self.link.close()

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call on a link that works.

        Raises:
            TransportError, NotRegistered: it cannot be dialed now; the next call tries again.
        """
        left = self.timeout if timeout is None else timeout
        if not self.closed and not self.link.works:
            limit = TimeLimit(left, self.clock)
            self.link.close()
            self.link = await self.dial(left)
            left = limit.left
        return await self.link.call(procedure, *arguments, timeout=left, auth=auth)


@blocking_context
def connect(
    host: str,
    client: ClientType[S],
    *,
    transport: str = "tcp",
    port: int | None = None,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reconnect: bool = False,
    reserved_port: bool = False,
    mapper: str | MapperClient | None = None,
    hooks: Sequence[SyncClientHook] = (),
) -> Iterator[S]:
    """A blocking client of one version of a program on a host, while the context lasts.

    For ``HELLO_V1.Client`` it is a ``HELLO_V1.SyncClient``. The arguments and the errors are those
    of ``oncrpc.connect``, but that ``hooks`` are plain functions.
    """
    check_hooks(hooks)
    target = ConnectTarget(
        host, client, dial=dial, clock=time.monotonic, transport=transport,
        port=port, auth=auth, timeout=timeout, reserved_port=reserved_port, mapper=mapper,
    )  # fmt: skip
    first = run(target.open(timeout))
    link = ReconnectingLink(first, target.open, timeout=timeout) if reconnect else first
    carrier = HookedLink(link, list(map(awaited, hooks)), host=host) if hooks else link
    try:
        yield client.blocking(client(carrier))
    finally:
        link.close()
