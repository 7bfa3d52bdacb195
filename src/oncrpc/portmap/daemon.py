"""The daemon: its configuration, its listeners, the port mapper's own registrations, its life."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import pwd
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from oncrpc.addr import (
    LOOPBACKS,
    RPCB_ABSTRACT,
    RPCB_SOCKET,
    WILDCARDS,
    Transport,
    family_of,
    transports,
)
from oncrpc.aio.server import Server
from oncrpc.aio.sockets import join_group, listen, listen_local
from oncrpc.aio.stream import Limits
from oncrpc.errors import XdrError
from oncrpc.portmap import privileges
from oncrpc.portmap.access import RESERVED_PORTS
from oncrpc.portmap.forward import Forwarder
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.portmap.service import Mapper
from oncrpc.portmap.warmstart import WarmStart
from oncrpc.programs.portmap import PMAP_PORT, PMAP_PROG
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher

log = logging.getLogger("oncrpc.portmap")

LOCK = "/run/rpcbind.lock"
LOCK_FLAGS = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
WARM_START = "/run/rpcbind"
"""Where the C daemon keeps its files."""

VERSIONS = {"udp": (4, 3, 2), "tcp": (4, 3, 2), "udp6": (4, 3), "tcp6": (4, 3), "local": (4, 3)}
"""The versions that are registered for each netid, in the order that the C daemon lists them."""

NOT_THERE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)
PORT_TRIES = 20
QUICK = 0.005
"""Seconds: a registry that is written in this time is written after every change."""

SAVING_SHARE = 10
"""The writing of a larger one, each time as a whole, may take one part of the time in so many."""

SAVE_AGAIN = 1.0
"""Seconds after which a writing that failed is tried again."""

MAX_RECORD = 9000
"""The longest call on a stream, as in the C daemon: real ones have some hundred bytes."""

LIMITS = Limits(record=MAX_RECORD)
LOCAL_LIMITS = Limits(record=MAX_RECORD, idle_time=None)
DESCRIPTORS = 8192
SPARE = 64
"""Descriptors that are not for connections."""


class StartError(Exception):
    """The daemon cannot serve; the text says why, and what to do."""


class PortInUse(StartError):
    """Somebody else has the port; another one may be free."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the command line asks for. ``families`` are those of ``inet`` and ``inet6`` to serve."""

    port: int = PMAP_PORT
    hosts: tuple[str, ...] = ()
    families: tuple[str, ...] = ("inet", "inet6")
    local: bool = True
    insecure: bool = False
    remote_calls: bool = False
    user: str | None = None
    warm_start: str | None = None
    sockets: tuple[str, ...] = (RPCB_SOCKET, RPCB_ABSTRACT)
    lock: str = LOCK


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


def take_lock(path: str) -> int:
    """Hold the lock that the C daemon takes too: one port mapper for the local sockets.

    Raises:
        StartError: another one holds it.
    """
    try:
        descriptor = os.open(path, LOCK_FLAGS, 0o600)
    except OSError as error:
        refused = error.errno in (errno.EACCES, errno.EPERM)
        remedy = "run as root, or" if refused else "remove what is there, or run"
        raise StartError(
            f"cannot open {path}: {(error.strerror or '').lower()}; {remedy} with --no-local"
        ) from None
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o600)  # whoever can open it can hold it against us
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartError(
            f"another port mapper is already running (it holds {path}); stop it first"
        ) from None
    return descriptor


def own_registrations(addresses: dict[str, str]) -> Iterator[rpcb]:
    """The port mapper's own entries, in the order of the C daemon's list."""
    ours = [netid for netid in reversed(transports()) if netid in addresses and netid != "local"]
    for netid in (*ours, *(name for name in ("local",) if name in addresses)):
        for vers in VERSIONS.get(netid, (4, 3)):
            yield rpcb(PMAP_PROG, vers, netid.encode(), addresses[netid].encode(), SUPERUSER)


def reserved_ports(path: str = FIRST_FREE_PORT) -> int:
    """The first port that any user may bind; in containers often 0, so that a port proves nothing.

    1024 where the host does not say, and at most.
    """
    try:
        with open(path, "rb") as setting:
            return min(int(setting.read()), RESERVED_PORTS)
    except (OSError, ValueError):
        return RESERVED_PORTS


class Daemon:
    """A port mapper on open listeners."""

    def __init__(self, config: Config, listeners: Listeners) -> None:
        self.config, self.registry = config, Registry()
        self.warm = WarmStart(config.warm_start) if config.warm_start else None
        self._saving: asyncio.TimerHandle | None = None
        self._save_at = 0.0
        self.forwarder = self._forwarder()
        self.mapper = Mapper(
            self.registry,
            insecure=config.insecure,
            reserved=reserved_ports(),
            forwarder=self.forwarder,
            changed=self._changed,
        )
        dispatcher = Dispatcher(
            self.mapper.services(), clock=time.monotonic, before=self.mapper.before
        )
        most = _connections()
        self.server = Server(
            dispatcher,
            limits=replace(LIMITS, connections=most),
            local_limits=replace(LOCAL_LIMITS, connections=most),
        )
        for sock, netid in listeners.sockets:
            self.server.add(sock, netid)
            if netid == "udp6":
                log.debug("joined the port mappers' group on %s", ", ".join(join_group(sock)))

    def _forwarder(self) -> Forwarder | None:
        if not self.config.remote_calls:
            return None
        return Forwarder(now=time.time, families=self.config.families)

    def start(self) -> None:
        """Register ourselves and what a former daemon left, and answer."""
        for entry in own_registrations(self.server.addresses):
            self.registry.set(entry)
        if self.warm is not None:
            self._load(self.warm)
        if self.forwarder is not None:
            self.forwarder.start()
        self.server.start()
        places = ", ".join(f"{netid} {uaddr}" for netid, uaddr in self.server.addresses.items())
        log.info("serving program 100000 versions 2, 3 and 4 on %s", places)

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; ``ready`` is called once we answer."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, ended.set)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        self.start()
        ready()
        await ended.wait()
        await self.close()

    async def close(self) -> None:
        """End cleanly: the last change is written, the socket file removed where that may be."""
        await self.server.close()
        if self.forwarder is not None:
            self.forwarder.close()
        if self._saving is not None:
            self._saving.cancel()
            self._save()
        for path in self.config.sockets if self.config.local else ():
            if not path.startswith("@"):
                with contextlib.suppress(OSError):
                    os.unlink(path)
        log.info("ended")

    def _load(self, warm: WarmStart) -> None:
        try:
            log.info("restored %d registrations", warm.load(self.registry))
        except XdrError as error:
            if not warm.ours:
                raise StartError(
                    f"{self.config.warm_start} holds no registrations: {error}; name another file"
                ) from None
            log.error("%s: %s; %s", self.config.warm_start, error, warm.set_aside())
        except OSError as error:
            log.error("cannot read %s, and will not write it: %s", error.filename, error.strerror)
            self.warm = None

    def _changed(self) -> None:
        """Write the files as soon as their share of the time allows."""
        if self.warm is not None and self._saving is None:
            self._saving = asyncio.get_running_loop().call_at(self._save_at, self._save)

    def _save(self) -> None:
        self._saving = None
        clock = asyncio.get_running_loop().time
        began = clock()
        saved = self.warm is None or self.warm.save(self.registry)
        took = clock() - began
        pause = 0.0 if took < QUICK else SAVING_SHARE * took
        self._save_at = clock() + (pause if saved else SAVE_AGAIN)
        if not saved:
            self._changed()


def run(config: Config, ready: Callable[[dict[str, str]], None]) -> None:
    """Open, lock, drop privileges, and serve until told to end.

    ``ready`` is called with the addresses by netid once we answer.

    Raises:
        StartError: with one line for the person who started us.
    """
    with contextlib.ExitStack() as held:
        _check_warm_start(config)
        if config.local:
            held.callback(os.close, take_lock(config.lock))
        _raise_descriptors()
        listeners = open_listeners(config)
        held.callback(listeners.close)
        _leave_root(config)
        _check_writable(config)
        try:
            asyncio.run(_serve(config, listeners, ready))
        except OSError as error:
            raise StartError(f"cannot serve: {error.strerror}; see 'ulimit -a'") from None
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # we are ending already


def _check_warm_start(config: Config) -> None:
    """Refuse a place that cannot be written later: the first change would be too late to learn."""
    if config.warm_start is None or os.path.isdir(config.warm_start):
        return
    folder = os.path.dirname(config.warm_start)
    if config.warm_start == WARM_START or not os.path.isdir(folder):
        missing = WARM_START if config.warm_start == WARM_START else folder
        raise StartError(
            f"there is no directory {missing} to keep registrations in; create it"
            " for the user that the daemon becomes, or name another with --warm-start"
        )


def _check_writable(config: Config) -> None:
    """The same for the user that we have become."""
    place = config.warm_start
    if place is None:
        return
    folder = place if os.path.isdir(place) else os.path.dirname(place)
    if not os.access(folder, os.W_OK | os.X_OK):
        user = pwd.getpwuid(os.geteuid()).pw_name
        raise StartError(f"user {user} may not write to {folder}, where -w keeps registrations")


async def _serve(
    config: Config, listeners: Listeners, ready: Callable[[dict[str, str]], None]
) -> None:
    daemon = Daemon(config, listeners)
    await daemon.run(lambda: ready(daemon.server.addresses))


def _raise_descriptors() -> None:
    """Have room for every connection that the limits allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _connections() -> int:
    """How many of each kind may be open: those from the network leave room for local ones."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = min(SPARE, soft // 2)
    room = LIMITS.connections if soft == resource.RLIM_INFINITY else (soft - spare) // 2
    return max(1, min(room, LIMITS.connections))


def _leave_root(config: Config) -> None:
    try:
        user = privileges.user_of(config.user)
    except KeyError:
        raise StartError(f"there is no user {config.user!r}; see --user") from None
    if os.geteuid() != 0:
        if config.user is not None and user is not None and user.pw_uid != os.geteuid():
            raise StartError(f"only root can become user {config.user!r}")
        return
    if user is None:
        log.warning("none of the users %s is here; going on as root", privileges.DEFAULT_USERS)
    elif user.pw_uid != 0:
        try:
            privileges.drop(user)
        except OSError as error:
            raise StartError(
                f"cannot become user {user.pw_name}: {error.strerror};"
                " in a user namespace that has no other user, say --user root"
            ) from None
