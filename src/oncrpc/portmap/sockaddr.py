"""Universal addresses as Linux socket addresses, for UADDR2TADDR and TADDR2UADDR (RFC 1833 §2.2.1).

The transport specific form is the C structure in memory: the family in the host's byte order, then
port and address in network byte order.
"""

from __future__ import annotations

import socket
import struct

from oncrpc.addr import Transport, join_uaddr, split_uaddr
from oncrpc.errors import AddressError
from oncrpc.net.targets import FAMILIES
from oncrpc.programs.rpcb import netbuf

SOCKADDR_IN_SIZE = 16
SOCKADDR_IN6_SIZE = 28
SOCKADDR_UN_SIZE = 110
NOTHING = netbuf(0, b"")


def sockaddr_of(uaddr: bytes, entry: Transport) -> netbuf:
    """The socket address of a universal address; empty if the transport has no such address."""
    if entry.family == "loopback":
        return _sockaddr_un(uaddr)
    try:
        host, port = split_uaddr(uaddr.decode("ascii", "replace"))
        address = socket.inet_pton(FAMILIES[entry.family], host)
    except (AddressError, OSError):
        return NOTHING
    family = struct.pack("=H", FAMILIES[entry.family]) + port.to_bytes(2, "big")
    if entry.family == "inet6":
        return netbuf(SOCKADDR_IN6_SIZE, family + bytes(4) + address + bytes(4))
    return netbuf(SOCKADDR_IN_SIZE, family + address + bytes(8))


def _sockaddr_un(uaddr: bytes) -> netbuf:
    """The address of a path, or of ``@`` and the name of an abstract socket."""
    if not uaddr or len(uaddr) > SOCKADDR_UN_SIZE - 3:
        return NOTHING
    abstract = uaddr.startswith(b"@") and len(uaddr) > 1  # "@" alone is a file of that name
    path = b"\0" + uaddr[1:] if abstract else uaddr
    family = struct.pack("=H", socket.AF_UNIX)
    return netbuf(SOCKADDR_UN_SIZE, family + path)


def uaddr_of(sockaddr: bytes, entry: Transport) -> bytes:
    """The universal address of a socket address; empty if that is too short."""
    if entry.family == "loopback":
        return _uaddr_un(sockaddr[2:])
    size, start, width = (SOCKADDR_IN6_SIZE, 8, 16) if entry.family == "inet6" else (16, 4, 4)
    if len(sockaddr) < size:
        return b""
    host = socket.inet_ntop(FAMILIES[entry.family], sockaddr[start : start + width])
    return join_uaddr(host, int.from_bytes(sockaddr[2:4], "big")).encode()


def _uaddr_un(path: bytes) -> bytes:
    abstract = path[:1] == b"\0"
    name = path[abstract:].partition(b"\0")[0]
    return b"@" + name if abstract and name else name
