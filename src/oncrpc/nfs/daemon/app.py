"""``nfsd`` as an application of ``daemon``: its programs, its exports, its port mapper."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial

import msgspec

from oncrpc.addr import join_uaddr
from oncrpc.aio.limits import Limits
from oncrpc.aio.link import dial
from oncrpc.client.port_mapper import port_mapper
from oncrpc.daemon.app import Application
from oncrpc.daemon.capabilities import Capability
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.daemon.listeners import ExtraPort
from oncrpc.daemon.runtime import Runtime
from oncrpc.errors import AddressError
from oncrpc.host.addresses import OwnAddresses
from oncrpc.nfs.daemon import report
from oncrpc.nfs.daemon.clients import Clients
from oncrpc.nfs.daemon.config import NAME, SCHEMA, NfsdConfig, NfsdDaemonTable
from oncrpc.nfs.daemon.config_values import AUTO, HOST, OWN
from oncrpc.nfs.daemon.exported import Exported
from oncrpc.nfs.daemon.local_roots import LocalRoots
from oncrpc.nfs.daemon.local_users import LocalUsers
from oncrpc.nfs.daemon.mapper import EmbeddedMapper, MakeMapper
from oncrpc.nfs.daemon.modes import kept_by, mode_of
from oncrpc.nfs.daemon.registration import ProgramPlace, Registrar, mapper_listens, places_of
from oncrpc.nfs.daemon.sources import sources_of
from oncrpc.nfs.daemon.state import LeftState, left_state, open_state
from oncrpc.nfs.daemon.status import NfsdStatus
from oncrpc.nfs.daemon.vocabulary import (
    HOSTS_NAMES,
    MAPPER_VERSIONS,
    VERSIONS,
    versions_of,
)
from oncrpc.nfs.exports.surroundings import why_no_directory
from oncrpc.nfs.exports.table import Exports
from oncrpc.nfs.groups import HostGroups
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_file import MountFile
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.shares import Shares
from oncrpc.nfs.server.sizes import AROUND, DATAGRAM, STREAM, TransferSizes, with_room
from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc import Call, Service, Version
from oncrpc.rpc.duplicates import DuplicateCache

log = logging.getLogger("oncrpc.nfs")

MOUNT_PORT, MAPPER_PORT = "mount", "mapper"
"""The roles of extra ports."""

RMTAB = "/var/lib/nfs/rmtab"
"""The mount list of rpc.mountd, read at the first start."""

MAPPER_TIME = 3.0
"""Seconds for the port mapper to answer."""


class Nfsd(Application[NfsdConfig]):
    """An NFS server. ``make_mapper`` makes the port mapper that it embeds where it has none."""

    name, title, users = NAME, "NFS server", ()
    lasting, lost = True, "handles are not kept over a restart"
    versions = VERSIONS
    hosts_names = HOSTS_NAMES
    observed = True
    max_record = STREAM + AROUND
    schema = SCHEMA

    def __init__(self, *, make_mapper: MakeMapper) -> None:
        super().__init__()
        self.make_mapper = make_mapper
        self.mapper: EmbeddedMapper | None = None
        self.registrar: Registrar | None = None
        self.mount_file: MountFile | None = None
        self.local_users: LocalUsers | None = None
        self.clients, self.own_addresses = Clients(), OwnAddresses()
        self.nfs_duplicates = NfsDuplicates()

    def ports(self, config: NfsdConfig, passed: Collection[str]) -> Sequence[ExtraPort]:
        """A port for MOUNT, and one for the embedded port mapper."""
        table, found = config.daemon, []
        if table.mount_port and table.mount_port != table.port:
            found.append(ExtraPort(MOUNT_PORT, table.mount_port))
        if MAPPER_PORT in passed or _embeds_mapper(table):
            found.append(ExtraPort(MAPPER_PORT, PMAP_PORT, or_any=True))
        return found

    def check(self, config: NfsdConfig) -> None:
        """Refuse operands that are not directories: they are mistakes more often than late."""
        for each in config.daemon.directories:
            reason = why_no_directory(each)
            if reason:
                raise StartError(f"cannot export {each}: {reason}")

    def capabilities(self, uid: int) -> Collection[Capability]:
        """Those of the mode."""
        return kept_by(uid)

    def check_as_user(self, config: NfsdConfig) -> None:  # noqa: ARG002  # of the interface
        """Let the modes of new files be those that clients ask for."""
        os.umask(0)

    def limits(self, limits: Limits) -> Limits:
        """Room for transfers of 1 MiB over TCP, and of 32 KiB over UDP."""
        return with_room(limits)

    def open(self, daemon: Runtime[NfsdConfig]) -> None:
        """Open the state, and create what the programs need."""
        self.daemon, self.mode = daemon, mode_of(os.geteuid())
        former = LeftState() if daemon.former is None else left_state(bytes(daemon.former.left))
        self.state = open_state(daemon.folders.state, former)
        self.shares = Shares(Handles(self.state.keys.key))
        self.mounts = MountList()
        self.mounting = MountProgram(self.shares, self.mounts)
        self.exported = Exported(
            Exports(sources_of(daemon.config, self.mode)),
            self.shares,
            self.state.keys.tags,
            LocalRoots(daemon.folders.state),
        )
        if not self._serves_local_users(daemon.config.daemon):
            self.local_users = LocalUsers({0, os.geteuid()}, is_own=self.own_addresses)
        if MAPPER_PORT in daemon.listeners.extra:
            self.mapper = self.make_mapper(daemon.call_log)

    def services(self) -> Sequence[Service]:
        """The programs that are configured, and those of the embedded port mapper."""
        sizes = TransferSizes.within(record=self.max_record, datagram=DATAGRAM + AROUND)
        every: list[Service] = [
            Nfs3(self.shares, sizes=sizes),
            Nfs2(self.shares),
            *self.mounting.services(),
        ]
        wanted = self.programs
        served = [service for service in every if service.version in wanted]
        return [*served, *(self.mapper.services() if self.mapper is not None else ())]

    @property
    def programs(self) -> list[type[Version]]:
        """The versions of NFS and MOUNT that are served."""
        table = self.daemon.config.daemon
        return versions_of(table.only, table.nfs_versions)

    @property
    def duplicates(self) -> DuplicateCache:
        """The replies that are kept, also over TCP."""
        return self.nfs_duplicates

    def configure(self, config: NfsdConfig) -> None:
        """Read the exports, and export what they name."""
        self.shares.groups_of = HostGroups() if config.identity.manage_gids else None
        self.mounting.only_allowed = not config.mount.list_all
        self.exported.configure(sources_of(config, self.mode))

    def rejected(self) -> str:
        """Why the former exports are still in force."""
        return self.exported.rejected

    def start(self, left: bytes | None) -> None:
        """Restore the mount list, and the replies that an earlier image kept."""
        if self.state.directory is not None:
            former = RMTAB if os.geteuid() == 0 else ""
            self.mount_file = MountFile(self.mounts, self.state.directory, former=former)
            self.mount_file.load()
        keep, self.mounts.changed = self.mounts.changed, self._mounts_changed
        self._keep_mounts = keep
        if left is not None:
            duplicates = bytes(left_state(left).duplicates)
            self.nfs_duplicates.resume(duplicates, time.monotonic())

    def on_serving(self) -> None:
        """Register with the port mapper."""
        places = list(self.places())
        if self.mapper is not None:
            self.mapper.register(places)
        elif self.daemon.config.daemon.port_mapper in (AUTO, HOST):
            try:
                client = port_mapper(None, partial(dial, timeout=MAPPER_TIME))
            except AddressError as error:
                log.error("not registered: %s", error)
                return
            self.registrar = Registrar(client, places)
            self.registrar.start()

    def port_of(self, role: str) -> int:
        """The port of a role; 0 if it has none of its own."""
        found = self.daemon.listeners.extra.get(role)
        port: int = found[0][0].getsockname()[1] if found else 0
        return port

    def places(self) -> Iterator[ProgramPlace]:
        """Where the programs are, for the port mapper; its own, too, if it is embedded."""
        addresses, extra = self.daemon.server.addresses, self.daemon.listeners.extra
        mount = addresses_of(extra[MOUNT_PORT]) if MOUNT_PORT in extra else addresses
        if MAPPER_PORT in extra:
            yield from places_of(MAPPER_VERSIONS, addresses_of(extra[MAPPER_PORT]))
        for version in self.programs:
            yield from places_of([version], mount if version.prog == MOUNTPROG else addresses)

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
        """Refuse other users of this host, if the server works as one user."""
        if self.local_users is not None:
            self.local_users.check(call)

    def trusts(self, host: str) -> bool:
        """Whether the host has mounted something."""
        return self.mounts.has(host)

    def proves(self, host: str) -> bool:
        """Whether the host has mounted something over TCP."""
        return self.mounts.proved(host)

    def interfaces_changed(self) -> None:
        """Forget the addresses of this host."""
        self.own_addresses.forget()
        if self.mapper is not None:
            self.mapper.interfaces_changed()

    def report(self, common: CommonStatus) -> NfsdStatus:
        """The status of the server."""
        return report.status(self, common)

    def faults(self) -> Sequence[str]:
        """Exports that are not served, and missing registrations."""
        return list(report.faults(self))

    def settle(self) -> None:
        """Write the mount list."""
        if self.mount_file is not None:
            self.mount_file.save()

    def leave(self) -> bytes:
        """The kept replies, and the key and the tags if no file has them."""
        replies = self.nfs_duplicates.leave(time.monotonic())
        return msgspec.json.encode(self.state.left(replies))

    async def stop(self) -> None:
        """Unregister, and write the mount list."""
        if self.registrar is not None:
            await self.registrar.stop()
        if self.mount_file is not None:
            await self.mount_file.close()

    def close(self) -> None:
        """Close the file systems and the state."""
        self.exported.close()
        if self.state.directory is not None:
            self.state.directory.close()

    def _serves_local_users(self, table: NfsdDaemonTable) -> bool:
        """Whether all users of this host may call over loopback."""
        return not self.mode.one_user if table.local_users is None else table.local_users

    def _mounts_changed(self) -> None:
        self._keep_mounts()
        self.daemon.udp_limits.look_again()


def _embeds_mapper(table: NfsdDaemonTable) -> bool:
    """Whether the daemon answers for a port mapper."""
    if table.port_mapper == AUTO:
        return os.geteuid() != 0 or not mapper_listens()
    return table.port_mapper == OWN


def addresses_of(sockets: Sequence[tuple[socket.socket, str]]) -> dict[str, str]:
    """The universal address of each netid."""
    return {netid: join_uaddr(*sock.getsockname()[:2]) for sock, netid in sockets}
