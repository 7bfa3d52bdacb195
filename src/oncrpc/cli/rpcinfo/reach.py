"""Links to port mappers and to programs, made as the C tool makes them."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, TypeVarTuple

from oncrpc.addr import (
    LOOPBACKS,
    NC_TPI_RAW,
    Transport,
    split_uaddr,
    transport,
    transports,
)
from oncrpc.cli.bounded_lists import dial_bounded
from oncrpc.cli.command import Failure
from oncrpc.cli.mapper_options import mapper_client, unreachable
from oncrpc.cli.rpcinfo.options import PROGRAM, RpcinfoRequest
from oncrpc.cli.rpcinfo.trouble import (
    UNKNOWN_CODE,
    UNKNOWN_HOST,
    UNKNOWN_PROTOCOL,
    HostTrouble,
    Trouble,
    of_call,
    of_dial,
    of_lookup,
)
from oncrpc.client.port_mapper import MapperClient
from oncrpc.errors import (
    AddressError,
    GarbageArguments,
    HostUnknown,
    OncRpcError,
    ProgramMismatch,
    ProgramUnavailable,
    TransportError,
)
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.programs.rpcb import RPCBVERS
from oncrpc.rpc import Procedure
from oncrpc.sync import SocketLink

R = TypeVar("R")
A = TypeVarTuple("A")
FAMILIES = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}


class LibtirpcLookup(MapperClient):
    """Falls back to another version only where the C library does: texts and statuses are its."""

    other_version = (ProgramMismatch, ProgramUnavailable, GarbageArguments)
    retries_silent = False


class Reach:
    """Opens links as the command line asks; methods raise ``Trouble``. ``timeout`` in seconds."""

    def __init__(self, request: RpcinfoRequest, *, timeout: float) -> None:
        self.timeout = request.timeout or timeout
        self.port = PMAP_PORT if request.rpcbind_port is None else request.rpcbind_port
        self.socket = request.socket
        self.by_variable = request.by_variable
        self.named_host = request.mapper_host
        self.mapper = mapper_client(
            self.dial, port=request.rpcbind_port, socket=request.socket, host=request.mapper_host,
            kind=LibtirpcLookup,
        )  # fmt: skip

    async def dial(self, netid: str, host: str, port: int) -> SocketLink:
        """A link with the timeout of this command.

        Raises:
            OncRpcError: as ``sync.dial``. Failure: nobody listens where the option for a socket or
                the environment says; the C tool reads neither, and so has no text for it.
        """
        try:
            return await dial_bounded(netid, host, port, timeout=self.timeout)
        except TransportError as error:
            if host == self.socket:
                raise unreachable(PROGRAM, host, error, by_variable=self.by_variable) from None
            if self._is_named(host) and port == self.port:
                raise self._unreachable(error) from None
            raise

    def _is_named(self, host: str) -> bool:
        """Whether the environment names the port mapper of that host."""
        return bool(self.named_host) and host == self.named_host

    def _unreachable(self, error: TransportError) -> Failure:
        where = f"{self.named_host} port {self.port}"
        return unreachable(PROGRAM, where, error, by_variable=True)

    async def link(self, netid: str, host: str, port: int) -> SocketLink:
        """A link to a host's port, or to a local socket."""
        try:
            if transport(netid).semantics == NC_TPI_RAW:
                raise Trouble(UNKNOWN_PROTOCOL)
            return await self.dial(netid, host, port)
        except OncRpcError as error:
            raise of_dial(error) from None

    async def local(self) -> SocketLink:
        """This host's port mapper, over its local socket only; over TCP if a port was given."""
        if not self.mapper.sockets:
            return await self.link("tcp", LOOPBACKS["inet"], self.port)
        *others, last = self.mapper.sockets
        for path in others:
            try:
                return await self.link("local", path, 0)
            except Trouble:
                continue
        return await self.link("local", last, 0)

    async def port_mapper(self, host: str) -> SocketLink:
        """A host's port mapper over TCP, else over UDP, which refuses only when it is called."""
        families = self._families(host)
        streams = [entry for entry in _visible(families) if not entry.datagram]
        datagrams = [entry for entry in _visible(families) if entry.datagram]
        trouble: Exception = Trouble(UNKNOWN_CODE)
        for entry in streams + datagrams:
            try:
                return await self._mapper_link(entry.netid, host)
            except (Trouble, Failure) as found:
                trouble = found
        raise trouble

    async def _mapper_link(self, netid: str, host: str) -> SocketLink:
        """A link; over UDP to a port mapper that the environment names, one that listens."""
        link = await self.link(netid, host, self.port)
        if link.datagram and self._is_named(host):
            try:
                await link.call(RPCBVERS.RPCBPROC_NULL)
            except TransportError as error:
                link.close()
                raise self._unreachable(error) from None
            except OncRpcError:  # it refused the call, or the reply was lost
                pass
        return link

    def _families(self, host: str) -> list[str]:
        try:
            return _families(host)
        except HostTrouble:
            if self._is_named(host):
                unknown = f"unknown host {host!r}"
                raise self._unreachable(HostUnknown(socket.EAI_NONAME, unknown)) from None
            raise

    async def port_mapper_over(self, netid: str, host: str) -> SocketLink:
        """A host's port mapper over one transport."""
        if transport(netid).family not in self._families(host):
            raise HostTrouble(UNKNOWN_HOST)
        return await self._mapper_link(netid, host)

    async def port_by(self, proto: str, host: str, port: int) -> SocketLink:
        """A port of a host, over the first address family that the host has."""
        return await _first(proto, lambda netid: self.link(netid, host, port))

    async def program_by(self, proto: str, host: str, prog: int, vers: int) -> SocketLink:
        """A registered program, over the first address family that the host has."""
        return await _first(proto, lambda netid: self.program(netid, host, prog, vers))

    async def program(self, netid: str, host: str, prog: int, vers: int) -> SocketLink:
        """A registered program over a transport; for a local transport the host is ignored."""
        local = transport(netid).family == "loopback"
        mapper = self.mapper if local else LibtirpcLookup(self.link, port=self.port)
        try:
            uaddr = await mapper.getaddr("" if local else host, prog, vers, netid)
        except OncRpcError as error:
            unreached = local and isinstance(error, TransportError)
            raise of_dial(error) if unreached else of_lookup(error) from None
        return await self.at(netid, uaddr, scope=host.partition("%")[2])

    async def at(self, netid: str, uaddr: str, *, scope: str = "") -> SocketLink:
        """The server at a universal address; ``scope`` is the zone of a link-local one."""
        try:
            host, port = split_address(netid, uaddr)
        except AddressError as error:
            raise of_lookup(error) from None
        if scope and host.lower().startswith("fe80:"):
            host = f"{host}%{scope}"
        return await self.link(netid, host, port)


async def ask(link: SocketLink, procedure: Procedure[R, *A], *arguments: *A) -> R:
    """Call a procedure; a refusal or a failure raises ``Trouble``."""
    try:
        return await link.call(procedure, *arguments)
    except OncRpcError as error:
        raise of_call(error) from None


def split_address(netid: str, uaddr: str) -> tuple[str, int]:
    """Host and port of a universal address, or a path and 0.

    Raises:
        AddressError: not an address of that transport.
    """
    family = transport(netid).family
    if family == "loopback":
        if not uaddr.startswith(("/", "@")):
            raise AddressError(f"{uaddr!r} is not a path")
        return uaddr, 0
    host, port = split_uaddr(uaddr)
    if family != ("inet6" if ":" in host else "inet"):
        raise AddressError(f"{uaddr!r} is not an address of {netid}")
    return host, port


def _families(host: str) -> list[str]:
    """The families of a host's addresses, the preferred one first."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise HostTrouble(UNKNOWN_CODE) from None
    return list(dict.fromkeys(FAMILIES[entry[0]] for entry in found if entry[0] in FAMILIES))


def _visible(families: Iterable[str]) -> list[Transport]:
    entries = [entry for entry in transports().values() if entry.visible]
    return [entry for family in families for entry in entries if entry.family == family]


async def _first(proto: str, make: Callable[[str], Awaitable[SocketLink]]) -> SocketLink:
    """The link over the first transport of the protocol for which the host has an address."""
    trouble = Trouble(UNKNOWN_PROTOCOL)
    for entry in transports().values():
        if entry.proto == proto:
            try:
                return await make(entry.netid)
            except HostTrouble as found:
                trouble = found
    raise trouble
