"""Data that were written UNSTABLE are not lost without a word."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.group_sync import Depth, GroupSync
from oncrpc.nfs.backends.local.identity import identities
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.objects import Place
from oncrpc.nfs.backends.local.unstable import UnstableFiles
from oncrpc.nfs.backends.local.workers import DiskWorkers
from oncrpc.nfs.filesystem import Identity, SyncError
from oncrpc.programs.nfs3 import stable_how
from support.errnos import fails_with
from support.file_user import FileUser
from support.local_files import directory_on

ROOT = Identity(0, 0)


class Files:
    """Descriptors of new files, and syncs of them that fail on request."""

    def __init__(self, tmp_path: Path, *, most: int, idle: float) -> None:
        self._path = tmp_path
        self.synced: list[int] = []
        self.opened: list[int] = []
        self.failing = False
        self.workers = DiskWorkers(identities())
        calls: dict[Depth, Callable[[int], None]] = dict.fromkeys(Depth, self._sync)
        self.group = GroupSync(self.workers, calls=calls)
        self.kept = UnstableFiles(self.group, most=most, idle=idle)

    def _sync(self, descriptor: int) -> None:
        self.synced.append(os.fstat(descriptor).st_ino)
        if self.failing:
            raise OSError(errno.EIO, "broken disk")

    def write(self, name: str) -> Place:
        """Write to a file; returns its place."""
        descriptor = os.open(self._path / name, os.O_CREAT | os.O_WRONLY)
        self.opened.append(descriptor)
        found = os.fstat(descriptor)
        self.kept.keep((found.st_dev, found.st_ino), descriptor)
        return found.st_dev, found.st_ino

    async def settle(self) -> None:
        """Wait for what the workers do."""
        while self.group.busy:
            await asyncio.sleep(0)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path, most=3, idle=3600)
    yield files
    files.kept.close()
    files.workers.close()


def test_first_descriptor_of_a_file_is_kept(files: Files) -> None:
    async def main() -> None:
        place = files.write("file")
        files.write("file")
        first, second = files.opened

        assert files.kept.take(place) == first
        assert files.kept.take(place) is None
        os.close(first)
        with fails_with(errno.EBADF):
            os.fstat(second)

    asyncio.run(main())


def test_oldest_file_is_brought_to_disk(files: Files) -> None:
    async def main() -> None:
        places = [files.write(name) for name in "abc"]
        files.write("a")
        files.write("d")
        await files.settle()

        assert files.synced == [places[1][1]]
        assert (len(files.kept), files.group.lost) == (3, False)

    asyncio.run(main())


def test_idle_files_are_brought_to_disk(tmp_path: Path) -> None:
    files = Files(tmp_path, most=3, idle=0)

    async def main() -> None:
        place = files.write("a")
        while len(files.kept):
            await asyncio.sleep(0)
        await files.settle()
        assert files.synced == [place[1]]

    asyncio.run(main())
    files.kept.close()
    files.workers.close()


def test_failure_in_the_background_is_kept(files: Files) -> None:
    async def main() -> None:
        files.failing = True
        for name in "abcd":
            files.write(name)
        await files.settle()
        assert files.group.lost

    asyncio.run(main())


def test_removed_file_is_closed(files: Files, tmp_path: Path) -> None:
    async def main() -> None:
        place = files.write("a")
        (tmp_path / "link").hardlink_to(tmp_path / "a")
        (tmp_path / "a").unlink()
        files.kept.forget_removed(place)
        assert len(files.kept) == 1
        (tmp_path / "link").unlink()
        files.kept.forget_removed(place)
        assert len(files.kept) == 0

    asyncio.run(main())


@pytest.fixture
def user(tmp_path: Path) -> Iterator[FileUser]:
    with directory_on("disk", tmp_path) as path, asyncio.Runner() as runner:
        files = LocalFileSystem(str(path))
        yield FileUser(files, ROOT, runner=runner)
        files.close()


def local_of(user: FileUser) -> LocalFileSystem:
    assert isinstance(user.files, LocalFileSystem)
    return user.files


def unstable_of(user: FileUser) -> UnstableFiles:
    return local_of(user).unstable


def written(user: FileUser, name: bytes) -> bytes:
    file = user.create(user.files.root, name)
    user.write(file, b"data", stable=stable_how.UNSTABLE)
    return file


def test_commit_ends_the_keeping(user: FileUser) -> None:
    file = written(user, b"file")
    assert len(unstable_of(user)) == 1

    user.commit(file)

    assert len(unstable_of(user)) == 0


def test_removing_and_replacing_free_the_space(user: FileUser) -> None:
    written(user, b"removed")
    written(user, b"replaced")
    written(user, b"kept")

    user.remove(user.files.root, b"removed")
    user.rename(user.files.root, b"kept", user.files.root, b"replaced")

    assert len(unstable_of(user)) == 1


def test_loss_fails_the_next_commit_of_any_file(user: FileUser) -> None:
    """The client gets JUKEBOX, asks again, and finds another verifier."""
    file = written(user, b"file")
    local_of(user).group.lost = True

    with pytest.raises(SyncError) as caught:
        user.commit(file)
    user.commit(file)

    assert caught.value.errno == errno.EAGAIN


def test_closed_file_system_keeps_nothing(user: FileUser) -> None:
    written(user, b"file")
    before = unstable_of(user)

    before.close()

    assert len(before) == 0
    with fails_with(errno.ESTALE):
        user.commit(b"\x01nothing")


def test_kept_files_are_reported_with_writers(user: FileUser) -> None:
    file = user.create(user.files.root, b"file")
    for host in ("192.0.2.1", "192.0.2.2"):
        writer = user.like(ROOT._replace(host=host))
        writer.write(file, b"data", stable=stable_how.UNSTABLE)

    (kept,) = user.files.kept_files()
    assert (kept.host, kept.unsynced) == ("192.0.2.2", 8)
    assert kept.path == user.files.path_of(file)
    assert (kept.path or b"").endswith(b"/file")
    assert kept.age >= kept.idle >= 0

    user.commit(file)
    assert user.files.kept_files() == []
