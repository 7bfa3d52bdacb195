"""Looking up and registering programs with a port mapper (RFC 1833), whatever carries the calls.

The conversation is the same over asyncio, over blocking sockets and in memory; only how a link is
opened differs. So it is written once, as coroutines over a ``Dial`` that the drivers pass in.

A lookup asks version 4 first, then 3, then 2 (IPv4 only); the next version only if the port mapper
does not have this one. Over UDP a port mapper may also drop a version that it does not know: after
half of the time version 2 is asked. Registration goes over the local socket, which proves the
user; if there is none, over TCP to the loopback address.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import ClassVar, Protocol, TypeVar

from oncrpc.addr import is_numeric, join_uaddr, split_uaddr, transport
from oncrpc.checks import check_kind
from oncrpc.client.mapper_address import MapperAddress, mapper_from_environment
from oncrpc.errors import (
    AddressError,
    CallError,
    CallTimeout,
    GarbageArguments,
    HostUnknown,
    NotRegistered,
    PortMapperUnreachable,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    TransportError,
)
from oncrpc.numbers import TRANSIENT, program_name
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
RPCB_SOCKET = "/run/rpcbind.sock"
RPCB_ABSTRACT = "@/run/rpcbind.sock"
RPCB_MULTICAST = "ff02::202"
"""The IPv6 group of all port mappers on a link (IANA)."""

OTHER_VERSION = (ProgramMismatch, ProgramUnavailable, ProcedureUnavailable, GarbageArguments)
"""Refusals after which another version is asked."""

PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}
LOCAL_HOSTS = ("::1", "127.0.0.1")
TRANSIENT_TRIES = 32
NAMED = "this is the port mapper that mapper= or ONCRPC_MAPPER names"


class OpenLink(Link, Protocol):
    """A link that can be closed; ``peer`` is the universal address that it leads to."""

    peer: str

    @property
    def timeout(self) -> float:
        """The seconds that a call has if its caller does not say."""

    def close(self) -> None:
        """Close it; calls under way fail."""


Dial = Callable[[str, str, int], Awaitable[OpenLink]]
"""Opens a link: netid, host (a path for the local transport), port."""


class MapperClient:
    """Asks port mappers, and registers programs with this host's.

    The port mapper of another host is asked at ``port``. This host's is asked at the first of
    ``sockets`` that answers, else at ``port`` of the first of ``hosts`` that does; with empty
    ``hosts`` at the sockets only. ``only`` names the one port mapper to ask about every host; then
    the other arguments are not used.

    Raises:
        ValueError: sockets and hosts are both empty.
    """

    other_version: ClassVar[tuple[type[CallError], ...]] = OTHER_VERSION
    retries_silent: ClassVar[bool] = True
    """Ask version 2 when version 4 does not answer over UDP."""

    def __init__(
        self,
        dial: Dial,
        *,
        only: MapperAddress | None = None,
        port: int = PMAP_PORT,
        sockets: Sequence[str] = (RPCB_ABSTRACT, RPCB_SOCKET),
        hosts: Sequence[str] = LOCAL_HOSTS,
    ) -> None:
        if not sockets and not hosts:
            raise ValueError("neither sockets nor hosts to find this host's port mapper at")
        self.dial, self.only, self.port = dial, only, port
        self.sockets, self.hosts = tuple(sockets), tuple(hosts)
        if only is not None:
            self.port = only.port
            self.sockets, self.hosts = ((only.host,), ()) if only.local else ((), (only.host,))

    def __repr__(self) -> str:
        if self.only is not None:
            return f"<MapperClient at {_shown(self.only)}>"
        return f"<MapperClient at port {self.port}, for this host {', '.join(self.sockets)}>"

    async def getaddr(self, host: str, prog: int, vers: int, netid: str) -> str:
        """The universal address of a program on a host, for a transport.

        Raises:
            NotRegistered: the port mapper does not know it. CallError, TransportError, CallTimeout.
        """
        if self._answers_for(netid):
            async with self.open(netid, host) as link:
                uaddr = await self._getaddr(link, prog, vers, netid)
        else:
            uaddr = _listed(await self.dump(), prog, vers, netid)
        if not uaddr:
            where = f"on {host or 'this host'}"
            if self.only is not None:
                where = f"with the port mapper at {_shown(self.only)}"
            name = program_name(prog)
            known = f"{prog} ({name})" if name else str(prog)
            what = f"program {known} version {vers} is not registered for {netid}"
            raise NotRegistered(f"{what} {where}")
        return uaddr

    def _answers_for(self, netid: str) -> bool:
        """Whether GETADDR can be asked over the transport that it is to tell the address of.

        A port mapper takes the netid from the transport of the call, not from the argument
        (RFC 1833 §2.2.1, RPCBPROC_GETADDR). Where ours cannot be reached over it, its dump tells.
        """
        if self.only is None:
            return True
        family = transport(netid).family
        if family == "loopback" or self.only.local:
            return family == "loopback" and self.only.local
        return not is_numeric(self.only.host) or (":" in self.only.host) == (family == "inet6")

    async def _getaddr(self, link: OpenLink, prog: int, vers: int, netid: str) -> str:
        """The port mapper's answer, "" if it does not know the program."""
        wanted = rpcb(prog, vers, netid.encode(), link.peer.encode(), b"")
        may_be_silent = self.retries_silent and transport(netid).datagram and netid in PROTOCOLS
        patience = link.timeout / 2 if may_be_silent else None
        for client in (RPCBVERS4.Client(link), RPCBVERS.Client(link)):
            try:
                found = await client.with_options(timeout=patience).RPCBPROC_GETADDR(wanted)
            except self.other_version:
                continue
            except CallTimeout:
                if not may_be_silent:
                    raise
                return await self._getport(link, prog, vers, netid, timeout=patience)
            return found.decode("ascii", "replace")
        return await self._getport(link, prog, vers, netid)

    async def _getport(
        self, link: OpenLink, prog: int, vers: int, netid: str, *, timeout: float | None = None
    ) -> str:
        if netid not in PROTOCOLS:
            raise NotRegistered(f"the port mapper cannot map netid {netid}")
        asked = mapping(prog, vers, PROTOCOLS[netid], 0)
        client = PMAP_VERS.Client(link).with_options(timeout=timeout)
        port = await client.PMAPPROC_GETPORT(asked)
        host, _ = split_uaddr(link.peer)
        return join_uaddr(host, port & 0xFFFF) if port else ""

    async def getport(self, host: str, prog: int, vers: int, netid: str) -> int:
        """The port of a program on a host; the same errors as ``getaddr``.

        Raises:
            AddressError: the port mapper's answer has no port.
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
        asked = self.local() if self.only is not None or not host else self.open(_tcp(host), host)
        async with asked as link:
            for client in (RPCBVERS4.Client(link), RPCBVERS.Client(link)):
                try:
                    return [entry.rpcb_map for entry in await client.RPCBPROC_DUMP()]
                except self.other_version:
                    continue
            return [_as_rpcb(entry) for entry in await PMAP_VERS.Client(link).PMAPPROC_DUMP()]

    async def set(self, prog: int, vers: int, netid: str, uaddr: str) -> bool:
        """Register with this host's port mapper. Returns False if another address is registered."""
        return await self._change(
            lambda client, entry: client.RPCBPROC_SET(entry), prog, vers, netid, uaddr
        )

    async def unset(self, prog: int, vers: int, netid: str = "") -> bool:
        """Remove a registration, of every transport if no netid is given.

        False if it belongs to another user; True also if there was none.
        """
        return await self._change(
            lambda client, entry: client.RPCBPROC_UNSET(entry), prog, vers, netid, ""
        )

    async def set_transient(self, vers: int, addresses: Mapping[str, str]) -> int:
        """Register addresses, by netid, under a free transient program number. Returns the number.

        A number is free if no version of it is registered (RFC 5531 §8.3: 0x40000000-0x5fffffff).

        Raises:
            NotRegistered: the port mapper refused all numbers that were tried.
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
        """A link to the port mapper of a host over a transport.

        Over the local transport without a host it leads to this host's.

        Raises:
            PortMapperUnreachable: nothing answers there; also while the link is used.
        """
        local = transport(netid).family == "loopback"
        if local and (self.only is not None or not host):
            async with self.local() as link:
                yield link
            return
        asked = host if self.only is None else self.only.host
        with _port_mapper_errors(named=self.only is not None):
            link = await self.dial(netid, asked, 0 if local else self.port)
            try:
                yield link
            finally:
                link.close()

    @asynccontextmanager
    async def local(self) -> AsyncIterator[OpenLink]:
        """A link to this host's port mapper, over the transport that proves most.

        Raises:
            PortMapperUnreachable: nothing answers at any of its places.
        """
        with _port_mapper_errors(named=self.only is not None):
            link = await self._dial_local()
            try:
                yield link
            finally:
                link.close()

    async def _dial_local(self) -> OpenLink:
        places = [("local", path, 0) for path in self.sockets]
        *places, last = places + [(_tcp(host), host, self.port) for host in self.hosts]
        for place in places:
            with suppress(TransportError, AddressError):  # not listening, or no such transport
                return await self.dial(*place)
        return await self.dial(*last)


@contextmanager
def _port_mapper_errors(*, named: bool) -> Iterator[None]:
    """Turn the failure of a connection into an error that says that the port mapper is meant."""
    try:
        yield
    except HostUnknown as error:
        if named:
            error.strerror = f"{error.strerror} ({NAMED})"
        raise
    except TransportError as error:
        if type(error) is not TransportError:  # ClientClosed has another remedy
            raise
        raise PortMapperUnreachable.of(error) from None


def port_mapper(mapper: str | MapperClient | None, dial: Dial) -> MapperClient:
    """The port mapper that a caller's ``mapper`` argument names, else the environment, else 111.

    Raises:
        TypeError: it is of another type. AddressError: it is not an address.
    """
    check_kind("mapper", mapper, str, MapperClient, type(None))
    if isinstance(mapper, MapperClient):
        return mapper
    only = mapper_from_environment() if mapper is None else MapperAddress.parse(mapper)
    return MapperClient(dial, only=only)


def _shown(address: MapperAddress) -> str:
    if address.local:
        return address.host
    return f"{address.host} port {address.port}"


def _tcp(host: str) -> str:
    return "tcp6" if ":" in host else "tcp"


def _listed(entries: Sequence[rpcb], prog: int, vers: int, netid: str) -> str:
    """A program's address in a dump, "" if absent; of another version if this one is absent.

    GETADDR does the same: the call that follows is refused with the versions that there are.
    """
    found = [e for e in entries if e.r_prog == prog and e.r_netid == netid.encode()]
    exact = [entry for entry in found if entry.r_vers == vers]
    return next((e.r_addr.decode("ascii", "replace") for e in exact + found), "")


def _as_rpcb(entry: pmaplist) -> rpcb:
    """A mapping of version 2 as a registration of version 4."""
    found = entry.map
    names = {number: name for name, number in PROTOCOLS.items()}
    netid = names.get(found.prot, str(found.prot))
    uaddr = join_uaddr("0.0.0.0", found.port & 0xFFFF)
    return rpcb(found.prog, found.vers, netid.encode(), uaddr.encode(), b"")
