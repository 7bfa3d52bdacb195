"""Targets of a connection: checks of host, netid and port, and the sockets of a transport."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from oncrpc.addr import WILDCARDS, Transport, is_numeric, transport, transports
from oncrpc.checks import check_kind
from oncrpc.errors import AddressError, HostUnknown, TransportError

T = TypeVar("T")
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""Host and port, for IPv6 also flow label and scope, as sockets have them."""

FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6, "loopback": socket.AF_UNIX}
SIBLINGS = {"tcp": "tcp6", "udp": "udp6", "tcp6": "tcp", "udp6": "udp"}
"""The netid of the same protocol over the other version of IP."""

PORTS = range(65536)
RESERVED_PORTS = range(600, 1024)
"""The range of bindresvport(3), which leaves the ports below 600 to servers."""


def socket_of(entry: Transport) -> socket.socket:
    """An unconnected socket of the transport.

    Raises:
        AddressError: the transport's family has no sockets. OSError.
    """
    family = FAMILIES.get(entry.family)
    if family is None:
        raise AddressError(f"netid {entry.netid!r}: no sockets of family {entry.family!r}")
    return socket.socket(family, type_of(entry))


def type_of(entry: Transport) -> socket.SocketKind:
    """The socket type of the transport."""
    return socket.SOCK_DGRAM if entry.datagram else socket.SOCK_STREAM


def bind_reserved(sock: socket.socket, address: SocketAddress | None = None) -> None:
    """Bind an IPv4 or IPv6 socket to a free port below 1024; some servers require one of clients.

    The port is one of ``address``, whose own port is not used; of every address without it.

    Raises:
        ValueError: a local socket has no port. OSError: no privilege, or no port is free.
    """
    from random import sample

    if sock.family == socket.AF_UNIX:
        raise ValueError("a local socket has no port")
    host = WILDCARDS["inet6" if sock.family == socket.AF_INET6 else "inet"]
    host, _, *scope = (host, 0) if address is None else address
    for port in sample(RESERVED_PORTS, len(RESERVED_PORTS)):
        try:
            sock.bind((host, port, *scope))
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise TransportError.number(errno.EADDRINUSE)


def place_text(entry: Transport, host: str, port: int) -> str:
    """A host's port on the transport, as errors name it."""
    where = host if entry.family == "loopback" else f"{host} port {port}"
    return f"{where} over {entry.netid}"


def check_port(port: int) -> None:
    """Refuse an invalid port.

    Raises:
        TypeError: it is not an integer. AddressError: it is below 0 or above 65535.
    """
    check_kind("port", port, int)
    if port not in PORTS:
        raise AddressError(f"invalid port {port}: must be 0 to {PORTS[-1]}")


def check_netid(name: str, netid: str) -> None:
    """Refuse a netid that this host does not have; ``name`` is the argument's.

    Raises:
        TypeError: it is not a string. AddressError: this host has no such transport.
    """
    check_kind(name, netid, str)
    try:
        transport(netid)
    except AddressError as error:
        raise AddressError(f"{name}: {error}; this host has {', '.join(transports())}") from None


def check_target(host: str, netid: str, port: int | None) -> None:
    """Refuse a target that cannot be dialed, whatever the state of the network.

    Raises:
        TypeError: an argument is of the wrong kind. AddressError: no such transport, no such port.
    """
    check_kind("host", host, str)
    check_netid("transport", netid)
    if port is not None:
        check_port(port)


def netids_for(netid: str, host: str) -> tuple[str, ...]:
    """The netids to try, in order, to reach a host over tcp or udp.

    An IPv6 address is reached over tcp6 or udp6, and so is a name that has no IPv4 address. Whether
    a name has one is known only after the look-up, so both netids are returned for a name.
    """
    sibling = SIBLINGS.get(netid, "")
    if netid.endswith("6") or sibling not in transports():
        return (netid,)
    if is_numeric(host):
        return (sibling if ":" in host else netid,)
    return (netid, sibling)


async def first_of(netids: Sequence[str], reach: Callable[[str], Awaitable[T]]) -> T:
    """The result of ``reach`` for the first netid over which the host has an address.

    Raises:
        HostUnknown: the host has no address over any of them; the error of the first.
    """
    unknown: list[HostUnknown] = []
    for netid in netids:
        try:
            return await reach(netid)
        except HostUnknown as error:
            unknown.append(error)
    raise unknown[0]
