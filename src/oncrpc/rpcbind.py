"""Looking up, listing, registering and removing programs with a port mapper, over asyncio.

>>> await rpcbind.getaddr("files.example", 100003, 3, "tcp")
'192.0.2.1.8.1'

``mapper`` names the port mapper to use: ``host``, ``host:port``, ``[IPv6 address]:port`` or the
path of a local socket. Without it the environment variable ONCRPC_MAPPER does. Without both, the
port mapper at port 111 of the host is asked; programs are registered with this host's, over its
local socket or the loopback interface. ``timeout`` is in seconds, for each function as a whole.

``oncrpc.sync.rpcbind`` has the same functions, blocking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from oncrpc.aio.link import dial
from oncrpc.client.connecting import TimeLimit, limited_dial
from oncrpc.client.port_mapper import MapperClient, port_mapper
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.calls import DEFAULT_TIMEOUT

MapperName = str | MapperClient | None
"""A value for ``mapper=``: its address as above, a client of it, or None for the default."""


def _asked(mapper: MapperName, timeout: float) -> MapperClient:
    limit = TimeLimit(timeout, asyncio.get_running_loop().time)
    return port_mapper(mapper, limited_dial(dial, limit))


async def getaddr(
    host: str,
    prog: int,
    vers: int,
    netid: str,
    *,
    mapper: MapperName = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> str:
    """The universal address of a program on a host, for a transport.

    Raises:
        NotRegistered: the port mapper does not know it. PortMapperUnreachable, CallTimeout.
    """
    return await _asked(mapper, timeout).getaddr(host, prog, vers, netid)


async def getport(
    host: str,
    prog: int,
    vers: int,
    netid: str,
    *,
    mapper: MapperName = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> int:
    """The port of a program on a host; the same errors as ``getaddr``."""
    return await _asked(mapper, timeout).getport(host, prog, vers, netid)


async def dump(
    host: str | None = None, *, mapper: MapperName = None, timeout: float = DEFAULT_TIMEOUT
) -> list[rpcb]:
    """All registrations of a host's port mapper, of this host's if None, in its order."""
    return await _asked(mapper, timeout).dump(host)


async def set(
    prog: int,
    vers: int,
    netid: str,
    uaddr: str,
    *,
    mapper: MapperName = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> bool:
    """Register with this host's port mapper. Returns False if another address is registered."""
    return await _asked(mapper, timeout).set(prog, vers, netid, uaddr)


async def set_transient(
    vers: int,
    addresses: Mapping[str, str],
    *,
    mapper: MapperName = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> int:
    """Register addresses, by netid, under a free transient program number. Returns the number.

    Raises:
        NotRegistered: the port mapper refused all numbers that were tried.
    """
    return await _asked(mapper, timeout).set_transient(vers, addresses)


async def unset(
    prog: int,
    vers: int,
    netid: str = "",
    *,
    mapper: MapperName = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> bool:
    """Remove a registration, of every transport if no netid is given.

    False if it belongs to another user; True also if there was none.
    """
    return await _asked(mapper, timeout).unset(prog, vers, netid)


__all__ = ["MapperClient", "dump", "getaddr", "getport", "set", "set_transient", "unset"]
