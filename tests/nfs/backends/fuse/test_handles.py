"""``oncrpc.nfs.backends.fuse.handles``, over an object in memory."""

from __future__ import annotations

import asyncio
import errno

import pytest

from oncrpc.nfs.backends.fuse.handles import IDLE_SECONDS, MAX_OPEN_HANDLES, FileHandles
from oncrpc.nfs.backends.fuse.known import KnownFile, KnownFiles
from oncrpc.nfs.backends.fuse.path_tree import PathTree
from oncrpc.nfs.filesystem import Identity, SyncError
from oncrpc.nfs.posix import refusal
from support.memory_operations import OWNER, MemoryOperations

ALICE = Identity(10001, 10001)


class OpenedFiles(MemoryOperations):
    """An object that records how its files are opened. ``error`` is raised by ``flush``."""

    def __init__(self) -> None:
        super().__init__()
        self.flags: list[int] = []
        self.refused: set[int] = set()
        self.error: OSError | None = None

    def open(self, path: str, flags: int) -> int:
        self.flags.append(flags)
        if flags in self.refused:
            raise refusal(errno.EACCES)
        return super().open(path, flags)

    def flush(self, path: str, fh: int) -> int:
        if self.error is not None:
            raise self.error
        return super().flush(path, fh)


class Site:
    """Handles of files of an object, and a clock that the test sets."""

    def __init__(self, *, by_user: bool = False) -> None:
        self.now = 0.0
        self.operations = OpenedFiles()
        self.files = KnownFiles()
        tree = PathTree(
            self.operations, self.files, encoding="utf-8", threads=1, max_file_size=1 << 20
        )
        self.handles = FileHandles(tree, by_user=by_user, clock=lambda: self.now)

    def file(self, name: str) -> KnownFile:
        """A file of the object that is not open."""
        self.operations.create("/" + name, 0o644, 0)
        self.operations.handles.clear()
        return self.files.add(self.files.root, name.encode())

    async def read(self, file: KnownFile, who: Identity = OWNER) -> int:
        """Read; returns the number of the handle."""
        async with self.handles.using(who, file, write=False) as handle:
            return handle.number

    async def write(self, file: KnownFile) -> int:
        """Write; returns the number of the handle."""
        async with self.handles.using(OWNER, file, write=True) as handle:
            handle.dirty = True
            return handle.number


@pytest.fixture
def site() -> Site:
    return Site()


def test_file_stays_open_between_calls(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        assert await site.read(file) == await site.read(file)

    asyncio.run(calls())
    assert len(site.operations.flags) == 1


def test_handle_for_writing_is_also_read(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        await site.read(file)
        await site.write(file)
        await site.read(file)

    asyncio.run(calls())
    assert site.operations.flags == [0, 2]
    assert len(site.operations.handles) == 1


def test_file_is_opened_for_writing_only_if_refused(site: Site) -> None:
    file = site.file("a")
    site.operations.refused = {2}

    asyncio.run(site.write(file))

    assert site.operations.flags == [2, 1]


def test_unused_handle_is_closed(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        await site.read(file)
        site.now = IDLE_SECONDS - 0.1
        await site.handles.close_idle()
        assert len(site.handles) == 1
        site.now = IDLE_SECONDS
        await site.handles.close_idle()

    asyncio.run(calls())
    assert (len(site.handles), site.operations.handles, file.held) == (0, {}, 0)


def test_number_of_handles_is_bounded(site: Site) -> None:
    files = [site.file(f"{number}") for number in range(MAX_OPEN_HANDLES + 1)]

    async def calls() -> None:
        for file in files:
            await site.read(file)

    asyncio.run(calls())
    assert len(site.operations.handles) == len(site.handles) == MAX_OPEN_HANDLES


def test_handle_in_use_is_closed_after_use(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        async with site.handles.using(OWNER, file, write=False) as handle:
            await site.handles.close(file)
            assert handle.number in site.operations.handles

    asyncio.run(calls())
    assert site.operations.handles == {}


def test_sync_stores_data_once(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        await site.write(file)
        await site.handles.sync(file)
        await site.handles.sync(file)

    asyncio.run(calls())
    assert [name for name, _ in site.operations.calls] == ["flush", "fsync"]


def test_object_without_fsync_stores_by_release() -> None:
    site = Site()
    file = site.file("a")
    site.operations.fsync = None  # type: ignore[method-assign,assignment]  # it has no such method

    async def calls() -> None:
        await site.write(file)
        await site.handles.sync(file)

    asyncio.run(calls())
    assert [name for name, _ in site.operations.calls] == ["flush", "flush", "release"]


def test_failed_sync_is_reported(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        await site.write(file)
        site.operations.error = refusal(errno.ENOSPC)
        with pytest.raises(SyncError) as raised:
            await site.handles.sync(file)
        assert raised.value.errno == errno.ENOSPC
        await site.handles.sync(file)

    asyncio.run(calls())


def test_data_lost_at_closing_are_reported(site: Site) -> None:
    file = site.file("a")

    async def calls() -> None:
        await site.write(file)
        site.operations.error = refusal(errno.EIO)
        await site.handles.close(file)
        with pytest.raises(SyncError):
            await site.handles.sync(file)

    asyncio.run(calls())


def test_users_share_no_handle_if_the_object_checks() -> None:
    site = Site(by_user=True)
    file = site.file("a")

    async def calls() -> None:
        assert await site.read(file) != await site.read(file, ALICE)
        await site.handles.close(file)

    asyncio.run(calls())
    assert site.operations.handles == {}
