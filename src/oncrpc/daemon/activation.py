"""Sockets that others opened for us: the service manager, or an earlier image of this process.

The manager passes those of a socket unit, and those of its store: there we had put our own, with
names that start with the daemon's. The netid of a socket follows from its family and type. A socket
that cannot be served is a mistake in a unit, and an error: its callers would never be answered.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Iterator, MutableMapping

from msgspec import Struct

from oncrpc.addr import join_uaddr, transports
from oncrpc.daemon.config.values import StartError
from oncrpc.net.sockets import prepare_socket
from oncrpc.net.targets import FAMILIES, type_of

FIRST = 3
MAX_PASSED = 1024
"""More than any manager passes."""

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


class Passed(Struct, frozen=True):
    """An open socket. ``foreign``: a unit's, not our own; ``stored``: the manager has it too.

    ``role`` is empty for ``daemon.port``, else the role of an extra port.
    """

    descriptor: int
    foreign: bool = False
    stored: bool = False
    role: str = ""


class GivenSocket(Struct, frozen=True):
    """A passed socket that can be served."""

    sock: socket.socket
    netid: str
    passed: Passed

    @property
    def path(self) -> str:
        """The path of a local socket, or ``@name``."""
        return path_of(self.sock)

    @property
    def reachable(self) -> bool:
        """False for a local socket of ours whose file is gone: no client could find it."""
        if self.passed.foreign or self.netid != "local" or self.path.startswith("@"):
            return True
        try:
            return stat.S_ISSOCK(os.lstat(self.path).st_mode)
        except OSError:
            return False


def passed_by_manager(name: str, environ: MutableMapping[str, str]) -> list[Passed]:
    """The sockets that the environment names; the variables are removed."""
    told = [environ.pop(name, "") for name in VARIABLES]
    pid, count, names = told[:3]
    if pid != str(os.getpid()) or not count.isdecimal() or int(count[:10]) > MAX_PASSED:
        return []
    called = names.split(":") + [""] * int(count)
    return [
        _passed(number, each, f"{name}-")
        for number, each in enumerate(called[: int(count)], start=FIRST)
    ]


def _passed(number: int, called: str, prefix: str) -> Passed:
    if not called.startswith(prefix):
        return Passed(number, foreign=True)
    _netid, _, role = called.removeprefix(prefix).partition("-")
    return Passed(number, stored=True, role=role)


def stored_name(name: str, netid: str, role: str = "") -> str:
    """The name of a socket in the manager's store."""
    return f"{name}-{netid}-{role}" if role else f"{name}-{netid}"


def given(passed: Iterable[Passed]) -> Iterator[GivenSocket]:
    """The passed sockets with their netids.

    Raises:
        StartError: one cannot be served.
    """
    return map(_given, passed)


def path_of(sock: socket.socket) -> str:
    """The path of a local socket, or ``@name``."""
    name = sock.getsockname()
    return name if isinstance(name, str) else "@" + name[1:].decode("ascii", "replace")


def _given(passed: Passed) -> GivenSocket:
    number = passed.descriptor
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise StartError(f"descriptor {number}, which was passed to us, is not a socket")
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
    except OSError as error:
        raise StartError(f"descriptor {number} was not passed to us: {error.strerror}") from None
    try:
        _check(sock)
    except StartError:
        sock.close()
        raise
    prepare_socket(sock)
    return GivenSocket(sock, _netid(sock), passed)


def _check(sock: socket.socket) -> None:
    """Refuse a socket that cannot be served."""
    where = _place(sock)
    stream = sock.type == socket.SOCK_STREAM
    if stream and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise StartError(f"{where}, which was passed to us, does not listen; set Accept=no")
    if sock.family == socket.AF_INET6 and not sock.getsockopt(
        socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
    ):
        raise StartError(
            f"{where}, which was passed to us, serves IPv4 too; set BindIPv6Only=ipv6-only"
        )
    if not _netid(sock):
        raise StartError(f"{where}, which was passed to us, has a type that is not served")


def _netid(sock: socket.socket) -> str:
    """The netid that the socket's family and type have on this host; empty if none."""
    if sock.family == socket.AF_UNIX:
        return "local" if sock.type == socket.SOCK_STREAM else ""
    for entry in transports().values():
        served = entry.visible and entry.has_port
        if served and (FAMILIES[entry.family], type_of(entry)) == (sock.family, sock.type):
            return entry.netid
    return ""


def _place(sock: socket.socket) -> str:
    kind = "datagram" if sock.type == socket.SOCK_DGRAM else "stream"
    if sock.family == socket.AF_UNIX:
        return f"the {kind} socket {path_of(sock)}"
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        return f"the {kind} socket {join_uaddr(*sock.getsockname()[:2])}"
    return f"the {kind} socket of descriptor {sock.fileno()}"
