"""A mount program over small trees: every call is bytes, and every lookup is recorded."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oncrpc.nfs.filesystem import Answer, Attributes, Features, FileSystem, Identity
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.programs.mount import MOUNT_V3, mountres3, mountstat3
from oncrpc.programs.nfs3 import ftype3
from oncrpc.rpc import Caller, auth_sys
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import opaque_auth
from oncrpc.testing import ManualClock

CLIENT, OTHER, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.9"
USER = auth_sys(b"client", 1000, 100, [4])
DIRECTORY, FILE, LINK = ftype3.NF3DIR, ftype3.NF3REG, ftype3.NF3LNK
KEY = bytes(32)


def tcp(host: str = CLIENT, port: int = 700) -> Caller:
    netid = "tcp6" if ":" in host else "tcp"
    return Caller(netid, (host, port, 0), ("192.0.2.9", 20048, 0))


def udp(host: str = CLIENT, port: int = 700, *, to_group: bool = False) -> Caller:
    local = ("192.0.2.9", 20048, 0)
    return Caller("udp", (host, port, 0), local, datagram=True, to_group=to_group)


class Tree(FileSystem):
    """Files by their path below the root; a path is also the file's id.

    ``looked_up`` has every name that was asked for, with its directory.
    """

    root = b"/"
    features = Features(hard_links=True, link_max=1000, name_max=255)

    def __init__(self, files: Mapping[bytes, Attributes] | None = None) -> None:
        self.files = {b"/": Attributes(DIRECTORY), **(files or {})}
        self.looked_up: list[tuple[bytes, bytes]] = []
        self.callers: list[Identity] = []

    def getattr(self, who: Identity, file: bytes) -> Answer[Attributes]:
        self.callers.append(who)
        if file not in self.files:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return self.files[file]

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> Answer[bytes]:
        self.looked_up.append((directory, name))
        path = directory.rstrip(b"/") + b"/" + name
        if path not in self.files:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return path


class SlowTree(Tree):
    """The same, with methods that are coroutines."""

    async def getattr(self, who: Identity, file: bytes) -> Attributes:
        await asyncio.sleep(0)
        found = super().getattr(who, file)
        assert isinstance(found, Attributes)
        return found

    async def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        await asyncio.sleep(0)
        found = super().lookup(who, directory, name)
        assert isinstance(found, bytes)
        return found


@dataclass
class ListedRules:
    """Rules by host, and the groups that EXPORT shows."""

    hosts: dict[str, ExportOptions] = field(default_factory=dict)
    listed: Sequence[str] | None = ()

    def options_for(self, host: str) -> ExportOptions | None:
        return self.hosts.get(host)

    def groups(self) -> Sequence[str] | None:
        return self.listed


class MountSite:
    """The three versions over some shares; by default everything is exported to ``CLIENT``."""

    def __init__(self, *shares: Share, **options: Any) -> None:
        self.shares = Shares(Handles(KEY))
        self.shares.replace(shares)
        self.clock = ManualClock()
        self.mounts = options.pop("mounts", None) or MountList(clock=self.clock)
        self.program = MountProgram(self.shares, self.mounts, **options)
        self.dispatcher = Dispatcher(self.program.services(), clock=self.clock)
        self.calls = Calls(first_xid=0x11223344, retransmit=False)

    def reply(self, caller: Caller, message: bytes) -> bytes | None:
        """The reply to bytes."""

        async def handled() -> bytes | None:
            reply = self.dispatcher.handle(message, caller)
            return reply if isinstance(reply, bytes | None) else await reply

        return asyncio.run(handled())

    def call(
        self,
        procedure: AnyProcedure,
        *arguments: Any,
        caller: Caller | None = None,
        cred: opaque_auth | None = USER,
    ) -> Any:
        """The result of a call; a refusal is raised, silence is None."""
        message = self.calls.start(procedure, arguments, now=0, timeout=1, auth=cred).message
        reply = self.reply(caller or tcp(), message)
        if reply is None:
            return None
        call = self.calls.feed(reply)
        assert call is not None
        if call.error is not None:
            raise call.error
        return call.result


def share(
    path: bytes = b"/srv",
    tree: FileSystem | None = None,
    *,
    tag: int = 7,
    hosts: Sequence[str] = (CLIENT,),
    groups: Sequence[str] | None = ("192.0.2.0/24",),
    **options: Any,
) -> Share:
    """An export to some hosts, all with the same options."""
    rules = ListedRules(dict.fromkeys(hosts, ExportOptions(**options)), groups)
    return Share(tag, path, tree or Tree(), rules, fsid=tag)


def directories(*paths: bytes, mode: int = 0o755, uid: int = 0) -> dict[bytes, Attributes]:
    """Directories with these paths."""
    return {path: Attributes(DIRECTORY, mode, uid=uid) for path in paths}


def mounted(site: MountSite, path: bytes, **options: Any) -> mountstat3:
    """The outcome of MNT in version 3."""
    result: mountres3 = site.call(MOUNT_V3.MOUNTPROC3_MNT, path, **options)
    return result.fhs_status
