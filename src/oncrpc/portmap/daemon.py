"""The daemon: its endpoints, the port mapper's own registrations, its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import astuple

from oncrpc.access.admission import Admission
from oncrpc.access.call_lines import CallLog, calls_log
from oncrpc.access.hosts.access import HostsAccess
from oncrpc.access.hosts.libwrap import Libwrap
from oncrpc.access.udp_limits import UdpLimits
from oncrpc.addr import transports
from oncrpc.aio.connections import Carried
from oncrpc.aio.server import Server
from oncrpc.client.port_mapper import RPCB_MULTICAST
from oncrpc.daemon.config.layers import changed
from oncrpc.daemon.config.read import PolicyError, load
from oncrpc.daemon.config.values import Config, StartError
from oncrpc.daemon.control.outcomes import Observed
from oncrpc.daemon.control.rates import Counts, Rates
from oncrpc.daemon.control.server import Control
from oncrpc.daemon.handover import Handover
from oncrpc.daemon.limits import limits
from oncrpc.daemon.listeners import Listeners
from oncrpc.daemon.state.journal import Store
from oncrpc.daemon.web.content import WebContent
from oncrpc.errors import XdrError
from oncrpc.host.addresses import OwnAddresses
from oncrpc.host.netlink import Links
from oncrpc.net.sockets import join_group
from oncrpc.portmap.config import BURST, REPLIES, Policy
from oncrpc.portmap.forward import Forwarder
from oncrpc.portmap.liveness.ages import Ages
from oncrpc.portmap.liveness.checks import Liveness
from oncrpc.portmap.liveness.watch import MAX_WATCHED
from oncrpc.portmap.ownership import RESERVED_PORTS, Rules
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import SUPERUSER, Operation, Registry
from oncrpc.portmap.remote_calls import RemoteCallRules
from oncrpc.portmap.report import snapshot
from oncrpc.portmap.status import Status
from oncrpc.portmap.vocabulary import VOCABULARY, hosts_daemon
from oncrpc.portmap.warmstart import WarmStart
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher

log = logging.getLogger("oncrpc.portmap")
policy_log = logging.getLogger("oncrpc.portmap.policy")
"""Apart from the other one: whoever asks for the file to be read is told, each time."""

FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
VERSIONS = {"udp": (4, 3, 2), "tcp": (4, 3, 2), "udp6": (4, 3), "tcp6": (4, 3), "local": (4, 3)}
"""The versions that are registered for each netid, in the order that the C daemon lists them."""

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
OBEYED = (signal.SIGHUP, signal.SIGUSR2)
"""Once we answer; before that they are ignored."""

WEB_MODULES = ("oncrpc.portmap.web_content",)
"""To be imported before root is left."""

IGNORED = (signal.SIGUSR1, signal.SIGPIPE)
QUICK = 0.005
"""Seconds: a registry that is written in this time is written after every change."""

SAVING_SHARE = 10
"""The writing of a larger one, each time as a whole, may take one part of the time in so many."""

SAVE_AGAIN = 1.0
"""Seconds after which a writing that failed is tried again."""


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

    def __init__(
        self, config: Config, listeners: Listeners, former: Handover | None = None
    ) -> None:
        self.config, self.registry = config, Registry()
        self.listeners, self.former = listeners, former
        self.ended = asyncio.Event()
        self.warm = WarmStart(config.warm_start) if config.warm_start else None
        self.store: Store | None = None
        self.control: Control | None = None
        self.ages = Ages()
        self.registry.journal = self.ages.note
        self.own: frozenset[rpcb] = frozenset()
        self._saving: asyncio.TimerHandle | None = None
        self._save_at = 0.0
        self.forwarder = self._forwarder()
        self.call_log, self.own_addresses = CallLog(VOCABULARY), OwnAddresses()
        self.reloads = {"success": 0, "failure": 0}
        self.mapper = Mapper(
            self.registry,
            insecure=config.insecure,
            reserved=reserved_ports(),
            forwarder=self.forwarder,
            changed=self._changed,
            is_ours=self.own_addresses,
            call_log=self.call_log,
        )
        self.rates = Rates(self._counted)
        self.liveness = Liveness(self.registry, self.mapper.drop)
        self.mapper.registered = self.liveness.registered
        self.admission, self.libwrap = Admission(self.call_log), _libwrap()
        self.sources = UdpLimits(self.admission, replies=REPLIES, burst=BURST)
        self.apply(load(config.policy))
        most, most_local = limits(MAX_WATCHED if self.liveness.watching else 0)
        self.server = Server(
            self._dispatcher(), limits=most, local_limits=most_local, guard=self.sources
        )
        self.links = Links(self._links_changed)
        for sock, netid in listeners.sockets:
            self.server.add(sock, netid)
        self._join()

    def _join(self) -> None:
        """Join the port mappers' group, for broadcast over IPv6."""
        for sock, netid in self.listeners.sockets:
            if netid == "udp6":
                log.debug(
                    "joined the port mappers' group on %s",
                    ", ".join(join_group(sock, RPCB_MULTICAST)),
                )

    def _forwarder(self) -> Forwarder | None:
        if not self.config.remote_calls:
            return None
        return Forwarder(now=time.time, families=self.config.families)

    def _dispatcher(self) -> Dispatcher:
        """One that remembers answers, unless calls are logged; observed for the metrics."""
        make = Dispatcher if self.listeners.web is None else Observed
        return make(
            self.mapper.services(),
            clock=time.monotonic,
            before=self.mapper.before,
            reply_cache=None if calls_log.isEnabledFor(logging.INFO) else self.mapper.reply_cache,
        )

    def apply(self, policy: Policy) -> None:
        """Hand each part to who obeys it: at the start, and when the file was read again."""
        self.policy = policy
        self.admission.configure(policy.rule, self._hosts() if policy.hosts.enabled else None)
        self.mapper.admission = self.admission if self.admission.asks else None
        self.sources.configure(
            trusted=policy.trusted_networks, replies=policy.rate.replies, burst=policy.rate.burst
        )
        said = policy.registration
        self.registry.limit, self.registry.owner_limit = said.total, said.per_owner
        self.mapper.remote_calls = RemoteCallRules(
            policy.remote_calls.deny, insecure=self.config.insecure
        )
        self.mapper.rules = Rules(said.local_only, said.reserved_ports, said.foreign_versions)
        asked = self.config.liveness_interval
        self.liveness.configure(
            interval=policy.liveness.interval if asked is None else asked,
            watch=policy.liveness.watch if self.config.watch is None else self.config.watch,
        )

    def _links_changed(self) -> None:
        """Addresses of this host have come or gone: what follows from them is asked anew."""
        log.debug("interfaces or addresses have changed")
        self.own_addresses.forget()
        self.mapper.reply_cache.forget()
        self.server.look_again()
        self._join()

    def _hosts(self) -> HostsAccess:
        """The files of hosts_access(5), read anew; what was decided is forgotten."""
        return HostsAccess(hosts_daemon(self.config.port), libwrap=self.libwrap)

    def reread(self) -> str:
        """Read the policy file again; one that is wrong changes nothing. What is wrong, or ""."""
        try:
            policy = load(self.config.policy)
        except PolicyError as error:
            self.reloads["failure"] += 1
            policy_log.error("%s; what was read before stays in force", error)
            return str(error)
        if self.config.web is None and policy.web.listen != self.policy.web.listen:
            policy_log.warning("web.listen holds when the daemon is started again")
        for key in changed(self.policy.daemon, policy.daemon):
            policy_log.warning("%s is only read when the daemon is started", key)
        self.apply(policy)
        self.reloads["success"] += 1
        policy_log.info("policy read again; rules: %d", len(policy.rule))
        return ""

    def start(self) -> None:
        """Register ourselves and what a former daemon left, and answer.

        What a former image of this process left is the registry as it was, which the files are not
        asked for again.
        """
        former = self.former
        if former is not None:
            log.info("took over %d registrations in place", former.restore(self.registry))
            self.ages.restore((rpcb(*each) for each in former.registrations), former.since)
        self.own = frozenset(own_registrations(self.server.addresses))
        for entry in own_registrations(self.server.addresses):
            self.registry.set(entry)
        kept = self._kept(self.config.state_dir) if self.config.state_dir else None
        if kept is not None and former is None:
            self._restore(kept)
        if former is not None:
            self.warm = self.warm if former.warm else None
        elif self.warm is not None:
            self._load(self.warm, self.registry if kept is None else Registry())
        if self.store is not None:
            self.store.begin()
            self.registry.journal = self._record
        self._open_control()
        if self.forwarder is not None:
            self.forwarder.start()
        self.server.start()
        if former is not None:
            self.server.adopt(Carried(*astuple(each)) for each in former.connections)
        self.liveness.start()
        self.links.start()
        self.rates.start()
        places = ", ".join(f"{netid} {uaddr}" for netid, uaddr in self.server.addresses.items())
        log.info("serving program 100000 versions 2, 3 and 4 on %s", places)

    async def run(
        self, ready: Callable[[], None], ending: Callable[[], None] = lambda: None
    ) -> None:
        """Serve until SIGTERM or SIGINT; ``ready`` is called once we answer, ``ending`` after."""
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self.ended.set)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        loop.add_signal_handler(signal.SIGHUP, self.reread)
        self.start()
        ready()
        await self.ended.wait()
        ending()
        await self.close()

    def _open_control(self) -> None:
        """Where the registry is kept that is ours alone; else others may be asked there too."""
        if self.store is not None:
            self.control = Control(self.store.path, self.status)
        elif self.config.control_dir is not None:
            self.control = Control(self.config.control_dir, self.status, locked=False)
        if self.control is not None:
            self.control.start()

    def content(self) -> WebContent:
        """What is shown on the web."""
        from oncrpc.portmap.web_content import PortmapContent  # needs the extra ``web``

        return PortmapContent(self)

    async def status(self) -> Status:
        """What we are doing, and which of the registered servers are there."""
        await self.liveness.look()
        return snapshot(self)

    def _counted(self) -> Counts:
        """The calls by version and procedure."""
        return self.mapper.statistics.calls()

    def settle(self) -> None:
        """Write what waits to be written."""
        if self._saving is not None:
            self._saving.cancel()
            self._save()

    async def close(self) -> None:
        """End cleanly: the last change is written, the socket file removed where that may be."""
        paths = self.listeners.own_paths()
        self.rates.close()
        self.links.close()
        if self.control is not None:
            await self.control.close()
        await self.liveness.close()
        await self.server.close()
        if self.forwarder is not None:
            self.forwarder.close()
        if self.libwrap is not None:
            self.libwrap.close()
        self.settle()
        if self.store is not None:
            self.store.begin()  # from now on the files of -w are newer only if others write them
            self.store.close()
        for path in paths:
            with contextlib.suppress(OSError):
                os.unlink(path)
        log.info("ended")

    def _kept(self, path: str) -> list[rpcb] | None:
        """What the store holds; None if that is nothing of this boot, or not the latest."""
        try:
            self.store = Store(path, lambda: (e for e in self.registry if e not in self.own))
        except OSError as error:
            raise StartError(
                f"cannot read {error.filename}: {error.strerror}; say --no-state"
            ) from None
        except StartError as error:
            if self.former is None:
                raise
            log.error("registrations are not kept any more: %s", error)
            return None
        found = self.store.load()
        return None if self._overtaken(self.store) else found

    def _overtaken(self, store: Store) -> bool:
        """Another port mapper has written the files of -w since the store was left unchanged."""
        if self.warm is None or self.warm.written() <= store.unchanged_since:
            return False
        try:
            self.warm.load(Registry())
        except (OSError, XdrError):
            return False
        return True

    def _restore(self, kept: list[rpcb]) -> None:
        with self.registry.without_limits():
            refused = sum(not self.registry.set(entry) for entry in kept)
        if refused:
            log.warning("%d registrations could not be restored: they are not usable", refused)
        log.info("restored %d registrations of %s", len(kept) - refused, self.config.state_dir)
        self._changed()

    def _record(self, operation: Operation, entries: Sequence[rpcb]) -> None:
        """Keep a change of others' registrations; ours are made anew at every start."""
        assert self.store is not None
        others = [entry for entry in entries if entry not in self.own]
        if others:
            self.store.append(operation, others)
        self.ages.note(operation, entries)

    def _load(self, warm: WarmStart, registry: Registry) -> None:
        """Register what the files hold, or only see whether they are ours to write."""
        try:
            restored = warm.load(registry)
            if registry is self.registry:
                log.info("restored %d registrations", restored)
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


def _libwrap() -> Libwrap | None:
    """The library, if this host has it."""
    try:
        return Libwrap()
    except OSError:
        return None
