"""Netids and universal addresses (RFC 5665), and the transports of ``/etc/netconfig``.

A universal address of an IPv4 or IPv6 transport is the host's address and two more decimal numbers,
the octets of the port: ``192.0.2.1.8.1`` is port 2049, ``::1.0.111`` port 111. The universal
address of a local transport is a path, or ``@`` and a name for an abstract socket.
"""

from __future__ import annotations

import socket
from functools import cache
from typing import NamedTuple

from oncrpc.errors import AddressError

NC_TPI_CLTS, NC_TPI_COTS, NC_TPI_COTS_ORD, NC_TPI_RAW = 1, 2, 3, 4
NETCONFIG = "/etc/netconfig"
WILDCARDS = {"inet": "0.0.0.0", "inet6": "::"}
LOOPBACKS = {"inet": "127.0.0.1", "inet6": "::1"}
_SEMANTICS = {
    "tpi_clts": NC_TPI_CLTS,
    "tpi_cots": NC_TPI_COTS,
    "tpi_cots_ord": NC_TPI_COTS_ORD,
    "tpi_raw": NC_TPI_RAW,
}


class Transport(NamedTuple):
    """A line of netconfig: ``family`` is inet, inet6 or loopback; ``proto`` tcp, udp or ``-``."""

    netid: str
    semantics: int
    visible: bool
    family: str
    proto: str

    @property
    def datagram(self) -> bool:
        """Whether it is connectionless."""
        return self.semantics == NC_TPI_CLTS

    @property
    def has_port(self) -> bool:
        """Whether its universal addresses end in a port."""
        return self.proto in ("tcp", "udp")


STANDARD = (
    Transport("udp", NC_TPI_CLTS, True, "inet", "udp"),
    Transport("tcp", NC_TPI_COTS_ORD, True, "inet", "tcp"),
    Transport("udp6", NC_TPI_CLTS, True, "inet6", "udp"),
    Transport("tcp6", NC_TPI_COTS_ORD, True, "inet6", "tcp"),
    Transport("rawip", NC_TPI_RAW, False, "inet", "-"),
    Transport("local", NC_TPI_COTS_ORD, False, "loopback", "-"),
    Transport("unix", NC_TPI_COTS_ORD, False, "loopback", "-"),
)
"""The transports of a host without netconfig."""

REGISTERED = frozenset(
    name + version
    for name in ("dccp", "icmp", "rdma", "sctp", "tcp", "udp")
    for version in ("", "6")
) | {"-", "ticlts", "ticots", "ticotsord"}
"""The netids of the IANA registry (RFC 5665 §5.1)."""


@cache
def transports(path: str = NETCONFIG) -> dict[str, Transport]:
    """The host's transports by netid, in the file's order; ``STANDARD`` without a file.

    A file is read once: a change takes effect when the program starts again.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            found = [_transport(line.split()) for line in lines]
    except OSError:
        found = list(STANDARD)
    return {entry.netid: entry for entry in found if entry is not None}


def _transport(words: list[str]) -> Transport | None:
    """A line of netconfig, None for comments and invalid lines."""
    if len(words) < 5 or words[0].startswith("#") or words[1] not in _SEMANTICS:
        return None
    return Transport(words[0], _SEMANTICS[words[1]], "v" in words[2], words[3], words[4])


def transport(netid: str) -> Transport:
    """The host's transport of that netid; upper and lower case are the same.

    Raises:
        AddressError: the host does not have it.
    """
    found = transports().get(netid) or transports().get(netid.lower())
    if found is None:
        raise AddressError(f"unknown netid {netid!r}")
    return found


def is_netid(netid: str) -> bool:
    """Whether the netid is in the host's netconfig or IANA's registry."""
    name = netid.lower()
    return name in REGISTERED or name in transports()


def family_of(host: str) -> str:
    """``inet`` or ``inet6``.

    Raises:
        AddressError: the text is not a numeric address.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        raise AddressError(f"{host!r} is not an IPv4 or IPv6 address") from None
    return "inet6" if ":" in host else "inet"


def is_numeric(host: str) -> bool:
    """Whether the text is an address, which does not have to be looked up."""
    try:
        return bool(family_of(host.partition("%")[0]))
    except AddressError:
        return False


def split_uaddr(uaddr: str) -> tuple[str, int]:
    """Split an IPv4 or IPv6 universal address into host and port (RFC 5665 §5.2.3.3-4).

    The last two decimal numbers are the port, high octet first, so ``"192.0.2.1.8.1"`` is port
    2049 of 192.0.2.1. The host is not looked up.

    Raises:
        AddressError: no port, an octet above 255, or a host that is not an address.
    """
    host, *octets = uaddr.rsplit(".", 2)
    if len(octets) != 2 or not all(map(_is_octet, octets)):
        raise AddressError(f"{uaddr!r} is not a universal address")
    family_of(host)
    return host, int(octets[0]) << 8 | int(octets[1])


def _is_octet(text: str) -> bool:
    return len(text) <= 3 and text.isascii() and text.isdigit() and int(text) <= 255


def split_host_port(text: str, default: int) -> tuple[str, int]:
    """Split ``host``, ``host:port``, ``[IPv6 address]`` or ``[IPv6 address]:port``.

    A bare IPv6 address has no port. The host is not looked up.

    Raises:
        AddressError: no host, or an invalid port.
    """
    host, colon, port = text.rpartition(":")
    if text.startswith("["):
        host, bracket, after = text[1:].partition("]")
        colon, port = after[:1], after[1:]
        if not bracket or colon not in ("", ":") or not is_numeric(host) or ":" not in host:
            raise AddressError(f"invalid address {text!r}: write [IPv6 address]:port")
    elif not colon or ":" in host:
        host, colon = text, ""
    if not host:
        raise AddressError(f"invalid address {text!r}: the host is missing")
    if not colon:
        return host, default
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise AddressError(f"invalid port {port!r}: must be 0 to 65535")
    return host, int(port)


def local_address(path: str) -> str:
    """The socket address of a path, or of ``@name`` in the abstract namespace."""
    return "\0" + path[1:] if path.startswith("@") else path


def join_uaddr(host: str, port: int) -> str:
    """The universal address of a host and port; a scope id (``%eth0``) is left out."""
    return f"{host.partition('%')[0]}.{port >> 8}.{port & 255}"
