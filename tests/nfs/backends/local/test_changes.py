"""Changes of a local directory reach the disk before the answer, where the export asks for that."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows
from oncrpc.nfs.filesystem import Identity, NewAttributes, SyncError, Syncing
from oncrpc.programs.nfs3 import ftype3
from support.errnos import fails_with
from support.file_user import FileUser
from support.local_files import directory_on

FILE, WHOLE = Depth.FILE, Depth.FILESYSTEM


class Journal:
    """The syncs that were made: the first path and the depth of each."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.syncs: list[tuple[int, Depth]] = []
        self.failing = False
        self.calls = {depth: self._call(depth) for depth in Depth}

    def _call(self, depth: Depth) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            self.syncs.append((os.fstat(descriptor).st_ino, depth))
            if self.failing:
                raise OSError(errno.EIO, "broken disk")
            SYNC_CALLS[depth](descriptor)

        return call

    def taken(self) -> set[tuple[str, Depth]]:
        paths = [self._top, *sorted(self._top.rglob("*"), reverse=True)]
        names = {path.lstat().st_ino: str(path.relative_to(self._top)) for path in paths}
        found, self.syncs = self.syncs, []
        return {(names[number], depth) for number, depth in found}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    with directory_on("disk", tmp_path) as path:
        yield path


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path)


@pytest.fixture
def user(path: Path, journal: Journal) -> Iterator[FileUser]:
    files = LocalFileSystem(str(path), sync_calls=journal.calls)
    with asyncio.Runner() as runner:
        yield FileUser(files, Identity(0, 0), runner=runner)
    files.close()


def test_new_files_are_on_disk_with_their_directory(user: FileUser, journal: Journal) -> None:
    top = user.files.root
    directory = user.mkdir(top, b"d")
    assert journal.taken() == {(".", FILE), ("d", FILE)}

    user.create(directory, b"file")
    assert journal.taken() == {("d", FILE), ("d/file", FILE)}
    user.create(directory, b"exclusive", NewAttributes(atime=1, mtime=2))
    assert journal.taken() == {("d", FILE), ("d/exclusive", FILE)}
    user.symlink(directory, b"link", b"target")
    assert journal.taken() == {("d", FILE)}
    user.mknod(directory, b"fifo", ftype3.NF3FIFO)
    assert journal.taken() == {("d", FILE)}


def test_new_files_share_the_sync_of_their_directory(path: Path, journal: Journal) -> None:
    async def main() -> None:
        files = LocalFileSystem(str(path), sync_calls=journal.calls)
        root, new = Identity(0, 0), NewAttributes()
        made = [files.create(root, files.root, b"%d" % number, new) for number in range(16)]
        for each in made:
            assert isinstance(each, Syncing)
            await each
        files.close()

    asyncio.run(main())
    assert len(journal.syncs) == 1 + 16
    assert journal.taken() == {(".", FILE), *((str(number), FILE) for number in range(16))}


def test_removal_is_on_disk(user: FileUser, journal: Journal) -> None:
    top = user.files.root
    user.create(top, b"file")
    user.mkdir(top, b"d")
    journal.taken()

    user.remove(top, b"file")
    assert journal.taken() == {(".", FILE)}
    user.rmdir(top, b"d")
    assert journal.taken() == {(".", FILE)}


def test_rename_is_on_disk_in_both_directories(user: FileUser, journal: Journal) -> None:
    top = user.files.root
    one, two = user.mkdir(top, b"one"), user.mkdir(top, b"two")
    user.create(one, b"file")
    journal.taken()

    user.rename(one, b"file", two, b"file")
    assert journal.taken() == {("one", FILE), ("two", FILE)}
    user.rename(two, b"file", two, b"other")
    assert journal.taken() == {("two", FILE)}


def test_link_and_attributes_are_on_disk(user: FileUser, journal: Journal) -> None:
    top = user.files.root
    file = user.create(top, b"file")
    journal.taken()

    user.link(file, top, b"link")
    assert journal.taken() == {(".", FILE), ("file", FILE)}
    user.setattr(file, NewAttributes(mode=0o600, size=5))
    assert journal.taken() == {("file", FILE)}


def test_files_that_cannot_be_opened_sync_everything(user: FileUser, journal: Journal) -> None:
    """A FIFO or a symbolic link cannot be given to fsync."""
    link = user.symlink(user.files.root, b"link", b"target")
    fifo = user.mknod(user.files.root, b"fifo", ftype3.NF3FIFO)
    journal.taken()

    for file in (link, fifo):
        user.setattr(file, NewAttributes(mtime=5))
        assert journal.taken() == {(".", WHOLE)}


def test_failed_sync_fails_the_change(user: FileUser, journal: Journal) -> None:
    journal.failing = True

    with pytest.raises(SyncError):
        user.create(user.files.root, b"file")


def test_async_export_does_not_wait(path: Path, journal: Journal) -> None:
    files = LocalFileSystem(str(path), sync=False, sync_calls=journal.calls)
    who = Identity(0, 0)

    file = files.create(who, files.root, b"file", NewAttributes())
    assert isinstance(file, bytes), "an answer without an event loop"
    assert files.setattr(who, file, NewAttributes(mode=0o600)) is None
    files.link(who, file, files.root, b"link")
    files.rename(who, files.root, b"link", files.root, b"other")
    files.remove(who, files.root, b"file")
    files.close()

    assert journal.taken() == set()


def test_new_id_of_a_table_is_on_disk(path: Path, tmp_path: Path) -> None:
    class Synced(HandleTable):
        syncs = 0

        def sync(self) -> None:
            self.syncs += 1
            super().sync()

    table = Synced(os.fsencode(path), Rows(str(tmp_path / "table")))
    with asyncio.Runner() as runner:
        files = LocalFileSystem(str(path), objects=table)
        user = FileUser(files, Identity(0, 0), runner=runner)
        user.create(files.root, b"file")
        assert table.syncs == 1
        user.remove(files.root, b"file")
        assert table.syncs == 1
        files.close()


def test_table_follows_names(path: Path, tmp_path: Path) -> None:
    table = HandleTable(os.fsencode(path), Rows(str(tmp_path / "table")))
    files = LocalFileSystem(str(path), objects=table, sync=False)
    with asyncio.Runner() as runner:
        user = FileUser(files, Identity(0, 0), runner=runner)
        directory = user.mkdir(files.root, b"d")
        file = user.create(directory, b"file")
        user.link(file, files.root, b"link")
        gone = user.create(files.root, b"gone")

        user.rename(files.root, b"d", files.root, b"moved")
        user.rename(directory, b"file", files.root, b"gone")
        user.remove(files.root, b"link")

        assert user.getattr(file).fileid == (path / "gone").stat().st_ino
        with fails_with(errno.ESTALE):
            user.getattr(gone)
        files.close()


def test_device_needs_the_super_user(user: FileUser) -> None:
    ann = user.like(Identity(1000, 1000))

    with fails_with(errno.EPERM):
        ann.mknod(user.files.root, b"disk", ftype3.NF3BLK, device=(8, 0))
    user.mknod(user.files.root, b"disk", ftype3.NF3BLK, device=(8, 1))

    found = user.getattr(user.lookup(user.files.root, b"disk"))
    assert (found.kind, found.device) == (ftype3.NF3BLK, (8, 1))


def test_link_of_a_symlink_names_the_link(user: FileUser, path: Path) -> None:
    link = user.symlink(user.files.root, b"link", b"/etc/passwd")

    user.link(link, user.files.root, b"other")

    assert user.lookup(user.files.root, b"other") == link
    assert os.readlink(path / "other") == "/etc/passwd"


def test_new_owner_that_is_refused_is_ignored(user: FileUser) -> None:
    """Some clients send a user and a group with each new file; the Linux server ignores them."""
    ann = user.like(Identity(1000, 1001))

    for name, make in ((b"a", ann.create), (b"b", ann.mkdir)):
        found = ann.getattr(make(user.files.root, name, NewAttributes(uid=0, gid=0, mode=0o700)))
        assert (found.uid, found.gid, found.mode) == (1000, 1001, 0o700)


def test_setuid_bits_of_new_files_are_kept(user: FileUser) -> None:
    ann = user.like(Identity(1000, 1001))

    file = ann.create(user.files.root, b"file", NewAttributes(mode=0o6755, mtime=5))

    assert ann.getattr(file).mode == 0o6755
