"""``PathOperationsFileSystem``: the rules of every back end, and objects of several kinds."""

from __future__ import annotations

import asyncio
import errno
import importlib
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs.backends.fuse import PathOperationsFileSystem, handles, reading
from oncrpc.nfs.backends.fuse.stat_values import UNKNOWN_SPACE
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    FileSystem,
    Identity,
    NewAttributes,
)
from oncrpc.programs.nfs3 import nfsstat3
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused
from support.loops import run, until
from support.memory_operations import MemoryOperations

LIMIT = 8 << 20


class TestObjectInMemory(FileSystemRules):
    """A complete object."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return PathOperationsFileSystem(MemoryOperations(), max_file_size=LIMIT)


class TestSeveralThreads(FileSystemRules):
    """Methods of the object run in several threads."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return PathOperationsFileSystem(MemoryOperations, threads=3, max_file_size=LIMIT)


class SmallObject:
    """The least that an object has: one file, and times in seconds. It is changed by the tests."""

    def __init__(self) -> None:
        self.kind, self.names, self.writes = stat.S_IFREG, ["a"], list[tuple[int, bytes]]()
        self.user: tuple[int, int] | None = None

    def getattr(self, path: str, fh: int | None = None) -> dict[str, float]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 9}
        if path[1:] not in self.names:
            raise FileNotFoundError(errno.ENOENT, "missing")
        return {"st_mode": self.kind | 0o666, "st_size": 5, "st_mtime": 1.5}

    def readdir_with_offset(self, path: str, offset: int, fh: int) -> Iterator[object]:
        yield (".", None, 1)
        yield from ((name, {"st_mode": 0}, 2) for name in self.names)
        yield "a/b"
        yield "n" * 256

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return b"hello"[offset : offset + min(size, 2)]

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self.writes.append((offset, data))
        return len(data)

    def truncate(self, path: str, length: int) -> int:
        return -errno.ENOSPC


@pytest.fixture
def small() -> SmallObject:
    return SmallObject()


@pytest.fixture
def reader(small: SmallObject) -> Iterator[FileUser]:
    """The super-user of the small object."""
    with asyncio.Runner() as runner:
        files = PathOperationsFileSystem(small)
        yield FileUser(files, SUPER_USER, runner=runner)
        files.close()


def test_small_object_is_read(reader: FileUser) -> None:
    root = reader.files.root
    file = reader.lookup(root, b"a")

    assert reader.names(root) == [b"a"]
    assert reader.read(file) == b"hello"
    assert reader.getattr(file).mtime == 1_500_000_000
    assert reader.getattr(root).nlink == 1
    assert not reader.files.features.settable_times
    assert reader.statfs(root) == UNKNOWN_SPACE


def test_missing_method_is_not_supported(reader: FileUser) -> None:
    root = reader.files.root

    with refused(nfsstat3.NFS3ERR_NOTSUPP):
        reader.create(root, b"new")
    with refused(nfsstat3.NFS3ERR_NOTSUPP):
        reader.mkdir(root, b"new")
    with refused(nfsstat3.NFS3ERR_NOTSUPP):
        reader.remove(root, b"a")


def test_negative_result_is_an_error(reader: FileUser) -> None:
    file = reader.lookup(reader.files.root, b"a")

    with refused(nfsstat3.NFS3ERR_NOSPC):
        reader.setattr(file, NewAttributes(size=0))


def test_write_is_seen_in_the_times(reader: FileUser, small: SmallObject) -> None:
    file = reader.lookup(reader.files.root, b"a")

    assert reader.write(file, b"x", 3).length == 1

    assert small.writes == [(3, b"x")]
    assert reader.getattr(file).mtime > 1_500_000_000


def test_file_that_the_object_removed_is_stale(reader: FileUser, small: SmallObject) -> None:
    file = reader.lookup(reader.files.root, b"a")
    small.names.remove("a")
    with refused(nfsstat3.NFS3ERR_STALE):
        reader.getattr(file)
    small.names.append("a")

    with refused(nfsstat3.NFS3ERR_STALE):
        reader.read(file)
    assert reader.lookup(reader.files.root, b"a") != file


def test_file_of_another_kind_is_another_file(reader: FileUser, small: SmallObject) -> None:
    file = reader.lookup(reader.files.root, b"a")
    small.kind = stat.S_IFIFO

    other = reader.lookup(reader.files.root, b"a")

    assert other != file
    small.kind = stat.S_IFREG
    with refused(nfsstat3.NFS3ERR_STALE):
        reader.getattr(other)


def test_object_checks_permissions_if_asked() -> None:
    small = SmallObject()
    with asyncio.Runner() as runner:
        files = PathOperationsFileSystem(small, default_permissions=False)
        user = FileUser(files, Identity(1, 1), runner=runner)
        file = user.lookup(files.root, b"a")
        small.kind |= stat.S_ISUID

        assert user.access(file) == MAY_READ | MAY_WRITE | MAY_EXECUTE
        assert user.write(file, b"x").length == 1
        files.close()


def test_object_is_told_of_the_end() -> None:
    made = MemoryOperations()
    with asyncio.Runner() as runner:
        files = PathOperationsFileSystem(made)
        user = FileUser(files, SUPER_USER, runner=runner)
        user.create(files.root, b"a")
        assert made.handles
        files.close()

    assert made.ended
    assert not made.handles


class OldObject(SmallObject):
    """An object without ``create``, with one owner, and with directories that are opened."""

    use_ns = True

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.modes = list[str](), dict[str, int]()

    def init(self, path: str) -> None:
        self.calls.append("init")

    def opendir(self, path: str) -> int:
        self.calls.append("opendir")
        return 3

    def readdir(self, path: str, fh: int) -> list[str]:
        assert fh == 3
        return self.names

    def releasedir(self, path: str, fh: int) -> None:
        self.calls.append(f"releasedir {fh}")

    def mknod(self, path: str, mode: int, dev: int) -> None:
        self.names.append(path[1:])
        self.modes[path] = mode

    def chmod(self, path: str, mode: int) -> None:
        self.modes[path] = mode

    def chown(self, path: str, uid: int, gid: int) -> None:
        raise PermissionError(errno.EPERM, "one owner")

    readdir_with_offset = None  # type: ignore[assignment]  # it has no such method


def test_object_without_create_makes_by_mknod() -> None:
    made = OldObject()
    with asyncio.Runner() as runner:
        files = PathOperationsFileSystem(made)
        user = FileUser(files, Identity(0, 7), runner=runner)
        new = user.create(files.root, b"new", NewAttributes(mode=0o4750))

        assert set(user.names(files.root)) == {b"a", b"new"}
        assert user.getattr(new).uid == 0, "it has one owner"
        files.close()

    assert made.calls == ["init", "opendir", "releasedir 3"]
    assert made.modes == {"/new": stat.S_IFREG | 0o4750}


def test_unused_file_is_closed_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made = MemoryOperations()
    for module in (handles, reading):
        monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    files = PathOperationsFileSystem(made)

    async def scenario() -> None:
        await files.create(SUPER_USER, files.root, b"a", NewAttributes())
        await until(lambda: not made.handles)

    run(scenario())
    files.close()


def imported_mfusepy() -> Any:
    """The module mfusepy, which needs the library libfuse."""
    try:
        return importlib.import_module("mfusepy")
    except (ImportError, OSError) as error:
        pytest.skip(f"not installed: mfusepy: {error}")


def test_object_of_mfusepy_knows_its_user() -> None:
    mfusepy = imported_mfusepy()

    class Asking(mfusepy.Operations):  # type: ignore[misc,name-defined]  # it has no types
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            uid, gid, _ = mfusepy.fuse_get_context()
            return {"st_mode": stat.S_IFDIR | 0o755, "st_uid": uid, "st_gid": gid}

    with asyncio.Runner() as runner:
        files = PathOperationsFileSystem(Asking)
        found = FileUser(files, Identity(11, 12), runner=runner).getattr(files.root)
        files.close()

    assert (found.uid, found.gid) == (11, 12)


def test_object_of_fsspec_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system of ``fsspec.fuse``, which is written for fusepy."""
    mfusepy = imported_mfusepy()
    pytest.importorskip("fsspec", reason="not installed: fsspec")
    from fsspec.implementations.local import LocalFileSystem

    monkeypatch.setitem(sys.modules, "fuse", mfusepy)
    from fsspec.fuse import FUSEr

    (tmp_path / "below").mkdir()
    (tmp_path / "below/hello.txt").write_bytes(b"hello\n")
    with asyncio.Runner() as runner:
        files = PathOperationsFileSystem(FUSEr(LocalFileSystem(), str(tmp_path)))
        user = FileUser(files, SUPER_USER, runner=runner)
        below = user.lookup(files.root, b"below")

        assert user.names(below) == [b"hello.txt"]
        assert user.read(user.lookup(below, b"hello.txt")) == b"hello\n"
        user.mkdir(below, b"new")
        assert (tmp_path / "below/new").is_dir()
        user.rmdir(below, b"new")
        user.remove(below, b"hello.txt")
        assert user.names(below) == []
        files.close()
