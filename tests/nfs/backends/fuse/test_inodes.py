"""``InodeOperationsFileSystem``: the rules of every back end, and lookups that are counted."""

from __future__ import annotations

import asyncio
import importlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

pytest.importorskip("pyfuse3", reason="not installed: pyfuse3")

import pyfuse3
import trio

from oncrpc.nfs.backends import fuse
from oncrpc.nfs.backends.fuse import InodeOperationsFileSystem
from oncrpc.nfs.backends.fuse.stat_values import UNKNOWN_SPACE
from oncrpc.nfs.filesystem import Features, FileSystem
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused
from support.memory_inodes import MemoryInodes

LIMIT = 8 << 20


class TestWithTrio(FileSystemRules):
    """A complete object, in a loop of trio."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return InodeOperationsFileSystem(MemoryInodes(), loop="trio", max_file_size=LIMIT)


class TestWithFewReferences(FileSystemRules):
    """A complete object, in a loop of asyncio; inodes are often forgotten."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return InodeOperationsFileSystem(
            MemoryInodes, loop="asyncio", max_references=1, max_file_size=LIMIT
        )


class ReadOnly(pyfuse3.Operations):
    """A directory with one file, and no method that may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.inode, self.generation = 5, 0
        self.started = False

    def init(self) -> None:
        self.started = True

    async def getattr(self, inode: int, ctx: object) -> Any:
        entry = pyfuse3.EntryAttributes()
        kind = stat.S_IFDIR if inode == pyfuse3.ROOT_INODE else stat.S_IFREG
        entry.st_ino, entry.st_mode, entry.st_size = inode, kind | 0o777, 5
        entry.generation = self.generation
        return entry

    async def lookup(self, parent_inode: int, name: bytes, ctx: object) -> Any:
        return await self.getattr(self.inode if name == b"a" else 0, ctx)

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        if start_id == 0:
            pyfuse3.readdir_reply(token, b"a", await self.getattr(self.inode, None), 7)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        return b"hello"[off : off + size]


@contextmanager
def user_of(files: FileSystem) -> Iterator[FileUser]:
    """The super-user of a file system."""
    with asyncio.Runner() as runner:
        yield FileUser(files, SUPER_USER, runner=runner)
        files.close()


def test_object_with_few_methods_is_read() -> None:
    made = ReadOnly()
    with user_of(InodeOperationsFileSystem(made, loop="asyncio")) as user:
        root = user.files.root
        file = user.lookup(root, b"a")

        assert user.names(root) == [b"a"]
        assert user.read(file) == b"hello"
        assert user.statfs(root) == UNKNOWN_SPACE
        assert user.files.features == Features(
            settable_times=False, counts_directories=False, link_max=65000, max_file_size=64 << 30
        )
        with refused(nfsstat3.NFS3ERR_NOENT):
            user.lookup(root, b"missing")
        with refused(nfsstat3.NFS3ERR_NOTSUPP):
            user.create(root, b"b")
        with refused(nfsstat3.NFS3ERR_NOTSUPP):
            user.write(file, b"x")
    assert made.started


@pytest.mark.parametrize("change", ["inode", "generation"])
def test_name_of_another_inode_is_another_file(change: str) -> None:
    made = ReadOnly()
    files = InodeOperationsFileSystem(made, loop="asyncio", max_references=0)
    with user_of(files) as user:
        file = user.lookup(files.root, b"a")
        setattr(made, change, 9)

        with refused(nfsstat3.NFS3ERR_STALE):
            user.getattr(file)
        assert user.lookup(files.root, b"a") != file


def test_reused_inode_is_another_file() -> None:
    made = ReadOnly()
    files = InodeOperationsFileSystem(made, loop="asyncio")
    with user_of(files) as user:
        file = user.lookup(files.root, b"a")
        made.generation = 1

        assert user.lookup(files.root, b"a") != file


@pytest.mark.parametrize("loop", ["trio", "asyncio"])
def test_all_lookups_are_forgotten_at_the_end(loop: Literal["trio", "asyncio"]) -> None:
    made = MemoryInodes()
    with user_of(InodeOperationsFileSystem(made, loop=loop)) as user:
        directory = user.mkdir(user.files.root, b"d")
        file = user.create(directory, b"a")
        user.link(file, directory, b"b")
        user.remove(directory, b"a")
        user.create(directory, b"c")
        user.readdir(directory, plus=True)
        user.remove(directory, b"c")
        assert len(made.lookups) == 2

    assert made.lookups == {}
    assert made.handles == {}


def test_number_of_referenced_inodes_is_bounded() -> None:
    made = MemoryInodes()
    with user_of(InodeOperationsFileSystem(made, loop="asyncio", max_references=3)) as user:
        files = [user.mkdir(user.files.root, b"%d" % number) for number in range(9)]

        assert len(made.lookups) == 3
        assert all(user.getattr(file).kind is ftype3.NF3DIR for file in files)
        assert len(made.lookups) == 3


def test_loop_is_the_one_of_pyfuse3(monkeypatch: pytest.MonkeyPatch) -> None:
    in_trio = set[bool]()

    class Looking(ReadOnly):
        async def getattr(self, inode: int, ctx: object) -> Any:
            in_trio.add(trio.lowlevel.in_trio_run())
            return await super().getattr(inode, ctx)

    for name in ("trio", "pyfuse3.asyncio"):
        monkeypatch.setattr(pyfuse3, "trio", importlib.import_module(name))
        with user_of(InodeOperationsFileSystem(Looking)) as user:
            user.getattr(user.files.root)

    assert in_trio == {True, False}


def test_package_has_only_its_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        fuse.Missing  # noqa: B018
