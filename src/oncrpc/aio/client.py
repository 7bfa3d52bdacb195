"""Calling programs over asyncio: any number of calls at once on one connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from oncrpc.aio.link import AioLink, dial
from oncrpc.aio.reconnect import ReconnectingLink
from oncrpc.binder import Binder
from oncrpc.endpoint import first_of, netids_for
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpc.program import Client, check_client

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
    was asked for. Without a port the host's port mapper is asked. ``timeout`` is for each call, in
    seconds; it and ``auth`` can be set for some calls with the client's ``with_options``. With
    ``reconnect`` a call after the connection broke dials again, and asks the port mapper again.
    ``reserved_port`` asks for a source port below 1024, which takes a privilege.

    Raises:
        NotRegistered: the port mapper does not know the program. TransportError, CallTimeout.
        AddressError: there is no such transport, or no such port.
    """
    check_client(client)
    asked = binder or Binder(partial(dial, timeout=timeout))

    async def over(netid: str) -> AioLink:
        place = (host, port or 0)
        if port is None:
            place = await asked.find(host, client.version, netid)
        return await dial(netid, *place, auth=auth, timeout=timeout, reserved_port=reserved_port)

    async def opened() -> AioLink:
        return await first_of(netids_for(transport, host), over)

    first = await opened()
    link = ReconnectingLink(first, opened, timeout=timeout) if reconnect else first
    try:
        yield client(link)
    finally:
        link.close()
