"""The bound sockets of this network namespace, as sock_diag(7) lists them.

The kernel filters: with a hundred thousand TCP connections and ten listening sockets it walks the
ten, while ``/proc/net/tcp`` has a line for every connection. It writes as much as is read at a
time, so a long list can be read in pieces.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from socket import ntohs
from typing import NamedTuple

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
DUMP = 0x301
"""NLM_F_REQUEST and NLM_F_DUMP."""

NLMSG_ERROR, NLMSG_DONE = 2, 3
INET_DIAG_SKV6ONLY = 11
LISTEN, ALL = 1 << 10, 0xFFFFFFFF
"""States of sockets. For UDP no state tells servers from clients."""

BATCH = 16 << 10
"""Bytes of the kernel's list that are read at a time."""

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_SOCKET = struct.Struct("=IH10xB3xH2x16s48x")
"""A message about a socket; the port is in the network's byte order (inet_diag_msg)."""

_NONE = (0, 0, 0, 0, b"")
_ANYWHERE = bytes(16)
_ATTRIBUTE = struct.Struct("=HH")
_STATUS = struct.Struct("=i")


class BoundSocket(NamedTuple):
    """A port, the packed address, and whether an IPv6 socket serves IPv4, too."""

    port: int
    address: bytes
    dual: bool


def listed(family: int, protocol: int, states: int) -> Iterator[list[BoundSocket]]:
    """The sockets of a family and protocol that are in one of the states, some at a time.

    Raises:
        OSError: the kernel refuses.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.setblocking(False)  # the kernel answers before send() returns
        kernel.sendto(request(family, protocol, states), (0, 0))
        more = True
        while more:
            found, more = parse(kernel.recv(BATCH))
            yield found


def request(family: int, protocol: int, states: int) -> bytes:
    """The message that asks for a list."""
    body = _REQUEST.pack(family, protocol, 0, states)
    return _HEADER.pack(_HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, DUMP, 1, 0) + body


def parse(data: bytes) -> tuple[list[BoundSocket], bool]:
    """The sockets in the messages of one read, and whether more messages follow.

    Raises:
        OSError: the kernel's error.
    """
    found, at = list[BoundSocket](), 0
    while at + _HEADER.size <= len(data):
        whole = at + _SOCKET.size <= len(data)
        length, kind, family, port, address = _SOCKET.unpack_from(data, at) if whole else _NONE
        if kind != SOCK_DIAG_BY_FAMILY:
            _check_end(data, at)
            return found, False
        if not _SOCKET.size <= length <= len(data) - at:
            raise _malformed()
        if family == socket.AF_INET:
            found.append(BoundSocket(ntohs(port), address[:4], dual=False))
        else:
            dual = address == _ANYWHERE and not _v6only(data, at + _SOCKET.size, at + length)
            found.append(BoundSocket(ntohs(port), address, dual))
        at += length + 3 & ~3
    return found, bool(data)


def _check_end(data: bytes, at: int) -> None:
    """Check that the list ends without an error."""
    _, kind, *_ = _HEADER.unpack_from(data, at)
    at += _HEADER.size
    if kind not in (NLMSG_DONE, NLMSG_ERROR) or at + _STATUS.size > len(data):
        raise _malformed()
    (status,) = _STATUS.unpack_from(data, at)
    if status:
        raise OSError(-status, os.strerror(-status))


def _malformed() -> OSError:
    return OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))


def _v6only(data: bytes, at: int, end: int) -> bool:
    while at + _ATTRIBUTE.size < end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if kind == INET_DIAG_SKV6ONLY:
            return bool(data[at + _ATTRIBUTE.size])
        at += max(length, _ATTRIBUTE.size) + 3 & ~3
    return False
