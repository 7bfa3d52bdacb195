"""The port mapper as an application of ``daemon``.

A SET arrives in ``procedures``, is checked by ``ownership`` and ``registry``, and reaches the disk
by an observer of the registry, ``store.StoreWriter``, before the registry changes.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from oncrpc.addr import transports
from oncrpc.client.port_mapper import RPCB_ABSTRACT, RPCB_MULTICAST, RPCB_SOCKET
from oncrpc.daemon.app import Application
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.control.rates import Counts
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.daemon.runtime import Runtime
from oncrpc.daemon.state.journal import Store
from oncrpc.host.addresses import OwnAddresses
from oncrpc.net.sockets import join_group
from oncrpc.portmap import health, report, warm_files
from oncrpc.portmap.ages import Ages
from oncrpc.portmap.config import LOCK, NAME, SCHEMA, USERS, PortmapConfig
from oncrpc.portmap.forward import Forwarder
from oncrpc.portmap.liveness_checks import Liveness
from oncrpc.portmap.ownership import RESERVED_PORTS, Rules
from oncrpc.portmap.procedures import MAY_REFUSE, Mapper
from oncrpc.portmap.registry import SUPERUSER, Registry
from oncrpc.portmap.remote_calls import RemoteCallRules
from oncrpc.portmap.server_watch import MAX_WATCHED
from oncrpc.portmap.status import Status
from oncrpc.portmap.store import StoreWriter, open_store
from oncrpc.portmap.vocabulary import HOSTS_NAMES, VERSIONS, VOCABULARY
from oncrpc.portmap.warm_files import WarmFiles
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Call, Service
from oncrpc.rpc.reply_cache import ReplyCache

if TYPE_CHECKING:
    from oncrpc.daemon.web.content import WebContent

log = logging.getLogger("oncrpc.portmap")

FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
REGISTERED = {"udp": (4, 3, 2), "tcp": (4, 3, 2), "udp6": (4, 3), "tcp6": (4, 3), "local": (4, 3)}
"""The versions that are registered for each netid, in the order of the C daemon's list."""


class HandoverState(msgspec.Struct, frozen=True):
    """The state for the next image: the registry in order, and the age of each entry.

    ``warm`` says whether the files of ``-w`` may be written.
    """

    registrations: list[tuple[int, int, bytes, bytes, bytes]] = []
    since: list[float] = []
    warm: bool = True


class PortMapper(Application[PortmapConfig]):
    """A port mapper.

    ``own`` are its own registrations, made again at every start and never stored. ``store`` is None
    without a state directory, ``warm`` is None without ``-w``.
    """

    name, title, users = NAME, "port mapper", USERS
    lost = "registrations are not kept"
    versions = VERSIONS
    hosts_names = HOSTS_NAMES
    web_modules = ("oncrpc.portmap.web_content",)
    max_record = 9000  # as in the C daemon; real calls have some hundred bytes
    schema = SCHEMA

    def __init__(
        self, *, sockets: Sequence[str] = (RPCB_SOCKET, RPCB_ABSTRACT), lock: str = LOCK
    ) -> None:
        super().__init__(sockets=sockets, lock=lock)
        self.writer, self.ages = StoreWriter(), Ages()
        self.registry = Registry([self.writer, self.ages])
        self.own: frozenset[rpcb] = frozenset()
        self.store: Store[rpcb] | None = None
        self.warm: WarmFiles | None = None
        self.forwarder: Forwarder | None = None
        self.own_addresses = OwnAddresses()

    def check(self, config: PortmapConfig) -> None:
        """Refuse a directory of ``-w`` that is missing."""
        if config.daemon.warm_start is not None:
            warm_files.check(config.daemon.warm_start)

    def open(self, daemon: Runtime[PortmapConfig]) -> None:
        """Create the procedures and their dependencies."""
        self.daemon, table = daemon, daemon.config.daemon
        if table.warm_start is not None:
            self.warm = WarmFiles(str(table.warm_start), self.registry)
        if table.remote_calls:
            self.forwarder = Forwarder(now=time.time, families=table.inet_families)
        self.liveness = Liveness(self.registry, self._drop)
        self.mapper = Mapper(
            self.registry,
            insecure=table.insecure,
            reserved=reserved_ports(),
            forwarder=self.forwarder,
            changed=self._changed,
            is_ours=self.own_addresses,
            call_log=daemon.call_log,
            registered=self.liveness.registered,
        )

    def services(self) -> Sequence[Service]:
        """The three versions."""
        return self.mapper.services()

    @property
    def reply_cache(self) -> ReplyCache | None:
        """The reply cache of the procedures."""
        return self.mapper.reply_cache

    @property
    def reserved_descriptors(self) -> int:
        """Number of pidfds."""
        return MAX_WATCHED if self.liveness.watching else 0

    def configure(self, config: PortmapConfig) -> None:
        """Apply the limits of the registry, the rules of ownership, and liveness."""
        table = config.registration
        self.registry.limit, self.registry.owner_limit = table.total, table.per_owner
        self.mapper.remote_calls = RemoteCallRules(
            config.remote_calls.deny, insecure=config.daemon.insecure
        )
        self.mapper.rules = Rules(table.local_only, table.reserved_ports, table.foreign_versions)
        self.liveness.configure(interval=config.liveness.interval, watch=config.liveness.watch)

    def start(self, left: bytes | None) -> None:
        """Register ourselves, and restore earlier registrations.

        If ``left`` is given, the registry comes from it and no file is read.
        """
        handed = None if left is None else msgspec.json.decode(left, type=HandoverState)
        if handed is not None:
            self._take_over(handed)
        mine = list(own_registrations(self.daemon.server.addresses))
        self.own = frozenset(mine)
        for entry in mine:
            self.registry.set(entry)
        folder = self.daemon.folders.state
        kept = None if folder is None else self._open_store(folder, handed)
        if kept is not None and handed is None:
            self._restore(kept)
        self._open_warm(handed, restored=kept is not None)
        if self.store is not None:
            self.store.begin()
            self.writer.begin(self.store, own=self.own)
        if self.forwarder is not None:
            self.forwarder.start()

    def on_serving(self) -> None:
        """Join the port mappers' multicast group, and watch the servers."""
        self._join()
        self.liveness.start()

    def serving(self) -> str:
        """Text for the log."""
        return "program 100000 versions 2, 3 and 4"

    def has_locked(self, folder: str) -> bool:
        """Whether the store has locked the directory."""
        return self.store is not None and self.store.path == folder

    def count(self, call: Call) -> None:
        """Count a call, for GETSTAT too."""
        version = call.procedure.version.vers
        call.count(self.mapper.statistics.calls_of(version, call.procedure.number))

    def calls(self) -> Counts:
        """The calls by version and procedure, with those answered from the reply cache."""
        return self.mapper.statistics.calls()

    def logs_outcome(self, call: Call) -> bool:
        """Whether the procedure logs the call itself, as it may refuse it."""
        return VOCABULARY.name(call.procedure) in MAY_REFUSE

    def interfaces_changed(self) -> None:
        """Forget the addresses of this host, and join the group on new interfaces."""
        self.own_addresses.forget()
        self.mapper.reply_cache.forget()
        self._join()

    async def refresh(self) -> None:
        """Check the registered servers."""
        await self.liveness.refresh()

    def report(self, common: CommonStatus, *, listed: int = report.MAX_LISTED) -> Status:
        """The status of a port mapper, with the first ``listed`` registrations."""
        return report.status(self, common, listed=listed)

    def faults(self) -> Sequence[str]:
        """The faults, for the health check."""
        return list(health.faults(self))

    def content(self) -> WebContent:
        """The page, the registrations as JSON, and the metrics."""
        from oncrpc.portmap.web_content import PortmapContent  # needs the extra ``web``

        return PortmapContent(self)

    def settle(self) -> None:
        """Write the files of ``-w``."""
        if self.warm is not None:
            self.warm.settle()

    def leave(self) -> bytes:
        """The registry, and the age of its entries."""
        entries = [(e.r_prog, e.r_vers, e.r_netid, e.r_addr, e.r_owner) for e in self.registry]
        warm = self.warm is not None and self.warm.active
        return msgspec.json.encode(HandoverState(entries, self.ages.since(self.registry), warm))

    async def stop(self) -> None:
        """Stop watching the servers."""
        await self.liveness.close()

    def close(self) -> None:
        """Write the ``-w`` files and close the store."""
        if self.forwarder is not None:
            self.forwarder.close()
        self.settle()
        if self.store is not None:
            # A snapshot that is newer than the -w files just written: if they are newer at the next
            # start, another port mapper has written them, and they win (``_open_store``).
            self.store.begin()
            self.store.close()

    def _take_over(self, left: HandoverState) -> None:
        """Register what an earlier image had registered, in order.

        Limits do not apply: the entries were within them when they were acknowledged.
        """
        entries = [rpcb(*fields) for fields in left.registrations]
        with self.registry.without_limits():
            count = sum(self.registry.set(entry) for entry in entries)
        self.ages.restore(entries, left.since)
        log.info("took over %d registrations in place", count)

    def _open_store(self, folder: str, left: HandoverState | None) -> list[rpcb] | None:
        """The stored registrations; None if none are of this boot or the ``-w`` files are newer."""
        try:
            self.store = open_store(folder, lambda: (e for e in self.registry if e not in self.own))
        except StartError as error:
            if left is None:
                raise
            log.error("registrations are no longer kept: %s", error)
            return None
        found = self.store.load()
        overtaken = self.warm is not None and self.warm.written_after(self.store.unchanged_since)
        return None if overtaken else found

    def _restore(self, kept: list[rpcb]) -> None:
        with self.registry.without_limits():
            refused = sum(not self.registry.set(entry) for entry in kept)
        if refused:
            log.warning("%d registrations are not usable, and were not restored", refused)
        folder = self.daemon.folders.state
        log.info("restored %d registrations of %s", len(kept) - refused, folder)
        self._changed()

    def _open_warm(self, left: HandoverState | None, *, restored: bool) -> None:
        if self.warm is None:
            return
        if left is not None:
            self.warm.active = left.warm
        else:
            # After a restore from the store the files are only checked, not registered: a registry
            # that is thrown away takes their entries.
            self.warm.load(into=Registry() if restored else None)

    def _drop(self, entry: rpcb) -> None:
        self.mapper.drop(entry)

    def _changed(self) -> None:
        if self.warm is not None:
            self.warm.changed()

    def _join(self) -> None:
        for sock, netid in self.daemon.listeners.sockets:
            if netid == "udp6":
                joined = ", ".join(join_group(sock, RPCB_MULTICAST))
                log.debug("joined the port mappers' group on %s", joined)


def own_registrations(addresses: dict[str, str]) -> Iterator[rpcb]:
    """The port mapper's own entries, in the order of the C daemon's list."""
    ours = [netid for netid in reversed(transports()) if netid in addresses and netid != "local"]
    for netid in (*ours, *(name for name in ("local",) if name in addresses)):
        for vers in REGISTERED.get(netid, (4, 3)):
            yield rpcb(PMAP_PROG, vers, netid.encode(), addresses[netid].encode(), SUPERUSER)


def reserved_ports(path: str = FIRST_FREE_PORT) -> int:
    """The first port that any user may bind, at most 1024, which is also the default.

    In containers it is often 0: there a port below 1024 proves nothing.
    """
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as setting:
        return min(int(setting.read()), RESERVED_PORTS)
    return RESERVED_PORTS
