"""The daemon: its endpoints, the port mapper's own registrations, its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from oncrpc.addr import transports
from oncrpc.aio.server import Server
from oncrpc.aio.sockets import join_group
from oncrpc.aio.stream import Limits
from oncrpc.errors import XdrError
from oncrpc.portmap.access import RESERVED_PORTS
from oncrpc.portmap.forward import Forwarder
from oncrpc.portmap.listeners import Listeners
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.portmap.service import Mapper
from oncrpc.portmap.settings import Config, StartError
from oncrpc.portmap.warmstart import WarmStart
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher

log = logging.getLogger("oncrpc.portmap")

FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
VERSIONS = {"udp": (4, 3, 2), "tcp": (4, 3, 2), "udp6": (4, 3), "tcp6": (4, 3), "local": (4, 3)}
"""The versions that are registered for each netid, in the order that the C daemon lists them."""

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)
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
SPARE = 64
"""Descriptors that are not for connections."""


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


def _connections() -> int:
    """How many of each kind may be open: those from the network leave room for local ones."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = min(SPARE, soft // 2)
    room = LIMITS.connections if soft == resource.RLIM_INFINITY else (soft - spare) // 2
    return max(1, min(room, LIMITS.connections))
