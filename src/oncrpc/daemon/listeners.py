"""Binding the sockets of a daemon, and explaining why one cannot be bound."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec import Struct, field
from msgspec.structs import replace

from oncrpc.addr import LOOPBACKS, WILDCARDS, Transport, family_of, transports
from oncrpc.daemon.activation import GivenSocket, Passed, given, path_of
from oncrpc.daemon.config.tables import DaemonTable
from oncrpc.daemon.config.values import StartError
from oncrpc.net.sockets import listen, listen_local
from oncrpc.net.targets import FAMILIES

log = logging.getLogger("oncrpc.daemon")

NOT_THERE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}
PORT_TRIES = 20


class PortInUse(StartError):
    """Another process has the port."""


class ExtraPort(Struct, frozen=True):
    """A port beside the main one, for a role that the application names.

    With ``or_any`` a free port is taken where this one cannot be bound.
    """

    role: str
    port: int
    or_any: bool = False


class Listeners(Struct):
    """Bound sockets with their netids, in the order in which they are served.

    ``extra`` has those of each ``ExtraPort`` by its role. ``passed`` describes those that were not
    bound by us. ``web`` is the socket of the web pages.
    """

    sockets: list[tuple[socket.socket, str]] = field(default_factory=list)
    passed: dict[socket.socket, Passed] = field(default_factory=dict)
    web: socket.socket | None = None
    extra: dict[str, list[tuple[socket.socket, str]]] = field(default_factory=dict)

    def every(self) -> Iterator[tuple[socket.socket, str]]:
        """All sockets of callers, those of the extra ports last."""
        return chain(self.sockets, *self.extra.values())

    def own_paths(self) -> list[str]:
        """The socket files to remove at the end: bound by us, and not kept for the next start."""
        local = [sock for sock, netid in self.sockets if netid == "local"]
        paths = [path_of(s) for s in local if not (self.of(s).foreign or self.of(s).stored)]
        return [path for path in paths if not path.startswith("@")]

    def of(self, sock: socket.socket) -> Passed:
        """How a socket came to this process."""
        return self.passed.get(sock) or Passed(sock.fileno(), role=self._role(sock))

    def _role(self, sock: socket.socket) -> str:
        roles = (role for role, found in self.extra.items() if any(sock is s for s, _ in found))
        return next(roles, "")

    def close(self) -> None:
        """Close them all."""
        for sock, _ in self.every():
            sock.close()
        if self.web is not None:
            self.web.close()


class Wanted(Struct, frozen=True):
    """The sockets to open: by the configuration, and the application's local ``paths``.

    ``port`` is the main port; None stands for that of the configuration. ``title`` and ``option``
    are for messages: what else may have a port, and the option that sets it.
    """

    table: DaemonTable
    paths: Sequence[str] = ()
    title: str = "daemon"
    extra: Sequence[ExtraPort] = ()
    port: int | None = None
    option: str = "--port"

    @property
    def main_port(self) -> int:
        """The main port; 0 for a free one."""
        return self.table.port if self.port is None else self.port

    @property
    def families(self) -> set[int]:
        """The address families of ``socket``."""
        local = {int(socket.AF_UNIX)} if self.table.local and self.paths else set()
        return local | {FAMILIES[family] for family in self.table.inet_families}

    def places(self) -> Iterator[tuple[Transport, str]]:
        """Each transport and host to bind; the last host of a netid is the one it registers."""
        hosts, families = self.table.hosts, self.table.inet_families
        if hosts and not any(family_of(host) in families for host in hosts):
            raise StartError(
                "none of the addresses to bind is of the family that -4 or -6 asks for"
            )
        served = [t for t in transports().values() if t.visible and t.has_port]
        for entry in served:
            if entry.family not in families:
                continue
            if not hosts or WILDCARDS[entry.family] in hosts:
                yield entry, WILDCARDS[entry.family]
                continue
            named = [host for host in hosts if family_of(host) == entry.family]
            for host in dict.fromkeys((LOOPBACKS[entry.family], *named)):
                yield entry, host


def open_listeners(
    wanted: Wanted, passed: Iterable[Passed] = (), *, lenient: bool = False
) -> Listeners:
    """Bind everything that the configuration names; the local sockets are served first.

    The local sockets are bound last: a socket file is replaced only if everything else can be
    bound. A ``passed`` socket replaces the one we would bind for its netid or path. If ``lenient``,
    a socket that cannot be bound is only logged: a daemon that restarts in place must go on.

    Raises:
        StartError: a socket cannot be bound, or a passed one cannot be served.
    """
    found = _asked_for(wanted, passed, lenient=lenient)
    listeners = Listeners(passed={one.sock: one.passed for one in found})
    try:
        main = [one for one in found if not one.passed.role]
        listeners.sockets += _network(wanted, main, wanted.main_port, lenient=lenient)
        for port in wanted.extra:
            listeners.extra[port.role] = _extra(wanted, port, found, lenient=lenient)
        listeners.sockets[:0] = _locals(wanted, found, lenient=lenient)
    except StartError:
        listeners.close()
        raise
    return listeners


def _asked_for(wanted: Wanted, passed: Iterable[Passed], *, lenient: bool) -> list[GivenSocket]:
    """The passed sockets that the configuration asks for; the others are closed."""
    families, roles = wanted.families, {"", *(port.role for port in wanted.extra)}
    found = []
    for one in given(passed):
        asked = one.sock.family in families and one.passed.role in roles
        if asked and (one.reachable or lenient):
            found.append(one)
        else:
            log.info("closed a passed socket of netid %s: the configuration excludes it", one.netid)
            one.sock.close()
    return found


def _locals(
    wanted: Wanted, found: list[GivenSocket], *, lenient: bool
) -> list[tuple[socket.socket, str]]:
    """The local sockets in the configuration's order, then those at other paths."""
    by_path = {one.path: one.sock for one in found if one.netid == "local"}
    opened: list[tuple[socket.socket, str]] = []
    try:
        for path in wanted.paths if wanted.table.local else ():
            sock = by_path.pop(path, None) or _local(path, lenient=lenient)
            if sock is not None:
                opened.append((sock, "local"))
    except StartError:
        for sock, _ in opened:
            sock.close()
        raise
    return [*opened, *((sock, "local") for sock in by_path.values())]


def _local(path: str, *, lenient: bool) -> socket.socket | None:
    """The socket; None for an abstract name that is taken, since any user may take one."""
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
        return f"cannot create {path}: a file that is not a socket is there; remove it"
    return f"cannot create {path}: {error.strerror}"


def _extra(
    wanted: Wanted, extra: ExtraPort, found: list[GivenSocket], *, lenient: bool
) -> list[tuple[socket.socket, str]]:
    """The sockets of an extra port."""
    wanted = replace(wanted, title="program", option=f"--{extra.role}-port")
    passed = [one for one in found if one.passed.role == extra.role]
    port = 0 if passed and extra.or_any else extra.port  # then that of the passed ones
    try:
        return _network(wanted, passed, port, lenient=lenient)
    except StartError as error:
        if not extra.or_any:
            raise
        opened = _network(wanted, passed, 0, lenient=lenient)
        free = [sock.getsockname()[1] for sock, _ in opened[:1]]
        reason = str(error).partition(";")[0]
        log.info("%s; using port %s instead", reason, *(free or ("none",)))
        return opened


def _network(
    wanted: Wanted, found: list[GivenSocket], port: int, *, lenient: bool
) -> list[tuple[socket.socket, str]]:
    """The sockets of every netid. A port of 0 is replaced by one that is free on all of them."""
    passed = [(one.sock, one.netid) for one in found if one.netid != "local"]
    port = port or (passed[0][0].getsockname()[1] if passed else 0)
    if lenient:
        return passed + _bound_leniently(wanted, port, {netid for _, netid in passed})
    for _ in range(PORT_TRIES):
        try:
            bound = _bound(wanted, port, {netid for _, netid in passed})
        except PortInUse:
            if port:
                raise
            continue
        if not passed and not bound:
            raise StartError("no transport to serve; see /etc/netconfig, -4 and -6")
        return passed + bound
    raise StartError(f"no port is free on all transports; choose one with {wanted.option}")


def _bound(wanted: Wanted, port: int, but: set[str]) -> list[tuple[socket.socket, str]]:
    """Sockets of every netid except some."""
    bound: list[tuple[socket.socket, str]] = []
    try:
        for entry, host in wanted.places():
            if entry.netid in but:
                continue
            asked = host in wanted.table.hosts and host not in LOOPBACKS.values()
            sock = _bind(wanted, entry, host, port, asked=asked)
            if sock is not None:
                bound.append((sock, entry.netid))
                port = port or sock.getsockname()[1]
    except StartError:
        for sock, _ in bound:
            sock.close()
        raise
    return bound


def _bound_leniently(wanted: Wanted, port: int, but: set[str]) -> list[tuple[socket.socket, str]]:
    try:
        return _bound(wanted, port, but)
    except StartError as error:
        log.warning("%s; that transport is not served until the next start", error)
        return []


def _bind(
    wanted: Wanted, entry: Transport, host: str, port: int, *, asked: bool
) -> socket.socket | None:
    """The socket, or None if the host lacks this transport and the address is not configured."""
    try:
        return listen(entry, host, port)
    except OSError as error:
        if error.errno in NOT_THERE and not asked:
            log.info("%s is not available here: %s", entry.netid, error.strerror)
            return None
        kind = PortInUse if error.errno == errno.EADDRINUSE else StartError
        place = f"{entry.proto} port {port} of {host}"
        raise kind(f"cannot bind {place}: {_why_not_bound(wanted, error)}") from None


def _why_not_bound(wanted: Wanted, error: OSError) -> str:
    reasons = {
        errno.EACCES: f"permission denied; run as root, or choose {wanted.option} above 1023",
        errno.EADDRINUSE: f"in use; stop the {wanted.title} that has it, or choose {wanted.option}",
        errno.EADDRNOTAVAIL: "this host has no such address; see 'ip address'",
    }
    return reasons.get(error.errno or 0) or error.strerror or "unknown error"
