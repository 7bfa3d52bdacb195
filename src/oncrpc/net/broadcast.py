"""The addresses that a broadcast of this host goes to, by getifaddrs(3)."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST = 0x1, 0x2, 0x8, 0x1000


class _ifaddrs(ctypes.Structure):  # noqa: N801  # the name of ifaddrs.h
    pass


_ifaddrs._fields_ = [
    ("ifa_next", ctypes.POINTER(_ifaddrs)),
    ("ifa_name", ctypes.c_char_p),
    ("ifa_flags", ctypes.c_uint),
    ("ifa_addr", ctypes.c_void_p),
    ("ifa_netmask", ctypes.c_void_p),
    ("ifa_broadaddr", ctypes.c_void_p),
    ("ifa_data", ctypes.c_void_p),
]


class InterfaceAddress(NamedTuple):
    """An address of an interface; ``broadcast`` is that of its IPv4 network."""

    name: str
    flags: int
    family: int
    broadcast: str | None


class Destination(NamedTuple):
    """Where a broadcast datagram is sent; ``scope`` is the interface index, for IPv6."""

    family: int
    host: str
    scope: int = 0

    def sockaddr(self, port: int) -> tuple[Any, ...]:
        """The address that sendto takes."""
        return (self.host, port, 0, self.scope) if self.scope else (self.host, port)


def destinations(group: str) -> list[Destination]:
    """Every interface's IPv4 broadcast address, and an IPv6 group on each; without loopback."""
    found = [entry for entry in interfaces() if entry.flags & IFF_UP]
    found = [entry for entry in found if not entry.flags & IFF_LOOPBACK]
    places = (_destination(entry, group) for entry in found)
    return list(dict.fromkeys(place for place in places if place is not None))


def _destination(entry: InterfaceAddress, group: str) -> Destination | None:
    if entry.family == socket.AF_INET and entry.flags & IFF_BROADCAST and entry.broadcast:
        return Destination(socket.AF_INET, entry.broadcast)
    if entry.family == socket.AF_INET6 and entry.flags & IFF_MULTICAST:
        return Destination(socket.AF_INET6, group, socket.if_nametoindex(entry.name))
    return None


def broadcast_socket(family: int) -> socket.socket:
    """A datagram socket that may send to broadcast addresses."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return sock


def interfaces() -> Iterator[InterfaceAddress]:
    """The addresses of this host's interfaces.

    Raises:
        OSError: getifaddrs(3) failed.
    """
    libc: Any = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_ifaddrs)()
    if libc.getifaddrs(ctypes.byref(first)):
        raise OSError(ctypes.get_errno(), "getifaddrs")
    try:
        entry = first
        while entry:
            yield _interface(entry.contents)
            entry = entry.contents.ifa_next
    finally:
        libc.freeifaddrs(first)


def _interface(entry: Any) -> InterfaceAddress:
    family = _family(entry.ifa_addr)
    broadcast = entry.ifa_broadaddr if family == socket.AF_INET else None
    host = socket.inet_ntoa(ctypes.string_at(broadcast + 4, 4)) if broadcast else None
    return InterfaceAddress(
        entry.ifa_name.decode("utf-8", "replace"), entry.ifa_flags, family, host
    )


def _family(sockaddr: int | None) -> int:
    return ctypes.c_uint16.from_address(sockaddr).value if sockaddr else socket.AF_UNSPEC
