"""Releasing ranges on local files, little by little."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.locks.late_releases import LateReleases
from oncrpc.nfs.locks.local_locks import MOST_AT_ONCE, LocalLocks
from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import ByteRange
from support.locking import FILE, lock
from support.loops import in_loop

ISLANDS = 2 * MOST_AT_ONCE + 5
WHOLE = ByteRange(0, 2 * ISLANDS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file"


@pytest.fixture
def local(path: Path) -> Iterator[LocalLocks]:
    found = LocalLocks(most=1)
    found.add(FILE, os.open(path, os.O_RDWR))
    yield found
    found.close_all()


@pytest.fixture
def process(path: Path) -> Iterator[LocalLocks]:
    """A local process, as its locks are to others."""
    found = LocalLocks(most=1)
    found.add(FILE, os.open(path, os.O_RDWR))
    yield found
    found.close_all()


@pytest.fixture
def table() -> LockTable:
    """Every second byte is locked."""
    found = LockTable()
    for number in range(ISLANDS):
        found.set(FILE, lock(0, 2 * number, 2 * number + 1, exclusive=False), now=1)
    return found


def free(process: LocalLocks) -> list[int]:
    """The bytes that a local process could lock."""
    return [
        at for at in range(WHOLE.end)
        if process.holder(FILE, ByteRange(at, at + 1), exclusive=True) is None
    ]  # fmt: skip


@in_loop
async def test_many_parts_are_released_later(
    local: LocalLocks, process: LocalLocks, table: LockTable
) -> None:
    local.take(FILE, WHOLE, exclusive=False)
    releases = LateReleases(local, table)

    releases.release(FILE, WHOLE)

    assert free(process) == [*range(1, 2 * MOST_AT_ONCE - 1, 2)]
    while releases.left:
        await asyncio.sleep(0)
    assert free(process) == [*range(1, WHOLE.end, 2)]


@in_loop
async def test_lock_of_released_bytes_is_kept(
    local: LocalLocks, process: LocalLocks, table: LockTable
) -> None:
    local.take(FILE, WHOLE, exclusive=False)
    releases = LateReleases(local, table)
    releases.release(FILE, WHOLE)
    last = WHOLE.end - 1

    table.set(FILE, lock(1, last, last + 1), now=1)
    local.take(FILE, ByteRange(last, last + 1), exclusive=True)
    releases.release(FILE, ByteRange(0, 1))
    while releases.left:
        await asyncio.sleep(0)

    assert free(process) == [*range(1, last, 2)]


@in_loop
async def test_closed_file_is_forgotten(local: LocalLocks, table: LockTable) -> None:
    local.take(FILE, WHOLE, exclusive=False)
    releases = LateReleases(local, table)
    releases.release(FILE, WHOLE)

    local.close(FILE)
    while releases.left:
        await asyncio.sleep(0)

    assert FILE not in local


@in_loop
async def test_nothing_is_released_after_the_end(
    local: LocalLocks, process: LocalLocks, table: LockTable
) -> None:
    local.take(FILE, WHOLE, exclusive=False)
    releases = LateReleases(local, table)
    releases.release(FILE, WHOLE)
    left = releases.left[FILE]

    releases.close()

    assert not releases.left
    assert left.end - 1 not in free(process)
