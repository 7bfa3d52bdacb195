"""Calling programs over asyncio: any number of calls at once on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from oncrpc.aio.link import AioLink, dial
from oncrpc.aio.reconnect import ReconnectingLink
from oncrpc.checks import check_kind, check_seconds
from oncrpc.net.targets import check_target, first_of, netids_for
from oncrpc.rpc.auth import AUTH_NONE, Auth, flavor_of
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpc.program import Client, check_client
from oncrpc.rpcbind import Binder

C = TypeVar("C", bound=Client)


@asynccontextmanager
async def connect(
    host: str,
    client: type[C],
    *,
    transport: str = "tcp",
    port: int | None = None,
    auth: Auth = AUTH_NONE,
    timeout: float = DEFAULT_TIMEOUT,
    reconnect: bool = False,
    reserved_port: bool = False,
    binder: Binder | None = None,
) -> AsyncIterator[C]:
    """A client of one version of a program on a host, while the context lasts.

    ``transport`` is a netid: tcp, udp, tcp6, udp6 or local; for the last one ``host`` is a path.
    An IPv6 address, or a name that has no other, is reached over tcp6 or udp6 also where tcp or udp
    was asked for. Without a port the host's port mapper is asked. ``timeout`` is in seconds, for
    connecting, looking up the name included, and then for each call; it and ``auth`` can be set for
    some calls with the client's ``with_options``. With ``reconnect`` a call after the connection
    broke dials again, and asks the port mapper again.
    ``reserved_port`` asks for a source port below 1024, which takes a privilege.

    Raises:
        NotRegistered: the port mapper does not know the program. TransportError, CallTimeout.
        AddressError: there is no such transport, or no such port. TypeError: an argument is of the
            wrong kind.
    """
    check_client(client)
    check_target(host, transport, port)
    check_seconds("timeout", timeout)
    check_kind("binder", binder, Binder, type(None))
    flavor_of(auth)

    async def opened() -> AioLink:
        within = _Within(timeout, auth=auth, reserved_port=reserved_port)
        asked = binder or Binder(within.dial)

        async def over(netid: str) -> AioLink:
            if port is not None:
                return await within.reach(netid, host, port)
            return await within.reach(netid, *await asked.find(host, client.version, netid))

        return await first_of(netids_for(transport, host), over)

    first = await opened()
    link = ReconnectingLink(first, opened, timeout=timeout) if reconnect else first
    try:
        yield client(link)
    finally:
        link.close()


class _Within:
    """Dials port mapper and program within one time limit; the ``options`` are for the latter."""

    def __init__(self, timeout: float, **options: Any) -> None:
        self.timeout, self.options = timeout, options
        self.loop = asyncio.get_running_loop()
        self.until = self.loop.time() + timeout

    async def dial(self, netid: str, host: str, port: int) -> AioLink:
        """Open a link in the time that is left, which then holds for its calls."""
        link = await dial(netid, host, port, timeout=self.until - self.loop.time())
        link.timeout = self.until - self.loop.time()
        return link

    async def reach(self, netid: str, host: str, port: int) -> AioLink:
        """Open a link in the time that is left, on which each call has all of it."""
        left = self.until - self.loop.time()
        link = await dial(netid, host, port, timeout=left, **self.options)
        link.timeout = self.timeout
        return link
