"""Finding and registering programs through a port mapper (RFC 1833), whatever carries the calls.

The conversation is the same over asyncio, over blocking sockets and in memory; what differs is how
a link is opened. So it is written once, as coroutines over a ``Dial``, which those layers hand in.

A lookup asks version 4 first, then 3, then 2 (IPv4 only): the next one only if the port mapper says
that it does not have this one. Registration goes over the local socket, which proves who we are; if
there is none, over TCP to the loopback address.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar

from oncrpc.addr import (
    RPCB_ABSTRACT,
    RPCB_SOCKET,
    join_uaddr,
    split_uaddr,
    transport,
)
from oncrpc.errors import (
    AddressError,
    GarbageArguments,
    NotRegistered,
    ProgramMismatch,
    ProgramUnavailable,
    TransportError,
)
from oncrpc.numbers import TRANSIENT
from oncrpc.programs.portmap import (
    IPPROTO_TCP,
    IPPROTO_UDP,
    PMAP_PORT,
    PMAP_VERS,
    mapping,
    pmaplist,
)
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.rpc import Link, Version

T = TypeVar("T")
OTHER_VERSION = (ProgramMismatch, ProgramUnavailable, GarbageArguments)
"""Answers that mean: ask in another version."""

PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}
LOCAL_HOSTS = ("::1", "127.0.0.1")
TRANSIENT_TRIES = 32


class OpenLink(Link, Protocol):
    """A link that can be closed; ``peer`` is the universal address that it leads to."""

    peer: str

    def close(self) -> None:
        """Close it; calls under way fail."""


Dial = Callable[[str, str, int], Awaitable[OpenLink]]
"""Opens a link: netid, host (a path for the local transport), port."""


class Binder:
    """Talks to port mappers at ``port`` of a host, and to this host's.

    This host's is asked at the first of ``sockets`` that answers, else at ``port`` of the first of
    ``hosts``; where ``hosts`` is empty, at the sockets and nowhere else.

    Raises:
        ValueError: both are empty.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        port: int = PMAP_PORT,
        sockets: Sequence[str] = (RPCB_ABSTRACT, RPCB_SOCKET),
        hosts: Sequence[str] = LOCAL_HOSTS,
    ) -> None:
        if not sockets and not hosts:
            raise ValueError("neither sockets nor hosts to find this host's port mapper at")
        self.dial, self.port = dial, port
        self.sockets, self.hosts = tuple(sockets), tuple(hosts)

    async def getaddr(self, host: str, prog: int, vers: int, netid: str) -> str:
        """The universal address of a program on a host, for a transport.

        Raises:
            NotRegistered: the port mapper does not know it. CallError, TransportError, CallTimeout.
        """
        async with self.open(netid, host) as link:
            uaddr = await self._getaddr(link, prog, vers, netid)
        if not uaddr:
            which = f"program {prog} version {vers} is not registered for {netid}"
            raise NotRegistered(f"{which} on {host or 'this host'}")
        return uaddr

    async def _getaddr(self, link: OpenLink, prog: int, vers: int, netid: str) -> str:
        """What the port mapper says, "" if it does not know the program."""
        wanted = rpcb(prog, vers, netid.encode(), link.peer.encode(), b"")
        for client in (RPCBVERS4.Client(link), RPCBVERS.Client(link)):
            try:
                found = await client.RPCBPROC_GETADDR(wanted)
            except OTHER_VERSION:
                continue
            return found.decode("ascii", "replace")
        return await self._getport(link, prog, vers, netid)

    async def _getport(self, link: OpenLink, prog: int, vers: int, netid: str) -> str:
        if netid not in PROTOCOLS:
            raise NotRegistered(f"the port mapper cannot map netid {netid}")
        asked = mapping(prog, vers, PROTOCOLS[netid], 0)
        port = await PMAP_VERS.Client(link).PMAPPROC_GETPORT(asked)
        host, _ = split_uaddr(link.peer)
        return join_uaddr(host, port & 0xFFFF) if port else ""

    async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
        """The port of a program on a host; the same errors as ``getaddr``.

        Raises:
            AddressError: what the port mapper answered has no port.
        """
        return split_uaddr(await self.getaddr(host, prog, vers, netid))[1]

    async def find(self, host: str, version: type[Version], netid: str) -> tuple[str, int]:
        """The host, or path, and the port to dial for a version; the errors of ``getport``."""
        if transport(netid).family == "loopback":
            return host or RPCB_SOCKET, 0
        return host, await self.getport(host, version.prog, version.vers, netid)

    async def dump(self, host: str | None = None) -> list[rpcb]:
        """All registrations of a host's port mapper, of this host's if None, in its order.

        From a port mapper of version 2 the owners are empty.
        """
        async with self.open(_stream(host), host) if host else self.local() as link:
            for client in (RPCBVERS4.Client(link), RPCBVERS.Client(link)):
                try:
                    return [entry.rpcb_map for entry in await client.RPCBPROC_DUMP()]
                except OTHER_VERSION:
                    continue
            return [_widened(entry) for entry in await PMAP_VERS.Client(link).PMAPPROC_DUMP()]

    async def set(self, prog: int, vers: int, netid: str, uaddr: str) -> bool:
        """Register with this host's port mapper; False if another address is registered."""
        return await self._change(
            lambda client, entry: client.RPCBPROC_SET(entry), prog, vers, netid, uaddr
        )

    async def unset(self, prog: int, vers: int, netid: str = "") -> bool:
        """Take back a registration, of every transport if no netid is given.

        False if it is somebody else's; True also if there was none.
        """
        return await self._change(
            lambda client, entry: client.RPCBPROC_UNSET(entry), prog, vers, netid, ""
        )

    async def set_transient(self, vers: int, addresses: Mapping[str, str]) -> int:
        """Register addresses, by netid, under a free transient number, and return that.

        A number is free if no version of it is registered (RFC 5531 §8.3: 0x40000000-0x5fffffff).

        Raises:
            NotRegistered: the port mapper refused all that were tried.
        """
        from random import sample

        taken = {entry.r_prog for entry in await self.dump()}
        for prog in sample(TRANSIENT, TRANSIENT_TRIES):
            if prog not in taken and await self._set_all(prog, vers, addresses):
                return prog
        raise NotRegistered(f"{TRANSIENT_TRIES} transient program numbers were refused")

    async def _set_all(self, prog: int, vers: int, addresses: Mapping[str, str]) -> bool:
        """Register every address or none."""
        done: list[str] = []
        for netid, uaddr in addresses.items():
            if not await self.set(prog, vers, netid, uaddr):
                for registered in done:
                    await self.unset(prog, vers, registered)
                return False
            done.append(netid)
        return True

    async def _change(
        self,
        change: Callable[[RPCBVERS.Client, rpcb], Awaitable[bool]],
        prog: int,
        vers: int,
        netid: str,
        uaddr: str,
    ) -> bool:
        owner = str(os.geteuid()).encode()
        async with self.local() as link:
            entry = rpcb(prog, vers, netid.encode(), uaddr.encode(), owner)
            return await change(RPCBVERS.Client(link), entry)

    @asynccontextmanager
    async def open(self, netid: str, host: str) -> AsyncIterator[OpenLink]:
        """A link to the port mapper of a host over a transport; no host: this one's, if local."""
        local = transport(netid).family == "loopback"
        if local and not host:
            async with self.local() as link:
                yield link
            return
        link = await self.dial(netid, host, 0 if local else self.port)
        try:
            yield link
        finally:
            link.close()

    @asynccontextmanager
    async def local(self) -> AsyncIterator[OpenLink]:
        """A link to this host's port mapper, by the way that proves most."""
        link = await self._dial_local()
        try:
            yield link
        finally:
            link.close()

    async def _dial_local(self) -> OpenLink:
        places = [("local", path, 0) for path in self.sockets]
        *places, last = places + [(_stream(host), host, self.port) for host in self.hosts]
        for place in places:
            with suppress(TransportError, AddressError):  # not listening, or no such transport
                return await self.dial(*place)
        return await self.dial(*last)


def _stream(host: str) -> str:
    return "tcp6" if ":" in host else "tcp"


def _widened(entry: pmaplist) -> rpcb:
    """A mapping of version 2 as a registration of version 4."""
    found = entry.map
    names = {number: name for name, number in PROTOCOLS.items()}
    netid = names.get(found.prot, str(found.prot))
    uaddr = join_uaddr("0.0.0.0", found.port & 0xFFFF)
    return rpcb(found.prog, found.vers, netid.encode(), uaddr.encode(), b"")
