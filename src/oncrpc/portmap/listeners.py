"""Binding the sockets that the daemon serves, and saying why one cannot be."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from oncrpc.addr import LOOPBACKS, WILDCARDS, Transport, family_of, transports
from oncrpc.aio.sockets import listen, listen_local
from oncrpc.portmap.settings import Config, StartError

log = logging.getLogger("oncrpc.portmap")

NOT_THERE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}
PORT_TRIES = 20


class PortInUse(StartError):
    """Somebody else has the port; another one may be free."""


@dataclass(slots=True)
class Listeners:
    """Bound sockets with their netids, in the order in which they are served."""

    sockets: list[tuple[socket.socket, str]] = field(default_factory=list)

    def close(self) -> None:
        """Close them all."""
        for sock, _ in self.sockets:
            sock.close()


def open_listeners(config: Config) -> Listeners:
    """Bind everything that the configuration names; the local sockets are served first.

    They are bound last: a socket file is replaced only if nothing else keeps us from serving.

    Raises:
        StartError: one of them cannot be bound.
    """
    listeners = Listeners(_network(config))
    try:
        for path in reversed(config.sockets if config.local else ()):
            sock = _local(path)
            if sock is not None:
                listeners.sockets.insert(0, (sock, "local"))
    except StartError:
        listeners.close()
        raise
    return listeners


def _local(path: str) -> socket.socket | None:
    """The socket; None for an abstract name that is taken, as any user may take one."""
    try:
        return listen_local(path)
    except OSError as error:
        if path.startswith("@"):
            log.warning("%s is not served: %s", path, (error.strerror or "").lower())
            return None
        raise StartError(_why_not_local(path, error)) from None


def _why_not_local(path: str, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"cannot create {path}: permission denied; run as root, or with --no-local"
    if error.errno == errno.EADDRINUSE:
        return f"cannot create {path}: something that is no socket is there; remove it"
    return f"cannot create {path}: {error.strerror}"


def _network(config: Config) -> list[tuple[socket.socket, str]]:
    """The sockets of every netid. A port of 0 is one that is free on all of them."""
    for _ in range(PORT_TRIES):
        port, bound = config.port, list[tuple[socket.socket, str]]()
        try:
            for entry, host in _places(config):
                asked = host in config.hosts and host not in LOOPBACKS.values()
                sock = _bind(entry, host, port, asked=asked)
                if sock is not None:
                    bound.append((sock, entry.netid))
                    port = port or sock.getsockname()[1]
        except StartError as error:
            for sock, _ in bound:
                sock.close()
            if config.port or not isinstance(error, PortInUse):
                raise
            continue
        if not bound:
            raise StartError("there is no transport to serve; see /etc/netconfig, -4 and -6")
        return bound
    raise StartError("no port is free on all transports; name one with --port")


def _places(config: Config) -> Iterator[tuple[Transport, str]]:
    """Each transport and host to bind: the last host of a netid is the one that it registers."""
    if config.hosts and not any(family_of(host) in config.families for host in config.hosts):
        raise StartError("none of the addresses to bind is of the family that -4 or -6 asks for")
    served = [t for t in transports().values() if t.visible and t.proto in ("tcp", "udp")]
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
