"""``oncrpc.nfs.backends.fsspec``: the rules of every back end, over stores of two kinds."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.nfs.filesystem import FileSystem, NewAttributes, SyncError
from oncrpc.programs.nfs3 import nfsstat3, stable_how
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused

pytest.importorskip("fsspec", reason="not installed: fsspec")

from fsspec.implementations.local import LocalFileSystem as LocalStore
from fsspec.implementations.memory import MemoryFileSystem as MemoryStore

from oncrpc.nfs.backends.fsspec import FsspecFileSystem
from oncrpc.nfs.backends.fsspec.store import RemoteStore
from oncrpc.nfs.backends.fsspec.written import MAX_HOLES

MIB = 1 << 20
LIMIT = 8 * MIB


class TestMemoryStore(FileSystemRules):
    """A store of objects in memory."""

    @pytest.fixture
    def files(self) -> FileSystem:
        MemoryStore.store.clear()
        MemoryStore.pseudo_dirs[:] = [""]
        return FsspecFileSystem("memory://nfs", max_file_size=LIMIT)

    def test_rename_takes_no_name_for_a_pattern(self, me: FileUser) -> None:
        root = me.files.root
        for name in (b"a1", b"a[1]", b"*"):
            me.write(me.create(root, name), name)

        for name, to in ((b"a[1]", b"moved"), (b"*", b"star")):
            me.rename(root, name, root, to)

        left = {name: me.read(me.lookup(root, name)) for name in me.names(root)}
        assert left == {b"a1": b"a1", b"moved": b"a[1]", b"star": b"*"}

    def test_rename_takes_no_directory_for_a_pattern(self, me: FileUser) -> None:
        root = me.files.root
        me.mkdir(root, b"d")
        below = me.mkdir(me.mkdir(root, b"?"), b"below")
        me.write(me.create(below, b"file"), b"data")

        me.rename(root, b"?", root, b"e")

        assert set(me.names(root)) == {b"d", b"e"}
        moved = found(me, b"e", b"below", b"file")
        assert me.read(moved) == b"data"


class TestLocalStore(FileSystemRules):
    """A directory of this host."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> FileSystem:
        (tmp_path / "store").mkdir()
        table = tmp_path / "table"
        return FsspecFileSystem(f"file://{tmp_path}/store", table=table, max_file_size=LIMIT)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A directory that is a store."""
    folder = tmp_path / "store"
    (folder / "below").mkdir(parents=True)
    (folder / "below/file").write_bytes(b"data")
    return folder


Opened = Callable[..., FileUser]


@pytest.fixture
def opened(store: Path) -> Iterator[Opened]:
    """The super-user of that store, which may be opened several times."""
    with asyncio.Runner() as runner:
        made = list[FsspecFileSystem]()

        def user(**options: Any) -> FileUser:
            files = FsspecFileSystem(f"file://{store}", **options)
            made.append(files)
            return FileUser(files, SUPER_USER, runner=runner)

        yield user
        for files in made:
            files.close()


def found(me: FileUser, *names: bytes) -> bytes:
    """The id of a file by its path."""
    file = me.files.root
    for name in names:
        file = me.lookup(file, name)
    return file


def test_files_of_the_store_are_shown(opened: Opened, store: Path) -> None:
    me = opened(uid=7, gid=8)

    file = me.getattr(found(me, b"below", b"file"))

    assert (file.size, file.uid, file.gid, file.mode) == (4, 7, 8, 0o644)
    assert abs(file.mtime - (store / "below/file").stat().st_mtime_ns) < 1000
    assert me.read(found(me, b"below", b"file"), 1, 2) == b"at"


def test_store_of_unknown_size_has_space(opened: Opened) -> None:
    me = opened()

    space = me.statfs(me.files.root)

    assert space.total_bytes >= space.available_bytes >= 1 << 40
    assert space.available_files > 0


def test_handles_survive_a_restart_with_a_table(opened: Opened, tmp_path: Path) -> None:
    table = tmp_path / "table"
    before = opened(table=table)
    file = found(before, b"below", b"file")
    before.setattr(file, NewAttributes(mode=0o600, uid=5))
    before.rename(before.files.root, b"below", before.files.root, b"moved")
    before.files.close()

    after = opened(table=table)

    assert (after.getattr(file).mode, after.getattr(file).uid) == (0o600, 5)
    assert found(after, b"moved", b"file") == file


def test_handles_without_a_table_are_stale_afterwards(opened: Opened) -> None:
    file = found(opened(), b"below", b"file")

    with refused(nfsstat3.NFS3ERR_STALE):
        opened().getattr(file)


def test_unstable_data_are_stored_by_commit(opened: Opened, store: Path) -> None:
    me = opened()
    file = me.create(me.files.root, b"new")

    me.write(file, b"data", stable=stable_how.UNSTABLE)
    before = (store / "new").read_bytes()
    me.commit(file)

    assert (before, (store / "new").read_bytes()) == (b"", b"data")


def test_part_of_a_file_is_changed_in_place(opened: Opened, store: Path) -> None:
    me = opened()

    me.write(found(me, b"below", b"file"), b"AT", 1)

    assert (store / "below/file").read_bytes() == b"dATa"


def test_failed_upload_is_an_error_and_repeated(
    opened: Opened, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    me = opened()
    file = me.create(me.files.root, b"new")
    me.write(file, b"data", stable=stable_how.UNSTABLE)
    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "open", full)
        with pytest.raises(SyncError, match="No space"):
            me.commit(file)

    me.commit(file)

    assert (store / "new").read_bytes() == b"data"


def test_links_and_special_files_are_not_followed(opened: Opened, store: Path) -> None:
    outside = store.parent / "outside"
    outside.write_bytes(b"secret")
    (store / "link").symlink_to(outside)
    (store / "dangling").symlink_to(store.parent / "missing")
    (store / "up").symlink_to(store.parent)
    os.mkfifo(store / "fifo")
    me = opened()

    assert me.names(me.files.root) == [b"below"]
    for name in (b"link", b"dangling", b"up", b"fifo"):
        with refused(nfsstat3.NFS3ERR_ACCES):
            me.lookup(me.files.root, name)
        with refused(nfsstat3.NFS3ERR_ACCES):
            me.create(me.files.root, name)
    assert outside.read_bytes() == b"secret"
    assert not (store.parent / "missing").exists()


def test_changes_by_other_programs_are_seen_later(
    opened: Opened, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = opened()
    file = found(me, b"below", b"file")
    me.readdir(me.files.root)
    (store / "below/file").write_bytes(b"longer data")
    (store / "other").write_bytes(b"")
    (store / "gone").write_bytes(b"")

    monkeypatch.setattr("oncrpc.nfs.backends.fsspec.store.KEEP", 0.0)

    assert me.getattr(file).size == 11
    assert set(me.names(me.files.root)) == {b"below", b"other", b"gone"}
    gone = found(me, b"gone")
    (store / "gone").unlink()
    assert set(me.names(me.files.root)) == {b"below", b"other"}
    with refused(nfsstat3.NFS3ERR_STALE):
        me.getattr(gone)


def test_store_errors_are_io_errors(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the service is gone")

    me = opened()
    file = found(me, b"below", b"file")
    monkeypatch.setattr(LocalStore, "cat_file", fails)

    with refused(nfsstat3.NFS3ERR_IO):
        me.read(file)


def test_log_of_a_store_has_no_password(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise RuntimeError("http://user:hush@host/a\n503")

    store = RemoteStore(MemoryStore(), "http://user:hush@host/a")
    with pytest.raises(OSError, match="Input/output error"):
        asyncio.run(store.run(fails))
    store.close()

    assert caplog.messages == ["http://host/a: the store fails: http://host/a"]


def test_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        FsspecFileSystem("nothing://x")


@pytest.mark.parametrize("step", [3 << 30, 100 << 20], ids=["one", "many"])
def test_file_of_holes_is_refused(opened: Opened, step: int) -> None:
    """The store would have to keep gigabytes of zeros."""
    me = opened()
    file = me.create(me.files.root, b"holes")

    with refused(nfsstat3.NFS3ERR_FBIG):
        for number in range(1, 20):
            me.write(file, b"x", number * step, stable=stable_how.UNSTABLE)

    size = me.getattr(file).size
    assert size <= MAX_HOLES + 20
    with refused(nfsstat3.NFS3ERR_FBIG):
        me.setattr(file, NewAttributes(size=size + MAX_HOLES + 1))
    assert me.getattr(file).size == size
    me.setattr(file, NewAttributes(size=0))


class CachingStore(MemoryStore):  # type: ignore[misc]  # it has no types
    """A store that keeps what it has listed, as that of S3 does."""

    cachable = False

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        if path not in self.dircache:
            self.dircache[path] = [name for name in self.store if name == path]
        if not self.dircache[path]:
            raise FileNotFoundError(path)
        return dict(super().info(path, **options))

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()


def test_new_object_is_seen_behind_kept_listings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncrpc.nfs.backends.fsspec.store.KEEP", 0.0)
    files = CachingStore()
    store = RemoteStore(files, "/kept")

    async def main() -> None:
        assert await store.info(b"new") is None
        files.pipe_file("/kept/new", b"data")
        found = await store.info(b"new")
        assert found is not None
        assert found["size"] == 4

    asyncio.run(main())
    store.close()
    files.rm("/kept/new")


def test_change_by_another_program_has_its_time(
    opened: Opened, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncrpc.nfs.backends.fsspec.store.KEEP", 0.0)
    monkeypatch.setattr("oncrpc.nfs.backends.fsspec.written.COPY_KEPT", 0.0)
    me = opened()
    file = found(me, b"below", b"file")
    me.write(file, b"mine")
    me.setattr(file, NewAttributes(mtime=5))
    assert me.getattr(file).mtime == 5

    (store / "below/file").write_bytes(b"else")
    os.utime(store / "below/file", ns=(7, 2_000_000_000))

    assert (me.getattr(file).mtime, me.read(file)) == (2_000_000_000, b"else")
    assert me.readdir(found(me, b"below"), plus=True).entries[-1].attributes == me.getattr(file)


def test_moved_files_keep_their_times(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncrpc.nfs.backends.fsspec.store.KEEP", 0.0)
    monkeypatch.setattr("oncrpc.nfs.backends.fsspec.written.COPY_KEPT", 0.0)
    me = opened()
    file = found(me, b"below", b"file")
    me.setattr(file, NewAttributes(mtime=5))
    assert me.getattr(file).mtime == 5

    me.rename(me.files.root, b"below", me.files.root, b"moved")

    assert me.getattr(file).mtime == 5
