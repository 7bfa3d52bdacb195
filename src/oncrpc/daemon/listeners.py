"""Binding the sockets that the daemon serves, and saying why one cannot be."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from oncrpc.addr import LOOPBACKS, WILDCARDS, Transport, family_of, transports
from oncrpc.daemon.activation import Given, Passed, given, path_of
from oncrpc.daemon.config.values import Config, StartError
from oncrpc.net.sockets import listen, listen_local
from oncrpc.net.targets import FAMILIES

log = logging.getLogger("oncrpc.portmap")

NOT_THERE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}
PORT_TRIES = 20


class PortInUse(StartError):
    """Somebody else has the port; another one may be free."""


class Listeners(Struct):
    """Bound sockets with their netids, in the order in which they are served.

    Some were not bound by us: ``passed`` has what is known of those. ``web`` is the socket of the
    web pages.
    """

    sockets: list[tuple[socket.socket, str]] = field(default_factory=list)
    passed: dict[socket.socket, Passed] = field(default_factory=dict)
    web: socket.socket | None = None

    def own_paths(self) -> list[str]:
        """The socket files that are ours to remove, and that nobody keeps for our next start."""
        local = [sock for sock, netid in self.sockets if netid == "local"]
        paths = [path_of(s) for s in local if not (self.of(s).foreign or self.of(s).stored)]
        return [path for path in paths if not path.startswith("@")]

    def of(self, sock: socket.socket) -> Passed:
        """How we came by a socket of ours."""
        return self.passed.get(sock) or Passed(sock.fileno())

    def close(self) -> None:
        """Close them all."""
        for sock, _ in self.sockets:
            sock.close()
        if self.web is not None:
            self.web.close()


def open_listeners(
    config: Config, passed: Iterable[Passed] = (), *, lenient: bool = False
) -> Listeners:
    """Bind everything that the configuration names; the local sockets are served first.

    They are bound last: a socket file is replaced only if nothing else keeps us from serving.
    What was ``passed`` to us takes the place of what we would have bound: of a netid, or a path.
    If ``lenient``, what cannot be bound besides is left out; there is no one left to tell.

    Raises:
        StartError: one of them cannot be bound, or was passed and cannot be served.
    """
    found = _wanted(config, passed, lenient=lenient)
    listeners = Listeners(passed={one.sock: one.passed for one in found})
    try:
        listeners.sockets += _network(config, found, lenient=lenient)
        listeners.sockets[:0] = _locals(config, found, lenient=lenient)
    except StartError:
        listeners.close()
        raise
    return listeners


def _wanted(config: Config, passed: Iterable[Passed], *, lenient: bool) -> list[Given]:
    """What of the passed sockets the configuration asks for; the others are closed."""
    families = {FAMILIES[family] for family in config.families}
    if config.local:
        families.add(socket.AF_UNIX)
    found = []
    for one in given(passed):
        if one.sock.family in families and (one.reachable or lenient):
            found.append(one)
        else:
            log.info("a socket of netid %s that was passed is not wanted, and closed", one.netid)
            one.sock.close()
    return found


def _locals(
    config: Config, found: list[Given], *, lenient: bool
) -> list[tuple[socket.socket, str]]:
    """The local sockets in the configuration's order, then those at other paths."""
    by_path = {one.path: one.sock for one in found if one.netid == "local"}
    opened: list[tuple[socket.socket, str]] = []
    try:
        for path in config.sockets if config.local else ():
            sock = by_path.pop(path, None) or _local(path, lenient=lenient)
            if sock is not None:
                opened.append((sock, "local"))
    except StartError:
        for sock, _ in opened:
            sock.close()
        raise
    return [*opened, *((sock, "local") for sock in by_path.values())]


def _local(path: str, *, lenient: bool) -> socket.socket | None:
    """The socket; None for an abstract name that is taken, as any user may take one."""
    try:
        return listen_local(path)
    except OSError as error:
        if lenient or path.startswith("@"):
            log.warning("%s is not served: %s", path, (error.strerror or "").lower())
            return None
        raise StartError(_why_not_local(path, error)) from None


def _why_not_local(path: str, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"cannot create {path}: permission denied; run as root, or with --no-local"
    if error.errno == errno.EADDRINUSE:
        return f"cannot create {path}: something that is no socket is there; remove it"
    return f"cannot create {path}: {error.strerror}"


def _network(
    config: Config, found: list[Given], *, lenient: bool
) -> list[tuple[socket.socket, str]]:
    """The sockets of every netid. A port of 0 is one that is free on all of them."""
    passed = [(one.sock, one.netid) for one in found if one.netid != "local"]
    port = config.port or (passed[0][0].getsockname()[1] if passed else 0)
    if lenient:
        return passed + _bound_leniently(config, port, {netid for _, netid in passed})
    for _ in range(PORT_TRIES):
        try:
            bound = _bound(config, port, {netid for _, netid in passed})
        except PortInUse:
            if port:
                raise
            continue
        if not passed and not bound:
            raise StartError("there is no transport to serve; see /etc/netconfig, -4 and -6")
        return passed + bound
    raise StartError("no port is free on all transports; name one with --port")


def _bound(config: Config, port: int, but: set[str]) -> list[tuple[socket.socket, str]]:
    """Sockets of every netid, save some."""
    bound: list[tuple[socket.socket, str]] = []
    try:
        for entry, host in _places(config):
            asked = host in config.hosts and host not in LOOPBACKS.values()
            sock = None if entry.netid in but else _bind(entry, host, port, asked=asked)
            if sock is not None:
                bound.append((sock, entry.netid))
                port = port or sock.getsockname()[1]
    except StartError:
        for sock, _ in bound:
            sock.close()
        raise
    return bound


def _bound_leniently(config: Config, port: int, but: set[str]) -> list[tuple[socket.socket, str]]:
    try:
        return _bound(config, port, but)
    except StartError as error:
        log.warning("%s; that transport is not served until the next start", error)
        return []


def _places(config: Config) -> Iterator[tuple[Transport, str]]:
    """Each transport and host to bind: the last host of a netid is the one that it registers."""
    if config.hosts and not any(family_of(host) in config.families for host in config.hosts):
        raise StartError("none of the addresses to bind is of the family that -4 or -6 asks for")
    served = [t for t in transports().values() if t.visible and t.has_port]
    for entry in served:
        if entry.family not in config.families:
            continue
        if not config.hosts or WILDCARDS[entry.family] in config.hosts:
            yield entry, WILDCARDS[entry.family]
            continue
        named = [host for host in config.hosts if family_of(host) == entry.family]
        for host in dict.fromkeys((LOOPBACKS[entry.family], *named)):
            yield entry, host


def _bind(entry: Transport, host: str, port: int, *, asked: bool) -> socket.socket | None:
    """The socket, or None if the host has no such transport and nobody named the address."""
    try:
        return listen(entry, host, port)
    except OSError as error:
        if error.errno in NOT_THERE and not asked:
            log.info("%s is not available here: %s", entry.netid, error.strerror)
            return None
        kind = PortInUse if error.errno == errno.EADDRINUSE else StartError
        raise kind(_why_not_bound(entry, host, port, error)) from None


def _why_not_bound(entry: Transport, host: str, port: int, error: OSError) -> str:
    place = f"{entry.proto} port {port} of {host}"
    if error.errno == errno.EACCES:
        return f"cannot bind {place}: permission denied; run as root, or choose --port above 1023"
    if error.errno == errno.EADDRINUSE:
        return f"cannot bind {place}: in use; stop the port mapper that has it, or choose --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot bind {place}: this host has no such address; see 'ip address'"
    return f"cannot bind {place}: {error.strerror}"
