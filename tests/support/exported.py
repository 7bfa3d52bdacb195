"""Exported file systems in this process, called through the dispatcher."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable
from typing import Any

from oncrpc import sync
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import FileSystem, Identity
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.shares import Opened, Share, Shares
from oncrpc.nfs.server.sizes import TransferSizes
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    MKDIR3args,
    SYMLINK3args,
    WRITE3args,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    nfsstat3,
    nfstime3,
    sattr3,
    sattrguard3,
    set_atime,
    set_gid3,
    set_mode3,
    set_mtime,
    set_size3,
    set_uid3,
    stable_how,
    symlinkdata3,
    time_how,
)
from oncrpc.rpc import AnyProcedure, Caller, auth_sys
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock

SECOND = 1_000_000_000
FSID = 77
TCP = Caller("tcp", ("192.0.2.9", 700, 0), ("192.0.2.1", 2049, 0))
UDP = Caller("udp", ("192.0.2.9", 700, 0), ("192.0.2.1", 2049, 0), datagram=True)
ROOT_CRED = auth_sys(b"client", 0, 0)
USER_CRED = auth_sys(b"client", 1000, 100)
ROOT, USER = Identity(0, 0), Identity(1000, 100)
OPTIONS = ExportOptions(ro=False, root_squash=False)
READ_ONLY = OPTIONS._replace(ro=True)


class SameRules:
    """The same options for every host; ``pending`` is raised instead, if it is set."""

    def __init__(self, options: ExportOptions | None) -> None:
        self.options = options
        self.pending: NfsError | None = None

    def options_for(self, host: str) -> ExportOptions | None:
        if self.pending is not None:
            raise self.pending
        return self.options


def memory() -> MemoryFileSystem:
    """A file system whose clock goes a second further at each reading, from 1000 on."""
    seconds = itertools.count(1000)
    return MemoryFileSystem(clock=lambda: next(seconds) * SECOND, max_bytes=8 << 20)


class Exported:
    """One or more file systems, exported by version 3 in this process.

    ``share`` and ``files`` are the first export; ``later`` says that it needs an event loop. Calls
    come from root over TCP unless ``caller`` or ``cred`` say otherwise.
    """

    def __init__(
        self,
        *filesystems: FileSystem,
        options: ExportOptions = OPTIONS,
        sizes: TransferSizes | None = None,
    ) -> None:
        self.shares = Shares(Handles(bytes(range(32))))
        self.rules = SameRules(options)
        exported = [
            Share(tag, b"/srv%d" % tag, filesystem, self.rules, fsid=FSID + tag)
            for tag, filesystem in enumerate(filesystems or [memory()])
        ]
        self.shares.replace(exported)
        self.share, self.files = exported[0], exported[0].filesystem
        self.root = self.handle(self.files.root)
        self.later = isinstance(self.files, AnsweringLater)
        self.caller, self.cred = TCP, ROOT_CRED
        self.service = Nfs3(self.shares, sizes=sizes)
        self.dispatcher = Dispatcher([self.service], clock=ManualClock())
        self.calls = Calls(first_xid=0, retransmit=False)

    def handle(self, file: bytes, share: Share | None = None) -> nfs_fh3:
        """The handle of a file of the first export, or of another one."""
        return nfs_fh3(self.shares.handle(share or self.share, file))

    def object(self, file: bytes | None = None, who: Identity = ROOT) -> CallObject:
        """A file, by default the root, as a procedure is given it, with its attributes."""
        opened = Opened(self.share, file or self.files.root, who, self.rules.options or OPTIONS)
        found = CallObject(self.shares, opened)
        sync.run(found.begin())
        return found

    def message(self, procedure: AnyProcedure, *arguments: Any) -> bytes:
        """The bytes of a call."""
        pending = self.calls.start(procedure, arguments, now=0, timeout=1, auth=self.cred)
        return pending.message

    def reply(self, message: bytes) -> bytes:
        """The dispatcher's reply to bytes."""

        async def handled() -> bytes | None:
            reply = self.dispatcher.handle(message, self.caller)
            return await reply if inspect.isawaitable(reply) else reply

        reply = asyncio.run(handled()) if self.later else sync.run(handled())
        assert reply is not None
        return reply

    def result_bytes(self, procedure: AnyProcedure, *arguments: Any) -> bytes:
        """The bytes of the result of a call that was accepted."""
        reply = self.reply(self.message(procedure, *arguments))
        assert reply[4:24] == bytes.fromhex("00000001 00000000 00000000 00000000 00000000")
        return reply[24:]

    def call(self, procedure: AnyProcedure, *arguments: Any) -> Any:
        """The result of a call, of either status.

        Raises:
            CallError: the call was refused.
        """
        answered = self.calls.feed(self.reply(self.message(procedure, *arguments)))
        assert answered is not None
        if answered.error is not None:
            raise answered.error
        return answered.result

    def ok(self, procedure: AnyProcedure, *arguments: Any) -> Any:
        """The arm for success."""
        result = self.call(procedure, *arguments)
        assert result.status is nfsstat3.NFS3_OK, result.status.name
        return result.body

    def refused(self, status: nfsstat3, procedure: AnyProcedure, *arguments: Any) -> Any:
        """The arm for a failure with this status."""
        result = self.call(procedure, *arguments)
        assert result.status is status, result.status.name
        return result.body

    def at(self, name: bytes, directory: nfs_fh3 | None = None) -> diropargs3:
        """A name, by default in the root."""
        return diropargs3(directory or self.root, name)


NO_GUARD = sattrguard3(False, None)


def made_file(exported: Exported, name: bytes, data: bytes = b"", *, mode: int = 0o644) -> nfs_fh3:
    """Create a file in the root, with data. Returns its handle."""
    how = createhow3(createmode3.GUARDED, sattr(mode=mode))
    made = exported.ok(NFS_V3.NFSPROC3_CREATE, CREATE3args(exported.at(name), how))
    file: nfs_fh3 = made.obj.body
    if data:
        arg = WRITE3args(file, 0, len(data), stable_how.FILE_SYNC, data)
        exported.ok(NFS_V3.NFSPROC3_WRITE, arg)
    return file


def made_directory(
    exported: Exported, name: bytes, directory: nfs_fh3 | None = None, *, mode: int = 0o755
) -> nfs_fh3:
    """Create a directory. Returns its handle."""
    arg = MKDIR3args(exported.at(name, directory), sattr(mode=mode))
    made: nfs_fh3 = exported.ok(NFS_V3.NFSPROC3_MKDIR, arg).obj.body
    return made


def made_link(exported: Exported, name: bytes, text: bytes) -> nfs_fh3:
    """Create a symbolic link in the root. Returns its handle."""
    arg = SYMLINK3args(exported.at(name), symlinkdata3(sattr(), text))
    made: nfs_fh3 = exported.ok(NFS_V3.NFSPROC3_SYMLINK, arg).obj.body
    return made


def sattr(
    *,
    mode: int | None = None,
    uid: int | None = None,
    gid: int | None = None,
    size: int | None = None,
    atime: nfstime3 | time_how = time_how.DONT_CHANGE,
    mtime: nfstime3 | time_how = time_how.DONT_CHANGE,
) -> sattr3:
    """Attributes to set; None leaves one alone."""
    client = time_how.SET_TO_CLIENT_TIME
    return sattr3(
        set_mode3(mode is not None, mode),
        set_uid3(uid is not None, uid),
        set_gid3(gid is not None, gid),
        set_size3(size is not None, size),
        set_atime(client, atime) if isinstance(atime, nfstime3) else set_atime(atime, None),
        set_mtime(client, mtime) if isinstance(mtime, nfstime3) else set_mtime(mtime, None),
    )


OPERATIONS = (
    "getattr", "lookup", "parent", "access", "readdir", "readlink", "read", "write", "commit",
    "setattr", "create", "mkdir", "symlink", "mknod", "remove", "rmdir", "rename", "link", "statfs",
    "get_acl", "set_acl",
)  # fmt: skip


def wrapped(
    filesystem: FileSystem,
    around: Callable[[str, Callable[[], Any]], Any],
    base: type[FileSystem] = FileSystem,
) -> FileSystem:
    """A file system whose operations go through ``around``, with their name and the operation."""

    def operation(name: str) -> Callable[..., Any]:
        inner = getattr(filesystem, name)

        def call(_self: FileSystem, *arguments: Any, **named: Any) -> Any:
            return around(name, lambda: inner(*arguments, **named))

        return call

    members = {name: operation(name) for name in OPERATIONS}
    kept = {"root": filesystem.root, "features": filesystem.features}
    made: FileSystem = type("Wrapped", (base,), {**members, **kept})()
    return made


class AnsweringLater(FileSystem):
    """The base of file systems whose operations are coroutines."""


def answering_later(filesystem: FileSystem) -> FileSystem:
    """The same file system, with coroutines that need a task and other turns of the event loop."""

    async def later(operation: Callable[[], Any]) -> Any:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        return operation()

    return wrapped(filesystem, lambda _name, operation: later(operation), AnsweringLater)


def failing(filesystem: FileSystem, errors: dict[str, Exception]) -> FileSystem:
    """The same file system, whose operations raise the errors that ``errors`` has for them now."""

    def fail_or(name: str, operation: Callable[[], Any]) -> Any:
        if name in errors:
            raise errors[name]
        return operation()

    return wrapped(filesystem, fail_or)
