"""``nfsd`` as an application of ``daemon``: its programs, its exports, its port mapper."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from oncrpc.aio.limits import Limits
from oncrpc.daemon.app import Application
from oncrpc.daemon.capabilities import Capability
from oncrpc.daemon.config.values import StartError, is_url
from oncrpc.daemon.control.rates import Counts
from oncrpc.daemon.control.server import Answerer
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.daemon.listeners import ExtraPort
from oncrpc.daemon.runtime import Runtime
from oncrpc.host.addresses import OwnAddresses
from oncrpc.nfs.daemon import report
from oncrpc.nfs.daemon.backends import load
from oncrpc.nfs.daemon.call_lines import NfsCallLines
from oncrpc.nfs.daemon.clients import Clients
from oncrpc.nfs.daemon.config import NAME, SCHEMA, NfsdConfig, NfsdDaemonTable
from oncrpc.nfs.daemon.explaining import EXPLAIN, explained
from oncrpc.nfs.daemon.exported import Exported
from oncrpc.nfs.daemon.fast_calls import fast_nfs
from oncrpc.nfs.daemon.local_callers import LocalCallers
from oncrpc.nfs.daemon.local_roots import LocalRoots
from oncrpc.nfs.daemon.local_users import LocalUsers
from oncrpc.nfs.daemon.mapper import MakeMapper, embeds_mapper
from oncrpc.nfs.daemon.mapping import MAPPER_PORT, PortMapping
from oncrpc.nfs.daemon.modes import kept_by, mode_of
from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.parts import needed_parts, requests_of
from oncrpc.nfs.daemon.peer_uids import PeerUids
from oncrpc.nfs.daemon.ports import MAIN, main_port, roles
from oncrpc.nfs.daemon.sources import sources_of
from oncrpc.nfs.daemon.state import LeftState, left_state, open_state
from oncrpc.nfs.daemon.status import NfsdStatus
from oncrpc.nfs.daemon.vocabulary import EXPORTING, HOSTS_NAMES, VERSIONS, versions_of
from oncrpc.nfs.exports.backend_choice import FUSE
from oncrpc.nfs.exports.surroundings import why_no_directory
from oncrpc.nfs.exports.table import Exports
from oncrpc.nfs.fast.calls import FastNfs
from oncrpc.nfs.groups import HostGroups
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.nlm.program import UNREPEATABLE
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Shares, StrictGroups
from oncrpc.nfs.server.sizes import AROUND, DATAGRAM, STREAM, TransferSizes, with_room
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc import Call, Caller, Service, Version
from oncrpc.rpc.dispatch import Dispatcher, Reply
from oncrpc.rpc.duplicates import DuplicateCache
from oncrpc.rpc.quick import MakeQuickCalls

if TYPE_CHECKING:
    from oncrpc.aio.deputy import Deputy
    from oncrpc.daemon.web.content import WebContent
    from oncrpc.nfs.daemon.worker_part import NfsdWorkers

log = logging.getLogger("oncrpc.nfs")

P = TypeVar("P", bound=Part)

OF_WORKERS = (
    "NFS calls over TCP, which worker processes answer; capture them with 'rpcsnoop -i any'"
)
"""What cannot be followed if there are workers."""


class Nfsd(Application[NfsdConfig]):
    """An NFS server. ``make_mapper`` makes the port mapper that it embeds where it has none."""

    name, title, users = NAME, "NFS server", ()
    lasting, lost = True, "handles and locks are not kept over a restart"
    versions = VERSIONS
    hosts_names = HOSTS_NAMES
    observed = True
    web_modules = ("oncrpc.nfs.daemon.web_content",)
    seldom_modules = ("tomllib", "difflib", "importlib.resources", "lark")
    max_record = STREAM + AROUND
    max_descriptors = 1 << 16  # a quarter of them for files that are locked
    schema = SCHEMA

    def __init__(self, *, make_mapper: MakeMapper) -> None:
        super().__init__()
        self.make_mapper = make_mapper
        self.local_users: LocalUsers | None = None
        self.peer_uids: PeerUids | None = None
        self.clients, self.own_addresses = Clients(), OwnAddresses()
        self.nfs_duplicates = NfsDuplicates(further=UNREPEATABLE)
        self.fast: FastNfs | None = None
        self.workers: NfsdWorkers | None = None

    def main_port(self, config: NfsdConfig) -> int:
        """The port of NFS."""
        return main_port(config.daemon)

    def ports(self, config: NfsdConfig, passed: Collection[str]) -> Sequence[ExtraPort]:
        """The ports that programs have of their own, and one for the embedded port mapper."""
        table = config.daemon
        own = {role for role in roles(table).values() if role != MAIN}
        found = [ExtraPort(role, table.port_for(role)) for role in sorted(own)]
        if MAPPER_PORT in passed or embeds_mapper(table):
            found.append(ExtraPort(MAPPER_PORT, PMAP_PORT, or_any=True))
        return found

    def check(self, config: NfsdConfig) -> None:
        """Refuse operands that are not directories: they are mistakes more often than late."""
        load(each.backend for each in sources_of(config, mode_of(os.geteuid())).tables)
        for each in config.daemon.directories:
            known = is_url(each) or config.daemon.backend == FUSE
            reason = "" if known else why_no_directory(each)
            if reason:
                raise StartError(f"cannot export {each}: {reason}")

    def capabilities(self, uid: int, config: NfsdConfig) -> Collection[Capability]:
        """Those of the mode, and of the programs."""
        return kept_by(uid, config.daemon.programs, sets_quotas=config.quota.set)

    def check_as_user(self, config: NfsdConfig) -> None:  # noqa: ARG002  # of the interface
        """Let the modes of new files be those that clients ask for."""
        os.umask(0)

    def limits(self, limits: Limits) -> Limits:
        """Room for transfers of 1 MiB over TCP, and of 32 KiB over UDP."""
        return with_room(limits)

    def open(self, daemon: Runtime[NfsdConfig]) -> None:
        """Open the state, and create what the programs need."""
        self.daemon, self.mode = daemon, mode_of(os.geteuid())
        self.left = LeftState() if daemon.former is None else left_state(bytes(daemon.former.left))
        self.state = open_state(daemon.folders.state, self.left)
        self.shares = Shares(Handles(self.state.keys.key))
        self.mounts = MountList()
        self.call_lines = NfsCallLines(self.shares, daemon.call_log)
        if daemon.config.daemon.workers > 1:
            self.workers = self._make_workers(daemon.config.daemon.workers)
        self.exported = Exported(
            Exports(sources_of(daemon.config, self.mode)),
            self.shares,
            self.state.keys.tags,
            LocalRoots(daemon.folders.state, processes=self._processes),
            shared=None if self.workers is None else self.workers.processes.memory,
        )
        self.guard_local_users(daemon.config.daemon)
        self.mapping = PortMapping(daemon, self.make_mapper)
        sizes = TransferSizes.within(record=self.max_record, datagram=DATAGRAM + AROUND)
        site = Site(daemon, self.shares, self.mounts, self.state, sizes)
        self.parts = needed_parts(daemon.config.daemon.programs, site)

    def guard_local_users(self, table: NfsdDaemonTable) -> None:
        """Set up the checks of local users that the settings ask for."""
        callers = LocalCallers(is_own=self.own_addresses)
        one_user = not table.local_users if table.local_users is not None else self.mode.one_user
        if one_user:
            self.local_users = LocalUsers({0, os.geteuid()}, callers)
        if table.peer_uid:
            self.peer_uids = checked = PeerUids(callers)
            self.shares.strict = StrictGroups(lambda each: not checked.is_free(each), HostGroups())

    @property
    def _processes(self) -> int:
        """The number of processes that open the exports: the workers, and this one."""
        return 1 if self.workers is None else 1 + self.daemon.config.daemon.workers

    @property
    def deputy(self) -> Deputy | None:
        """The worker processes."""
        return None if self.workers is None else self.workers.processes

    def services(self) -> Sequence[Service]:
        """The programs that are configured, and those of the embedded port mapper."""
        every = [service for part in self.parts for service in part.services()]
        served = [service for service in every if service.version in self.programs]
        return [*served, *self.mapping.services()]

    @property
    def programs(self) -> list[type[Version]]:
        """The versions that are served, but those of the embedded port mapper."""
        table = self.daemon.config.daemon
        return versions_of(table.programs, table.nfs_versions)

    def part(self, kind: type[P]) -> P | None:
        """The part of this kind; None if it is not served."""
        return next((part for part in self.parts if isinstance(part, kind)), None)

    @property
    def duplicates(self) -> DuplicateCache:
        """The replies that are kept, also over TCP."""
        return self.nfs_duplicates

    def configure(self, config: NfsdConfig) -> None:
        """Export what the exports name, and configure the programs."""
        self.shares.groups_of = HostGroups() if config.identity.manage_gids else None
        if EXPORTING & {*config.daemon.programs}:
            strict = bool(config.daemon.directories) and self.daemon.former is None
            self.exported.configure(sources_of(config, self.mode), strict=strict)
        for part in self.parts:
            part.configure(config)
        if self.workers is not None:
            self.workers.processes.configure()

    def rejected(self) -> str:
        """Why the former exports are still in force."""
        return self.exported.rejected

    def in_force(self) -> str:
        """The number of exports."""
        return self.exported.counted()

    def start(self, left: bytes | None) -> None:
        """Restore what the programs kept, and the replies that an earlier image kept."""
        for part in self.parts:
            part.start(self.left.parts.get(part.name))
        if left is not None:
            self.nfs_duplicates.resume(bytes(self.left.duplicates), time.monotonic())
        if self.workers is not None:
            self.workers.start(self.left.workers)

    def on_serving(self) -> None:
        """Register with the port mapper, then tell other hosts of the restart."""
        self.mapping.start(then=self._announce)

    def serving(self) -> str:
        """Text for the log."""
        return ", ".join(report.program_texts(self.programs))

    def has_locked(self, folder: str) -> bool:
        """Whether the state directory is locked."""
        directory = self.state.directory
        return directory is not None and directory.path == folder

    def count(self, call: Call) -> None:
        """Count a call, also for its client."""
        super().count(call)
        host = call.caller.host
        self.clients.count(host)
        self.mounts.touch(host)

    def admit(self, call: Call) -> None:
        """Refuse a local user that is not served, or that names another user."""
        if self.local_users is not None:
            self.local_users.check(call)
        if self.peer_uids is not None:
            self.peer_uids.check(call)

    def accepts_all(self, caller: Caller) -> bool:
        """Whether no call of a connection is refused because of its local user."""
        return (self.local_users is None or self.local_users.accepts(caller)) and (
            self.peer_uids is None or self.peer_uids.is_free(caller)
        )

    def logs_outcome(self, call: Call) -> bool:
        """Whether there is a line with the outcome."""
        return self.call_lines.logs(call)

    def answered(self, call: Call, reply: Reply) -> None:
        """Log a call with its outcome."""
        self.call_lines.answered(call, reply)

    def quick_calls(self, dispatcher: Dispatcher) -> MakeQuickCalls | None:
        """The calls of NFS 3 that are answered at once, if it is served."""
        if NFS_V3 in self.programs:
            self.fast = fast_nfs(self, dispatcher)
        return self.fast

    def calls(self) -> Counts:
        """The calls so far, with those that were answered at once."""
        if self.fast is not None:
            self.fast.counts.settle()
        return super().calls()

    def trusts(self, host: str) -> bool:
        """Whether the host has mounted something."""
        return self.mounts.has(host)

    def proves(self, host: str) -> bool:
        """Whether the host has mounted something over TCP."""
        return self.mounts.proved(host)

    def interfaces_changed(self) -> None:
        """Forget the addresses of this host."""
        self.own_addresses.forget()
        self.mapping.interfaces_changed()

    async def refresh(self) -> None:
        """Let the workers report."""
        if self.workers is not None:
            await self.workers.processes.refresh()

    def report(self, common: CommonStatus) -> NfsdStatus:
        """The status of the server. ``common`` has been counted before."""
        return report.status(self, common)

    def faults(self) -> Sequence[str]:
        """Exports that are not served, and missing registrations."""
        return list(report.faults(self))

    def requests(self) -> Mapping[str, Answerer]:
        """Why a host may or may not mount a path, and those of the programs."""
        own = {EXPLAIN: lambda about: explained(self.exported.exports, about)}
        return own | requests_of(self.parts)

    def untraced(self) -> str:
        """The calls of the workers."""
        return "" if self.workers is None else OF_WORKERS

    def content(self) -> WebContent:
        """The page, the status as JSON, and the metrics."""
        from oncrpc.nfs.daemon.web_content import NfsdContent  # needs the extra ``web``

        return NfsdContent(self)

    def settle(self) -> None:
        """Write pending changes."""
        for part in self.parts:
            part.settle()

    def leave(self) -> bytes:
        """What the next image needs: of each program, the kept replies, and what no file has."""
        replies = self.nfs_duplicates.leave(time.monotonic())
        parts = {part.name: part.leave() for part in self.parts}
        workers = () if self.workers is None else self.workers.processes.replies
        return msgspec.json.encode(self.state.left(replies, parts, workers))

    def descriptors(self) -> Sequence[int]:
        """Those of the programs."""
        return [each for part in self.parts for each in part.descriptors()]

    async def stop(self) -> None:
        """Unregister, and end the workers and the programs."""
        await self.mapping.stop()
        if self.workers is not None:
            await self.workers.processes.stop()
        for part in reversed(self.parts):
            await part.stop()

    def close(self) -> None:
        """Close the programs, the file systems and the state."""
        for part in reversed(self.parts):
            part.close()
        if self.fast is not None:
            self.fast.watches.close()
        self.exported.close()
        if self.workers is not None:
            self.workers.processes.close()
        if self.state.directory is not None:
            self.state.directory.close()

    def _make_workers(self, count: int) -> NfsdWorkers:
        from oncrpc.nfs.daemon.worker_part import NfsdWorkers  # most servers have none

        return NfsdWorkers(self, count)

    def _announce(self) -> None:
        for part in self.parts:
            part.announce()
