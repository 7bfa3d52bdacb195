"""Calls of MOUNT and NFS: sequences made from the declarations, over a file system in memory.

A reply is one that the procedure declares, and no longer than it may be. In the input a handle is
text that stands for it, for a signature differs from run to run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from fuzz.datagrams import answer, check
from fuzz.driver import Target
from fuzz.mutation import joined, mutated, parted
from fuzz.values import value_of
from oncrpc.errors import XdrError
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Identity, NewAttributes
from oncrpc.nfs.handles import KEY_SIZE, Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.nfs.server.sizes import STREAM
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, MOUNTVERS_POSIX
from oncrpc.programs.nfs2 import FHSIZE, NFS_VERSION
from oncrpc.programs.nfs3 import (
    NFS_V3,
    READDIR3args,
    READDIRPLUS3args,
    SETATTR3args,
    WRITE3args,
    ftype3,
    sattrguard3,
)
from oncrpc.rpc import AUTH_NONE, AnyProcedure, Caller, Version, auth_sys
from oncrpc.rpc.calls import call_header
from oncrpc.rpc.dispatch import SUCCEEDED, Dispatcher

MOST_CALLS = 12
CALLERS = (
    Caller("tcp", ("192.0.2.1", 700, 0), ("192.0.2.2", 2049, 0)),
    Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.2", 2049, 0), datagram=True),
    Caller("tcp6", ("2001:db8::1", 40000, 0), ("2001:db8::2", 2049, 0)),
)
CREDENTIALS = (
    auth_sys(b"host", 0, 0),
    auth_sys(b"host", 0, 0),
    auth_sys(b"host", 1000, 100, [4, 24]),
    auth_sys(b"host", 0xFFFFFFFF, 0xFFFFFFFF, [0xFFFFFFFF] * 16),
    AUTH_NONE,
)
VERSIONS = (NFS_V3, NFS_V3, NFS_V3, NFS_VERSION, NFS_VERSION, MOUNT_V3, MOUNTVERS, MOUNTVERS_POSIX)
GOOD_NAMES = (
    b"a", b"b", b"dir", b"file", b"link", b"pipe", b"new", b"/srv", b"/srv/dir", b"/ro",
)  # fmt: skip
NAMES = (
    b"", b".", b"..", b"a/b", b"../x", b"\0", b"\xff\xfe", b"x" * 255, b"x" * 256, b"y" * 5000,
    b"/srv/../ro", b"/" * 2000,
)  # fmt: skip
HANDLE = 28
"""Bytes of a handle of a file in memory, in version 3."""

STANDS_FOR = re.compile(rb"<<handle ([0-7]) of ([01])>>(?:\.{15}|\.{11})")
READ_WRITE = ExportOptions(ro=False, secure=False, root_squash=False, sec=("sys", "none"))
READ_ONLY = ExportOptions(secure=False, readdirplus=False)
LONGEST = STREAM + 1024


class OneRule:
    """The same options for every host."""

    def __init__(self, options: ExportOptions) -> None:
        self.options = options

    def options_for(self, host: str) -> ExportOptions | None:  # noqa: ARG002  # the same for all
        return self.options


def _bytes(source: Random, limit: int, fixed: bool) -> bytes:
    """A handle, where the length may be that of one; else a name or a few bytes."""
    if limit in (FHSIZE, 64) and source.random() < 0.95:
        size = FHSIZE if fixed else HANDLE
        number = source.choice((0, 0, 0, 0, *range(8)))
        name = b"<<handle %d of %d>>" % (number, source.random() < 0.1)
        return name.ljust(size, b".")
    if fixed:
        return source.choice((bytes(limit), b"\xff" * limit, source.randbytes(limit)))
    if source.random() < 0.9:
        return source.choice(GOOD_NAMES if source.random() < 0.8 else NAMES)[:limit]
    return source.randbytes(min(source.choice((0, 1, 3, 40, 4096, 9000)), limit))


def message(
    procedure: AnyProcedure, source: Random, *, likely: Callable[[Any, Random], None] | None = None
) -> bytes:
    """A call that can be decoded. ``likely`` changes what would be refused as a rule."""
    version = procedure.version
    place = version.prog, version.vers, procedure.number
    head = call_header(source.randrange(4), place, cred=source.choice(CREDENTIALS))
    arguments = tuple(value_of(each, source, _bytes) for each in procedure.arguments)
    for argument in arguments:
        if source.random() < 0.8:
            _make_likely(argument)
            if likely is not None:
                likely(argument, source)
    return head + procedure.encode_arguments(arguments)


def _make_likely(argument: Any) -> None:
    """Change what would be refused as a rule, before anything else is looked at."""
    match argument:
        case WRITE3args():
            argument.count, argument.offset = len(argument.data), argument.offset & 0xFFFFF
        case READDIR3args() | READDIRPLUS3args():
            argument.cookie = 0
        case SETATTR3args():
            argument.guard = sattrguard3(False, None)


def make(source: Random) -> bytes:
    """A few calls, each preceded by the number of its caller; few of them are spoiled."""
    return made_calls(VERSIONS, source)


def made_calls(
    versions: Sequence[type[Version]],
    source: Random,
    *,
    likely: Callable[[Any, Random], None] | None = None,
) -> bytes:
    """The same of any versions."""
    calls = []
    for _ in range(source.randrange(1, MOST_CALLS + 1)):
        procedure = source.choice(list(source.choice(versions).procedures.values()))
        made = message(procedure, source, likely=likely)
        if source.random() < 0.2:
            made = mutated(made, source, [made])
        calls.append(bytes([source.randrange(len(CALLERS))]) + made)
    return joined(*calls)


class Site:
    """Two exports of file systems in memory, and the ids of files in each."""

    def __init__(self, make_files: Callable[[], MemoryFileSystem] | None = None) -> None:
        make_files = make_files or _small
        self.handles = Handles(bytes(KEY_SIZE))
        self.files = [make_files() for _ in range(2)]
        self.shares = Shares(self.handles)
        rules = OneRule(READ_WRITE), OneRule(READ_ONLY)
        paths = b"/srv", b"/ro"
        self.shares.replace([Share(n, paths[n], self.files[n], rules[n], fsid=n) for n in range(2)])
        self.ids = [self._filled(files) for files in self.files]
        mount = MountProgram(self.shares, MountList(clock=lambda: 0.0), sleep=_no_time)
        services = [*mount.services(), Nfs2(self.shares), Nfs3(self.shares)]
        self.duplicates = NfsDuplicates(max_bytes=16 << 10)
        self.dispatcher = Dispatcher(services, clock=lambda: 0.0, duplicates=self.duplicates)

    def _filled(self, files: MemoryFileSystem) -> list[bytes]:
        """Files of every kind, one of them already removed, and one that never was."""
        root, top, new = Identity(0, 0), files.root, NewAttributes(mode=0o777)
        directory = files.mkdir(root, top, b"dir", new)
        link = files.symlink(root, top, b"link", b"dir", NewAttributes())
        pipe = files.mknod(root, top, b"pipe", ftype3.NF3FIFO, device=(0, 0), new=new)
        gone = files.create(root, top, b"gone", new)
        files.remove(root, top, b"gone")
        file = files.create(root, top, b"file", new)
        return [top, directory, link, pipe, gone, file, file, directory]

    def with_handles(self, data: bytes) -> bytes:
        """The bytes with real handles in the place of the text for them."""

        def handle(found: re.Match[bytes]) -> bytes:
            tag = int(found[2])
            file = self.ids[tag][int(found[1])]
            if len(found[0]) == FHSIZE:
                return self.handles.make_v2(tag, file)
            return self.handles.make(tag, file)

        return STANDS_FOR.sub(handle, data)


def _small() -> MemoryFileSystem:
    return MemoryFileSystem(max_bytes=4 << 20, max_files=100)


async def _no_time(_: float) -> None:
    """Sleeps not at all."""


def run(data: bytes) -> None:
    """Have them answered, one after the other."""
    run_at(Site(), data, VERSIONS)


def run_at(site: Site, data: bytes, versions: Sequence[type[Version]]) -> None:
    """Have calls of these versions answered, and check the replies and what is left.

    A spoiled call may be one of another version that the site serves.
    """
    for part in parted(data, MOST_CALLS):
        number, call = (part or b"\0")[0], site.with_handles(part[1:])
        caller = CALLERS[number % len(CALLERS)]
        reply = answer(site.dispatcher, call, caller)
        check(call, reply)
        if reply is not None and reply[4:24] == SUCCEEDED:
            assert len(reply) <= LONGEST
            _check_result(call, reply, [*versions, *VERSIONS])
    assert all(len(share.locks) == 0 for share in site.shares)
    _check_duplicates(site.duplicates)


def _check_result(call: bytes, reply: bytes, versions: Sequence[type[Version]]) -> None:
    """The result is one of the procedure."""
    prog, vers, proc = (int.from_bytes(call[at : at + 4], "big") for at in (12, 16, 20))
    version = next(each for each in versions if (each.prog, each.vers) == (prog, vers))
    try:
        version.procedures[proc].decode_result(reply, 24)
    except XdrError as error:
        raise AssertionError(f"{version.procedures[proc]!r}: {error}") from error


def _check_duplicates(duplicates: NfsDuplicates) -> None:
    """Its tables agree, and can be carried over a restart."""
    assert not duplicates.in_progress
    assert duplicates.size <= duplicates.max_bytes
    assert duplicates.size == sum(replies.size for replies in duplicates.clients.values())
    assert len(duplicates) == sum(len(calls) for calls in duplicates.alike.values())
    following = NfsDuplicates()
    following.resume(duplicates.leave(0.0), 0.0)
    assert len(following) == len(duplicates)


TARGET = Target("nfs_calls", make, run)
