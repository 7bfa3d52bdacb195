"""The peer of a connected socket: its address; over a local socket also user and process."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct

from oncrpc.addr import join_uaddr
from oncrpc.errors import TransportError

SO_PEERPIDFD = 77
TCP_ESTABLISHED = 1
TCP_RETRANSMITS = 2
"""The byte of ``struct tcp_info`` that counts retransmissions; byte 0 is the state."""

_CREDENTIALS = struct.Struct("@iII")


def peer_of(sock: socket.socket, host: str) -> str:
    """The universal address of a connected socket's peer; of a local socket that is ``host``.

    Raises:
        TransportError: the socket is no longer connected, or it is an abstract socket of another
            user than root: any user may bind an abstract name, and would learn our registrations.
    """
    try:
        if sock.family != socket.AF_UNIX:
            address = sock.getpeername()
            return join_uaddr(address[0], address[1])
        if host.startswith("@") and peer_uid(sock) not in (0, os.geteuid()):
            raise TransportError(errno.EACCES, "it is served by another user than root")
    except OSError as error:
        raise TransportError.of(error) from None
    return host


def peer_of_new(sock: socket.socket, host: str, *, place: str) -> str:
    """As ``peer_of``, for a new connection to ``place``. The socket is closed if that fails."""
    try:
        return peer_of(sock, host)
    except TransportError as error:
        sock.close()
        raise TransportError.of(error, place=place) from None


def hung_up(descriptor: int) -> bool:
    """Whether the peer of a socket has closed the stream, or the socket has a pending error."""
    watched = select.poll()
    watched.register(descriptor, select.POLLRDHUP)
    return bool(watched.poll(0))


def is_connected(sock: socket.SocketType) -> bool:
    """Whether the peer of a socket may still send, as far as this host's kernel knows.

    A TCP peer that has closed, or does not acknowledge what was sent to it, is not connected.
    """
    if sock.family == socket.AF_UNIX:
        return sock.fileno() >= 0 and not hung_up(sock.fileno())
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_RETRANSMITS + 1)
    except OSError:  # closed
        return False
    return info[0] == TCP_ESTABLISHED and not info[TCP_RETRANSMITS]


def peer_uid(sock: socket.SocketType) -> int:
    """The effective user of a local socket's peer, as of its connect or listen (SO_PEERCRED)."""
    return _credentials(sock)[1]


def peer_pid(sock: socket.SocketType) -> int:
    """The process that connected a local socket; 0 if it is in another pid namespace."""
    return _credentials(sock)[0]


def peer_pidfd(sock: socket.SocketType) -> int | None:
    """A descriptor of the process that connected a local socket, which the caller closes.

    None on a kernel before 6.5, which has only the number (``peer_pid``).

    Raises:
        OSError: the kernel refuses.
    """
    try:
        return int(sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    return None


def _credentials(sock: socket.SocketType) -> tuple[int, int, int]:
    """Process, user and group."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(data)
    return pid, uid, gid
