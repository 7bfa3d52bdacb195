"""Opening sockets as an RPC server wants them."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from oncrpc.addr import Transport, local_address
from oncrpc.net.lookup import look_up
from oncrpc.net.targets import socket_of

BACKLOG = 4096
IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_RCVBUFFORCE = 26, 27, 33
QUEUE = 1 << 20
"""Bytes of datagrams that the kernel queues, with their overhead."""

ONLY_CALLS = b"".join(
    struct.pack("@HBBI", *instruction)
    for instruction in (
        (0x20, 0, 0, 12),  # load the second word after the UDP header: msg_type
        (0x15, 0, 1, 0),  # if it is CALL
        (0x06, 0, 0, 0x40000),  # take the datagram
        (0x06, 0, 0, 0),  # else, or if it is too short, drop it
    )
)
"""A filter of datagrams (Linux's classic BPF): RFC 5531 §9 has ``msg_type`` after the xid."""


def listen(entry: Transport, host: str, port: int) -> socket.socket:
    """A bound, non-blocking socket of an IPv4 or IPv6 transport; of a stream, listening.

    Raises:
        OSError: the address is taken, not this host's, or a port that needs a privilege.
    """
    with _opened(socket_of(entry)) as sock:
        if entry.family == "inet6":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if entry.datagram:
            _ask_destination(sock)
            _admit_calls(sock)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(look_up(entry, host, port) if "%" in host else (host, port))
        if not entry.datagram:
            sock.listen(BACKLOG)
    return sock


def listen_local(path: str) -> socket.socket:
    """A listening local stream socket; ``@name`` is in the abstract namespace.

    An existing socket file is replaced: the program that served it is assumed to be gone.

    Raises:
        OSError: no permission, or a file at ``path`` that is not a socket.
    """
    with _opened(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
        if path.startswith("@"):
            sock.bind(local_address(path))
        else:
            _remove_socket(path)
            before = os.umask(0o111)  # any user may connect
            try:
                sock.bind(path)
            finally:
                os.umask(before)
        sock.listen(BACKLOG)
    return sock


def accept(sock: socket.socket) -> tuple[int, Any]:
    """The descriptor of the next connection, and its source.

    ``sock.accept`` would make a ``socket.socket``, which costs a tenth of a connection with one
    call; callers make the cheaper ``socket.SocketType`` that it wraps.
    """
    accepted: tuple[int, Any] = sock._accept()  # type: ignore[attr-defined]  # not in the stubs
    return accepted


def prepare_socket(sock: socket.socket) -> None:
    """Set the options of a bound socket that another process has opened."""
    sock.setblocking(False)
    if sock.type == socket.SOCK_DGRAM and sock.family in (socket.AF_INET, socket.AF_INET6):
        _ask_destination(sock)
        _admit_calls(sock)


@contextmanager
def _opened(sock: socket.socket) -> Iterator[socket.socket]:
    """Make the socket non-blocking; close it if setting it up fails."""
    try:
        sock.setblocking(False)
        yield sock
    except BaseException:
        sock.close()
        raise


def _remove_socket(path: str) -> None:
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass


def _ask_destination(sock: socket.socket) -> None:
    """Have the kernel report the destination address of each datagram."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _admit_calls(sock: socket.socket) -> None:
    """Have the kernel drop everything but calls, and keep a longer queue of them.

    Otherwise a flood of junk would fill the queue, and calls of honest clients would be dropped.
    """
    program = (ctypes.c_char * len(ONLY_CALLS)).from_buffer_copy(ONLY_CALLS)
    attached = struct.pack("@HP", len(ONLY_CALLS) // 8, ctypes.addressof(program))
    with suppress(OSError):  # the endpoint checks too
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, attached)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE)
    except OSError:  # not privileged: as much as the host allows
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)


def admit_replies(sock: socket.socket) -> None:
    """Have the kernel keep replies too, for a program that sends calls from its served socket."""
    with suppress(OSError):  # there is no filter
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def join_group(sock: socket.socket, group: str) -> list[str]:
    """Join an IPv6 group on every interface. Returns the names of those joined."""
    joined = []
    for index, name in socket.if_nameindex():
        member = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        try:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        except OSError:
            continue
        joined.append(name)
    return joined


def loopback_interfaces() -> frozenset[int]:
    """The indices of interfaces on which nothing arrives from outside."""
    return frozenset(index for index, name in socket.if_nameindex() if name == "lo")
