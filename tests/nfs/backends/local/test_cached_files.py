"""Files that are kept open between calls: how many, for how long, and when they are closed."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import cached_files
from oncrpc.nfs.backends.local.cached_files import CLOSED, CachedFiles
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles
from oncrpc.nfs.backends.local.objects import looked_at
from oncrpc.testing import ManualClock
from support.errnos import fails_with


class Cache:
    """A cache of three files of a directory."""

    def __init__(self, place: Path) -> None:
        self.place, self.clock = place, ManualClock()
        self.objects = KernelHandles(str(place))
        self.files = CachedFiles(self.objects, most=3, idle=3.0, clock=self.clock)

    def id_of(self, name: str) -> bytes:
        (self.place / name).touch()
        found = looked_at(os.open(self.place / name, os.O_PATH))
        try:
            return self.objects.id_of(found, directory=self.objects.root, name=name.encode())
        finally:
            os.close(found.descriptor)


@pytest.fixture
def cache(place: Path) -> Iterator[Cache]:
    found = Cache(place)
    yield found
    found.files.close()
    found.objects.close()


def test_a_file_is_opened_once(cache: Cache) -> None:
    async def scenario() -> None:
        file = cache.id_of("one")
        assert cache.files.get(file) is cache.files.get(file)

    asyncio.run(scenario())


def test_file_that_was_not_used_makes_room(cache: Cache) -> None:
    async def scenario() -> None:
        ids = [cache.id_of(name) for name in "abcd"]
        first, second, third = (cache.files.get(file) for file in ids[:3])
        cache.clock.advance(1)
        cache.files.get(ids[0])
        fourth = cache.files.get(ids[3])
        closed = [each.descriptor == CLOSED for each in (first, second, third, fourth)]
        assert closed == [False, True, False, False]
        assert len(cache.files) == 3

    asyncio.run(scenario())


def test_removed_file_is_closed_at_once(cache: Cache) -> None:
    async def scenario() -> None:
        kept = cache.files.get(cache.id_of("one"))
        cache.files.forget_removed(kept.place)
        assert kept.descriptor != CLOSED
        (cache.place / "one").unlink()
        cache.files.forget_removed(kept.place)
        assert kept.descriptor == CLOSED
        assert not cache.files

    asyncio.run(scenario())


def test_file_with_other_permissions_is_opened_again(cache: Cache) -> None:
    async def scenario() -> None:
        file = cache.id_of("one")
        kept = cache.files.get(file)
        cache.files.forget_changed(kept.place)
        cache.files.forget_changed(kept.place)
        assert kept.descriptor == CLOSED
        assert cache.files.get(file) is not kept

    asyncio.run(scenario())


def test_idle_files_are_closed_after_some_time(cache: Cache) -> None:
    files = CachedFiles(cache.objects, idle=0.01)

    async def scenario() -> None:
        kept = files.get(cache.id_of("one"))
        kept.reading = os.open(cache.place / "one", os.O_RDONLY)
        async with asyncio.timeout(10):
            while files:
                await asyncio.sleep(0.01)
        assert (kept.descriptor, kept.reading, kept.writing) == (CLOSED, CLOSED, CLOSED)

    asyncio.run(scenario())


def test_nothing_is_opened_after_close(cache: Cache) -> None:
    async def scenario() -> None:
        file = cache.id_of("one")
        cache.files.close()
        with fails_with(errno.ESTALE):
            cache.files.get(file)

    asyncio.run(scenario())


def test_file_is_not_open_for_writing_for_long(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_files, "WRITTEN", 0.01)
    files = CachedFiles(cache.objects)

    async def scenario() -> None:
        kept = files.get(cache.id_of("one"))
        kept.writing = os.open(cache.place / "one", os.O_WRONLY)
        async with asyncio.timeout(10):
            while kept.writing != CLOSED:
                await asyncio.sleep(0.01)
        assert kept.descriptor != CLOSED
        files.close()

    asyncio.run(scenario())


def test_kept_file_is_found_until_it_is_removed(cache: Cache) -> None:
    async def scenario() -> None:
        file = cache.id_of("one")
        assert cache.files.find(file) is None
        kept = cache.files.get(file)
        found = cache.files.find(file)
        assert found is not None
        assert (found.descriptor, found.place) == (kept.descriptor, kept.place)

        (cache.place / "one").unlink()
        with fails_with(errno.ESTALE):
            cache.files.find(file)
        assert not cache.files

    asyncio.run(scenario())
