"""Those that wait for one file share one sync, and its failure."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth, GroupSync
from oncrpc.nfs.backends.local.identity import identities
from oncrpc.nfs.backends.local.workers import DiskWorkers
from oncrpc.nfs.filesystem import SyncError
from support.errnos import fails_with

DEADLINE = 10


class SlowDisk:
    """A disk whose syncs end when the test says so. ``calls`` are those that have begun."""

    def __init__(self, tmp_path: Path) -> None:
        self._path = tmp_path / "file"
        self._path.touch()
        self.calls: list[Depth] = []
        self.descriptors: list[int] = []
        self.opened: list[int] = []
        self._begun, self._end = threading.Semaphore(0), threading.Semaphore(0)
        self._failing = 0
        self.workers = DiskWorkers(identities())
        self.group = GroupSync(
            self.workers, calls={depth: self._call_for(depth) for depth in Depth}
        )

    def _call_for(self, depth: Depth) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            self.calls.append(depth)
            self.descriptors.append(descriptor)
            self._begun.release()
            assert self._end.acquire(timeout=DEADLINE)
            if self._failing:
                self._failing -= 1
                raise OSError(errno.EIO, "broken disk")

        return call

    def ask(
        self, key: str = "file", depth: Depth = Depth.FILE, *, first: bool = False
    ) -> asyncio.Future[None]:
        self.opened.append(os.open(self._path, os.O_RDONLY))
        return self.group.sync(key, self.opened[-1], depth, first=first)

    async def begun(self) -> None:
        """Wait until one more sync has begun."""
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, self._begun.acquire, True, DEADLINE)

    def end(self, *, failing: bool = False) -> None:
        """Let one sync end."""
        self._failing += failing
        self._end.release()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SlowDisk]:
    disk = SlowDisk(tmp_path)
    yield disk
    disk.workers.close()


def test_calls_that_arrive_together_share_a_sync(disk: SlowDisk) -> None:
    async def main() -> None:
        asked = [disk.ask() for _ in range(5)]
        disk.end()
        await asyncio.gather(*asked)

    asyncio.run(main())

    assert disk.calls == [Depth.FILE]


def test_call_during_a_sync_waits_for_another(disk: SlowDisk) -> None:
    async def main() -> None:
        first = disk.ask()
        await disk.begun()
        second, third = disk.ask(), disk.ask()
        disk.end()
        await first
        assert not second.done()
        disk.end()
        await asyncio.gather(second, third)

    asyncio.run(main())

    assert len(disk.calls) == 2


def test_shared_sync_is_the_deepest_asked_for(disk: SlowDisk) -> None:
    async def main() -> None:
        asked = [disk.ask(depth=depth) for depth in (Depth.DATA, Depth.FILE, Depth.DATA)]
        disk.end()
        await asyncio.gather(*asked)

    asyncio.run(main())

    assert disk.calls == [Depth.FILE]


def test_files_are_synced_side_by_side(disk: SlowDisk) -> None:
    async def main() -> None:
        asked = [disk.ask("one"), disk.ask("two")]
        await disk.begun()
        await disk.begun()
        disk.end()
        disk.end()
        await asyncio.gather(*asked)

    asyncio.run(main())

    assert len(disk.calls) == 2


def test_failure_counts_for_all_that_wait(disk: SlowDisk) -> None:
    async def main() -> list[object]:
        asked = [disk.ask(), disk.ask()]
        await disk.begun()
        later = disk.ask()
        disk.end(failing=True)
        return list(await asyncio.gather(*asked, later, return_exceptions=True))

    found = asyncio.run(main())

    assert [(type(error), getattr(error, "errno", 0)) for error in found] == [
        (SyncError, errno.EIO)
    ] * 3
    assert disk.group.failures == 1
    assert len(disk.calls) == 1


def test_next_sync_after_a_failure_may_succeed(disk: SlowDisk) -> None:
    async def main() -> None:
        first = disk.ask()
        disk.end(failing=True)
        with pytest.raises(SyncError):
            await first
        disk.end()
        await disk.ask()

    asyncio.run(main())


def test_descriptors_are_closed_by_the_group(disk: SlowDisk) -> None:
    async def main() -> None:
        asked = [disk.ask(), disk.ask()]
        await disk.begun()
        asked.append(disk.ask())
        disk.end(failing=True)
        await asyncio.gather(*asked, return_exceptions=True)

    before = set(os.listdir("/proc/self/fd"))
    asyncio.run(main())

    assert set(os.listdir("/proc/self/fd")) <= before
    with fails_with(errno.EBADF):
        os.fstat(disk.descriptors[0])


def test_sync_ends_though_nobody_waits(disk: SlowDisk) -> None:
    async def main() -> None:
        given_up, other = disk.ask(), disk.ask()
        await disk.begun()
        given_up.cancel()
        disk.end()
        await other

    asyncio.run(main())


def test_failure_that_nobody_hears_is_kept(disk: SlowDisk) -> None:
    async def main() -> None:
        given_up, other = disk.ask(), disk.ask()
        await disk.begun()
        given_up.cancel()
        disk.end(failing=True)
        with pytest.raises(SyncError):
            await other

    asyncio.run(main())

    assert disk.group.lost


def test_descriptor_that_was_opened_first_is_synced(disk: SlowDisk) -> None:
    async def main() -> None:
        asked = [disk.ask()]
        await disk.begun()
        asked += [disk.ask(), disk.ask(first=True), disk.ask()]
        disk.end()
        disk.end()
        await asyncio.gather(*asked)

    asyncio.run(main())

    assert disk.descriptors == [disk.opened[0], disk.opened[2]]


@pytest.mark.parametrize("depth", Depth)
def test_system_calls_take_a_file(tmp_path: Path, depth: Depth) -> None:
    with (tmp_path / "file").open("wb") as file:
        SYNC_CALLS[depth](file.fileno())


def test_deepest_wish_of_a_round_counts(disk: SlowDisk) -> None:
    async def main() -> None:
        asked = [
            disk.ask(),
            disk.group.join("file", Depth.FILE),
            disk.group.join("file", Depth.DATA),
        ]
        disk.end()
        await asyncio.gather(*(each for each in asked if each is not None))

        assert disk.calls == [Depth.FILE]
        assert None not in asked

    asyncio.run(main())


def test_new_files_are_synced_with_their_directory(disk: SlowDisk) -> None:
    async def main() -> None:
        asked: list[asyncio.Future[None] | None] = [disk.ask()]
        assert disk.group.join("other", Depth.FILE) is None
        for _ in range(2):
            asked.append(disk.group.join("file", Depth.FILE))
            disk.opened.append(os.dup(disk.opened[0]))
            disk.group.add_new_file("file", disk.opened[-1])
        for _ in range(3):
            disk.end()
        await asyncio.gather(*(each for each in asked if each is not None))

        assert disk.descriptors == disk.opened
        assert disk.calls == [Depth.FILE] * 3
        assert len(asked) == 3

    asyncio.run(main())
    assert not any(map(_is_open, disk.opened))


def test_new_file_that_fails_refuses_the_round(disk: SlowDisk) -> None:
    async def main() -> None:
        first = disk.ask()
        disk.opened.append(os.dup(disk.opened[0]))
        disk.group.add_new_file("file", disk.opened[-1])
        await disk.begun()
        second = disk.ask()
        disk.opened.append(os.dup(disk.opened[0]))
        disk.group.add_new_file("file", disk.opened[-1])
        disk.end()
        disk.end(failing=True)

        for each in (first, second):
            with pytest.raises(SyncError):
                await each

    asyncio.run(main())
    assert not any(map(_is_open, disk.opened))


def test_new_file_without_a_round_is_closed(disk: SlowDisk, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    disk.group.add_new_file("file", descriptor)

    assert not _is_open(descriptor)


def _is_open(descriptor: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{descriptor}")
