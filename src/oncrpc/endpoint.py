"""Sockets of a transport: family, type and address, and who is at the other end."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any

from oncrpc.addr import WILDCARDS, Transport, join_uaddr
from oncrpc.errors import AddressError, HostUnknown, TransportError

FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6, "loopback": socket.AF_UNIX}
RESERVED_PORTS = range(600, 1024)
"""Those of bindresvport(3): lower ones are left to servers."""


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


def bind_reserved(sock: socket.socket) -> None:
    """Bind an IPv4 or IPv6 socket to a free port below 1024, which some servers want of a client.

    Raises:
        ValueError: a local socket has no port. OSError: no privilege, or no port is free.
    """
    from random import sample

    if sock.family == socket.AF_UNIX:
        raise ValueError("a local socket has no port")
    host = WILDCARDS["inet6" if sock.family == socket.AF_INET6 else "inet"]
    for port in sample(RESERVED_PORTS, len(RESERVED_PORTS)):
        try:
            sock.bind((host, port))
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise TransportError.number(errno.EADDRINUSE)


def local_address(path: str) -> str:
    """The socket address of a path, or of ``@name`` in the abstract namespace."""
    return "\0" + path[1:] if path.startswith("@") else path


def look_up(entry: Transport, host: str, port: int) -> Any:
    """The socket address of a host's port on the transport; blocks if it has to ask for a name.

    Raises:
        HostUnknown: the name has no address of the transport's family.
    """
    if entry.family == "loopback":
        return local_address(host)
    try:
        found = socket.getaddrinfo(host, port, FAMILIES.get(entry.family, 0), type_of(entry))
    except (socket.gaierror, UnicodeError):
        raise HostUnknown(socket.EAI_NONAME, f"unknown host {host!r}") from None
    return found[0][4]


def peer_of(sock: socket.socket, host: str) -> str:
    """The universal address that a connected socket leads to.

    Raises:
        TransportError: it leads nowhere any more, or to an abstract socket of somebody else: any
            user may take such a name, and would be told what we register.
    """
    try:
        if sock.family != socket.AF_UNIX:
            address = sock.getpeername()
            return join_uaddr(address[0], address[1])
        if host.startswith("@") and peer_uid(sock) not in (0, os.geteuid()):
            raise TransportError(errno.EACCES, f"{host} is served by another user than root")
    except OSError as error:
        raise TransportError.of(error) from None
    return host


def peer_uid(sock: socket.socket) -> int:
    """The effective user of a local socket's peer, as of its connect or listen (SO_PEERCRED)."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, uid, _ = struct.unpack("@iII", data)
    return int(uid)
