"""``oncrpc.nfs.backends.memory.filesystem``: the rules of every back end, and its own limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.backends.memory.filesystem import LIMITS
from oncrpc.nfs.filesystem import NOW, FileSystem, NewAttributes
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused

MIB = 1 << 20
User = Callable[[MemoryFileSystem], FileUser]


class TestMemory(FileSystemRules):
    """The rules of every back end."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return MemoryFileSystem()


@pytest.fixture
def user() -> Iterator[User]:
    """Makes the super-user of a file system."""
    with asyncio.Runner() as runner:
        yield lambda files: FileUser(files, SUPER_USER, runner=runner)


def test_no_more_files_than_allowed(user: User) -> None:
    me = user(MemoryFileSystem(max_files=2))
    root = me.files.root
    me.create(root, b"a")

    with refused(nfsstat3.NFS3ERR_NOSPC):
        me.create(root, b"b")

    assert me.names(root) == [b"a"]
    me.remove(root, b"a")
    me.create(root, b"b")


def test_no_more_bytes_than_allowed(user: User) -> None:
    me = user(MemoryFileSystem(max_bytes=MIB))
    root = me.files.root
    file = me.create(root, b"a")

    written = me.write(file, bytes(2 * MIB)).length

    assert MIB - 8192 < written < MIB
    assert me.getattr(file).size == written
    with refused(nfsstat3.NFS3ERR_NOSPC):
        me.write(file, b"x", written)


def test_full_file_system_removes_and_renames(user: User) -> None:
    me = user(MemoryFileSystem(max_bytes=MIB))
    root = me.files.root
    me.write(me.create(root, b"a"), bytes(2 * MIB))
    while me.statfs(root).free_bytes > 4096:
        me.mkdir(root, b"%d" % me.statfs(root).free_files)

    me.rename(root, b"a", root, b"b")
    me.remove(root, b"b")

    assert me.statfs(root).free_bytes > MIB // 2


@pytest.mark.parametrize("size", [3, 5000])
def test_removal_gives_all_space_back(user: User, size: int) -> None:
    me = user(MemoryFileSystem())
    root = me.files.root
    before = me.statfs(root)

    file = me.create(root, b"a")
    me.write(file, bytes(size))
    me.link(file, root, b"another name")
    me.rename(root, b"a", root, b"a longer name")
    me.symlink(root, b"link", b"target")
    me.rename(root, b"link", root, b"another name")
    me.mkdir(root, b"directory")
    for name in (b"a longer name", b"another name"):
        me.remove(root, name)
    me.rmdir(root, b"directory")

    assert me.statfs(root) == before


def test_links_count_against_the_space(user: User) -> None:
    me = user(MemoryFileSystem(max_bytes=64 << 10))
    root = me.files.root
    file = me.create(root, b"a")

    with refused(nfsstat3.NFS3ERR_NOSPC):
        for number in range(100):
            me.link(file, root, b"%d" % number)


def test_no_more_links_than_the_features_say(user: User) -> None:
    me = user(MemoryFileSystem(features=LIMITS._replace(link_max=2)))
    root = me.files.root
    file = me.create(root, b"a")
    me.link(file, root, b"b")

    with refused(nfsstat3.NFS3ERR_MLINK):
        me.link(file, root, b"c")


def test_largest_size_is_that_of_the_features(user: User) -> None:
    me = user(MemoryFileSystem(features=LIMITS._replace(max_file_size=10)))
    file = me.create(me.files.root, b"a")

    assert me.write(file, b"0123456789ab").length == 10
    with refused(nfsstat3.NFS3ERR_FBIG):
        me.write(file, b"x", 10)
    with refused(nfsstat3.NFS3ERR_FBIG):
        me.setattr(file, NewAttributes(size=11))
    assert me.getattr(file).size == 10


def test_times_are_those_of_the_clock(user: User) -> None:
    now = [5]
    me = user(MemoryFileSystem(clock=lambda: now[0]))
    file = me.create(me.files.root, b"a")

    now[0] = 7
    me.setattr(file, NewAttributes(mtime=NOW, atime=3))

    found = me.getattr(file)
    assert (found.atime, found.mtime, found.ctime) == (3, 7, 7)


def test_ids_of_an_earlier_life_are_stale(user: User) -> None:
    """Claim 23: STALE for handles, NOENT for names only."""
    earlier, me = MemoryFileSystem(), user(MemoryFileSystem())

    with refused(nfsstat3.NFS3ERR_STALE):
        me.getattr(earlier.root)


def test_ids_fit_handles_of_version_2(user: User) -> None:
    assert len(MemoryFileSystem().root) <= 20


def test_root_has_the_owner_that_was_asked_for(user: User) -> None:
    me = user(MemoryFileSystem(uid=7, gid=8, mode=0o2770))

    found = me.getattr(me.files.root)
    assert (found.kind, found.uid, found.gid, found.mode) == (ftype3.NF3DIR, 7, 8, 0o2770)
    assert (found.nlink, me.parent(me.files.root)) == (2, me.files.root)
