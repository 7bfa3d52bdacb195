"""Sockets of a transport: family, type and address, and who is at the other end."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from oncrpc.addr import (
    WILDCARDS,
    Transport,
    family_of,
    is_numeric,
    join_uaddr,
    transport,
    transports,
)
from oncrpc.checks import check_kind
from oncrpc.errors import AddressError, HostUnknown, TransportError

T = TypeVar("T")
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6, "loopback": socket.AF_UNIX}
IP_VERSIONS = {"inet": "IPv4", "inet6": "IPv6"}
SIBLINGS = {"tcp": "tcp6", "udp": "udp6", "tcp6": "tcp", "udp6": "udp"}
"""The netid of the same protocol over the other version of IP."""

PORTS = range(65536)
RESERVED_PORTS = range(600, 1024)
"""Those of bindresvport(3): lower ones are left to servers."""

LONGEST_WAIT = 1e6
"""Seconds that a socket or a thread is waited for in one go: they take no infinity."""

SO_PEERPIDFD = 77
_CREDENTIALS = struct.Struct("@iII")
_STARTTIME = 19
"""The field of /proc/PID/stat, counted from the one after the name (proc(5) has 22)."""

_NO_SUCH_ADDRESS = (socket.EAI_ADDRFAMILY, getattr(socket, "EAI_NODATA", -5))
"""The host is there, and has addresses of other families only."""


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


def place_of(entry: Transport, host: str, port: int) -> str:
    """A host's port on the transport, as errors name it."""
    where = host if entry.family == "loopback" else f"{host} port {port}"
    return f"{where} over {entry.netid}"


def check_port(port: int) -> None:
    """Refuse what is no port.

    Raises:
        TypeError: it is no number. AddressError: it is below 0 or above 65535.
    """
    check_kind("port", port, int)
    if port not in PORTS:
        raise AddressError(f"{port} is no port: 0 to {PORTS[-1]} are")


def check_netid(name: str, netid: str) -> None:
    """Refuse what is no netid of this host, given for the argument of that name.

    Raises:
        TypeError: it is no text. AddressError: this host has no such transport.
    """
    check_kind(name, netid, str)
    try:
        transport(netid)
    except AddressError as error:
        raise AddressError(f"{name}: {error}; this host has {', '.join(transports())}") from None


def check_target(host: str, netid: str, port: int | None) -> None:
    """Refuse what cannot be dialed, whatever the network is like.

    Raises:
        TypeError: an argument is of the wrong kind. AddressError: no such transport, no such port.
    """
    check_kind("host", host, str)
    check_netid("transport", netid)
    if port is not None:
        check_port(port)


def netids_for(netid: str, host: str) -> tuple[str, ...]:
    """The netids by which a host is reached over tcp or udp, in the order in which to try them.

    An IPv6 address is reached over tcp6 or udp6. So is a name that has no IPv4 address: whether it
    has is known when it was looked up.
    """
    sibling = SIBLINGS.get(netid, "")
    if netid.endswith("6") or sibling not in transports():
        return (netid,)
    if is_numeric(host):
        return (sibling if ":" in host else netid,)
    return (netid, sibling)


async def first_of(netids: Sequence[str], reach: Callable[[str], Awaitable[T]]) -> T:
    """What ``reach`` gives for the first of the netids for which the host has an address.

    Raises:
        HostUnknown: it has none for any; that of the first.
    """
    unknown: list[HostUnknown] = []
    for netid in netids:
        try:
            return await reach(netid)
        except HostUnknown as error:
            unknown.append(error)
    raise unknown[0]


def look_up(entry: Transport, host: str, port: int) -> Any:
    """The socket address of a host's port on the transport; blocks if it has to ask for a name.

    Raises:
        HostUnknown: the name has no address of the transport's family. AddressError: no port.
    """
    if entry.family == "loopback":
        return local_address(host)
    check_port(port)
    try:
        found = socket.getaddrinfo(host, port, FAMILIES.get(entry.family, 0), type_of(entry))
    except (socket.gaierror, ValueError) as error:  # or it is no name: too long, or has a NUL
        number = error.errno if isinstance(error, OSError) else None
        reason = _why_unknown(entry, host, number)
        unknown = HostUnknown(number or socket.EAI_NONAME, reason)
        unknown.place = f"port {port} over {entry.netid}"
        raise unknown from None
    return found[0][4]


def is_name(entry: Transport, host: str) -> bool:
    """Whether somebody has to be asked for the host's address, which may take long."""
    return entry.family != "loopback" and not is_numeric(host)


class LookUp:
    """A name that is being looked up, in a thread: the resolver cannot be told to give up.

    Nobody waits for the thread, not even the interpreter when it ends. ``tell`` is called in it
    when the look-up has ended.
    """

    def __init__(
        self, entry: Transport, host: str, port: int, *, tell: Callable[[], object] | None = None
    ) -> None:
        from threading import Thread

        self.entry, self.host, self.port, self.tell = entry, host, port, tell
        self._address: Any = None
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name=f"looks up {host}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._address = look_up(self.entry, self.host, self.port)
        except (OSError, ValueError) as error:
            self._error = error
        if self.tell is not None:
            self.tell()

    def wait(self, timeout: float) -> Any:
        """The socket address; blocks so long for it at the most. The errors are ``result``'s."""
        self._thread.join(min(max(timeout, 0.0), LONGEST_WAIT))
        return self.result()

    def result(self) -> Any:
        """The socket address.

        Raises:
            HostUnknown: the name has none. AddressError: no port. OSError: nobody could be asked.
            TransportError: the look-up has not ended yet (ETIMEDOUT).
        """
        if self._error is not None:
            raise self._error
        if self._address is None:
            late = TransportError(errno.ETIMEDOUT, "no name server answered in time")
            late.place = f"looking up {place_of(self.entry, self.host, self.port)}"
            raise late
        return self._address


def _why_unknown(entry: Transport, host: str, number: int | None) -> str:
    address, _, scope = host.partition("%")
    sibling, version = SIBLINGS.get(entry.netid), IP_VERSIONS.get(entry.family)
    if is_numeric(host) and family_of(address) == entry.family:
        return f"{address} has no interface {scope!r} on this host"
    if sibling and is_numeric(host):
        return f"{host!r} is no {version} address; try {sibling}"
    if sibling and number in _NO_SUCH_ADDRESS:
        return f"{host!r} has no {version} address; try {sibling}"
    if number == socket.EAI_AGAIN:
        return f"{host!r} cannot be looked up now: no name server answers"
    return f"unknown host {host!r}"


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
            raise TransportError(errno.EACCES, "it is served by another user than root")
    except OSError as error:
        raise TransportError.of(error) from None
    return host


def hung_up(descriptor: int) -> bool:
    """Whether the peer of a socket has ended the stream, or an error waits to be told."""
    watched = select.poll()
    watched.register(descriptor, select.POLLRDHUP)
    return bool(watched.poll(0))


def peer_uid(sock: socket.SocketType) -> int:
    """The effective user of a local socket's peer, as of its connect or listen (SO_PEERCRED)."""
    return _credentials(sock)[1]


def peer_pid(sock: socket.SocketType) -> int:
    """The process that connected a local socket, 0 if it is in a namespace that we do not see."""
    return _credentials(sock)[0]


def _credentials(sock: socket.SocketType) -> tuple[int, int, int]:
    """Process, user and group."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(data)
    return pid, uid, gid


def peer_pidfd(sock: socket.SocketType, accepted_at: float) -> int:
    """A descriptor of the process that connected a local socket; the caller closes it.

    A kernel before 6.5 has only the number, which may be another process's by now: not one that
    was there when the socket was accepted, a time of ``CLOCK_BOOTTIME``.

    Raises:
        ProcessLookupError: the process has ended. OSError: the kernel does not tell.
    """
    try:
        return int(sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD))
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    pid = peer_pid(sock)
    pidfd = os.pidfd_open(pid)
    if _began_at(pid) > accepted_at:
        os.close(pidfd)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return pidfd


def _began_at(pid: int) -> float:
    """When a process began, by ``CLOCK_BOOTTIME``; long ago if that is hidden from us."""
    return (started_at(pid) or 0) / os.sysconf("SC_CLK_TCK")


def started_at(pid: int) -> int | None:
    """When a process was started, in the kernel's ticks since it was; None if it is not there.

    One that has ended is not there, even if nobody has waited for it yet.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] == b"Z" else int(fields[_STARTTIME])
    except (OSError, IndexError, ValueError):
        return None
