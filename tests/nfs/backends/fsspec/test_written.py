"""``oncrpc.nfs.backends.fsspec.written``: changes and removals while a file is uploaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("fsspec", reason="not installed: fsspec")

from fsspec.implementations.memory import MemoryFileSystem as MemoryStore

from oncrpc.nfs.backends.fsspec.store import RemoteStore
from oncrpc.nfs.backends.fsspec.written import MAX_WRITTEN_FILES, WrittenFiles

FIRST, LAST = 0, MAX_WRITTEN_FILES


class SlowStore(RemoteStore):
    """A store that remembers uploads; during the first one ``meanwhile`` is run."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "/slow")
        self.uploads: list[tuple[bytes, bytes]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def upload(self, path: bytes, descriptor: int) -> None:
        before, meanwhile = os.pread(descriptor, 99, 0), self.meanwhile
        if meanwhile is not None:
            self.meanwhile = None
            await meanwhile()
        assert os.pread(descriptor, len(before), 0), "the descriptor is still that of the file"
        self.uploads.append((path, before))


async def full(store: SlowStore) -> WrittenFiles:
    """As many files as have a copy at a time; the first is changed."""
    files = WrittenFiles(store, lambda number: b"%d" % number)
    for number in range(LAST):
        await files.open(number, empty=True)
    found = files.get(FIRST)
    assert found is not None
    found.write(0, b"old")
    return files


def test_change_during_an_upload_is_kept() -> None:
    async def changes() -> None:
        files = await full(store)

        async def change() -> None:
            (await files.open(FIRST)).write(0, b"new")

        store.meanwhile = change
        await files.open(LAST, empty=True)
        await files.commit(FIRST)
        files.close()

    store = SlowStore()
    asyncio.run(changes())
    store.close()

    assert store.uploads == [(b"0", b"old"), (b"0", b"new")]


def test_removal_waits_for_the_upload() -> None:
    async def removes() -> None:
        files = await full(store)
        removals = list[asyncio.Task[None]]()

        async def remove() -> None:
            removals.append(asyncio.ensure_future(files.drop(FIRST)))
            await asyncio.sleep(0)

        store.meanwhile = remove
        await files.commit(FIRST)
        await removals[0]
        assert files.get(FIRST) is None
        await files.commit(FIRST)
        files.close()

    store = SlowStore()
    asyncio.run(removes())
    store.close()

    assert store.uploads == [(b"0", b"old")]
