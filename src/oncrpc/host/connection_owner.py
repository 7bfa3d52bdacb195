"""The user at the other end of a TCP connection of this host, by sock_diag(7).

Both ends of a connection over the loopback interface are sockets of this host. The kernel looks up
the one end by the addresses of both, so nothing but that very connection is found.

The user is that of the process that made the socket. A socket that its process has closed has no
user any more: the kernel reports user 0 and inode 0, and that is not root.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

from oncrpc.host.sockdiag import NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY

NLM_F_REQUEST = 1
ALL_STATES = 0xFFFFFFFF
NO_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)
MAX_ANSWER = 4096
"""Bytes of the kernel's answer about a connection; it has some 100."""

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_PLACES = struct.Struct("!HH16s16s")
_REST = struct.Struct("=III")
_ANSWER = struct.Struct("=4x" + "48x" + "IIIII")
"""After the states and the places: expires, two queues, uid, inode (inet_diag_msg)."""

Place = tuple[str, int]


def connection_owner(here: Place, there: Place) -> int | None:
    """The uid of the socket at ``here`` that is connected to ``there``.

    None if this host has no such socket, or if it is closed.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.setblocking(False)  # the kernel answers before send() returns
            kernel.sendto(question(here, there), (0, 0))
            return answer(kernel.recv(MAX_ANSWER), here, there)
    except OSError:
        return None


def question(here: Place, there: Place) -> bytes:
    """The message that asks for one connection (inet_diag_req_v2)."""
    family = socket.AF_INET6 if ":" in here[0] else socket.AF_INET
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, ALL_STATES)
    body += _places(here, there) + _REST.pack(0, *NO_COOKIE)
    length = _HEADER.size + len(body)
    return _HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + body


def answer(data: bytes, here: Place, there: Place) -> int | None:
    """The uid in the kernel's answer, if it is about this connection."""
    if len(data) < _HEADER.size + _ANSWER.size:
        return None
    _, kind, *_ = _HEADER.unpack_from(data)
    at = _HEADER.size
    if kind != SOCK_DIAG_BY_FAMILY or data[at + 4 : at + 4 + _PLACES.size] != _places(here, there):
        return None
    *_, uid, inode = _ANSWER.unpack_from(data, at)
    return int(uid) if inode else None


def _places(here: Place, there: Place) -> bytes:
    packed = [ip_address(host.partition("%")[0]).packed for host, _ in (here, there)]
    return _PLACES.pack(here[1], there[1], *packed)
