"""Calling programs over asyncio: any number of calls at once on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from oncrpc.aio.link import dial
from oncrpc.aio.reconnect import ReconnectingLink
from oncrpc.client.connecting import ConnectTarget
from oncrpc.client.contexts import asyncio_context
from oncrpc.client.hooks import ClientHook, HookedLink, check_hooks
from oncrpc.client.port_mapper import MapperClient
from oncrpc.rpc.auth import AUTH_NONE, Auth
from oncrpc.rpc.calls import DEFAULT_TIMEOUT
from oncrpc.rpc.program import Client

C = TypeVar("C", bound=Client)


@asyncio_context
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
    mapper: str | MapperClient | None = None,
    hooks: Sequence[ClientHook] = (),
) -> AsyncIterator[C]:
    """A client of one version of a program on a host, while the context lasts.

    ``transport`` is a netid: tcp, udp, tcp6, udp6 or local; for the last one ``host`` is a path.
    An IPv6 address, or a name that has no other, is reached over tcp6 or udp6 also where tcp or udp
    was asked for. Without a port the host's port mapper is asked, or the one that ``mapper`` names:
    ``host``, ``host:port``, ``[IPv6 address]:port`` or the path of a local socket; its default is
    the environment variable ONCRPC_MAPPER. ``timeout`` is in seconds, for connecting, looking up
    the name included, and then for each call; it and ``auth`` can be set for some calls with the
    client's ``with_options``. With ``reconnect`` a call after the connection broke dials again, and
    asks the port mapper again. ``reserved_port`` asks for a source port below 1024, which needs a
    privilege. The ``hooks`` stand around every call, the first one outermost: each takes the call
    and a function that makes it, and returns the result.

    Raises:
        NotRegistered: the port mapper does not know the program. TransportError, CallTimeout.
        AddressError: no such transport, no such port, or an invalid ``mapper``. TypeError: an
            argument is of the wrong kind.
    """
    check_hooks(hooks)
    target = ConnectTarget(
        host, client, dial=dial, clock=_now, transport=transport,
        port=port, auth=auth, timeout=timeout, reserved_port=reserved_port, mapper=mapper,
    )  # fmt: skip
    first = await target.open(timeout)
    link = ReconnectingLink(first, target.open, timeout=timeout) if reconnect else first
    carrier = HookedLink(link, hooks, host=host) if hooks else link
    try:
        yield client(carrier)
    finally:
        link.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
