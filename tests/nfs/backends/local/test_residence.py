"""Whether a part of a file is in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import residence
from oncrpc.nfs.backends.local.residence import (
    AHEAD,
    BLOCK,
    LIFETIME,
    MAX_BLOCKS,
    PAGE,
    ResidentBlocks,
    in_memory,
    pages_in_memory,
)

SIZE = 64 * PAGE


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    found = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.write(found, bytes(SIZE))
    os.fsync(found)
    try:
        os.preadv(found, [bytearray(1)], 0, os.RWF_NOWAIT)
    except OSError:
        pytest.skip("the file system cannot tell what is in memory")
    yield found
    os.close(found)


def drop(descriptor: int, first: int = 0, pages: int = 0) -> None:
    """Drop some pages from memory."""
    os.posix_fadvise(descriptor, first * PAGE, pages * PAGE, os.POSIX_FADV_DONTNEED)


def test_written_data_are_in_memory(descriptor: int) -> None:
    assert in_memory(descriptor, 0, SIZE)
    assert in_memory(descriptor, 5, 1)


def test_dropped_data_are_not_in_memory(descriptor: int) -> None:
    drop(descriptor)

    assert not in_memory(descriptor, 0, SIZE)


def test_missing_page_in_the_middle_is_noticed(descriptor: int) -> None:
    drop(descriptor, 31, 2)

    if pages_in_memory(descriptor, 0, SIZE) == SIZE // PAGE:
        pytest.skip("the kernel kept the page")
    assert not in_memory(descriptor, 0, SIZE)
    assert in_memory(descriptor, 0, 16 * PAGE)


def test_old_kernels_are_asked_page_by_page(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residence, "pages_in_memory", lambda *_: None)
    assert in_memory(descriptor, 0, SIZE)

    drop(descriptor, 31, 2)
    if pages_in_memory(descriptor, 0, SIZE) == SIZE // PAGE:
        pytest.skip("the kernel kept the page")
    assert not in_memory(descriptor, 0, SIZE)


def test_answer_is_kept_for_a_moment(descriptor: int) -> None:
    resident = ResidentBlocks()
    assert not resident.known(0, SIZE, 10.0)

    assert resident.ask(descriptor, 0, SIZE, SIZE)

    assert resident.known(PAGE, PAGE, 10.0)
    assert resident.known(0, SIZE, 10.0 + LIFETIME / 2)
    assert not resident.known(0, SIZE, 10.0 + LIFETIME)


def test_block_missing_in_part_is_not_kept(descriptor: int) -> None:
    resident = ResidentBlocks()
    resident.known(0, SIZE, 10.0)
    drop(descriptor, 15, 1)
    if pages_in_memory(descriptor, 0, BLOCK) == BLOCK // PAGE:
        pytest.skip("the kernel kept the page")

    assert resident.ask(descriptor, 0, 4 * PAGE, SIZE)
    assert not resident.ask(descriptor, 0, BLOCK, SIZE)
    assert not resident.known(0, 4 * PAGE, 10.0)


def test_reading_in_order_asks_the_kernel_ahead(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, bytes(AHEAD * BLOCK + 100), 0)
    resident = ResidentBlocks()
    resident.known(0, BLOCK, 10.0)
    size = os.fstat(descriptor).st_size

    assert resident.ask(descriptor, 0, BLOCK, size)
    assert not resident.known(0, 2 * BLOCK, 10.0)
    assert resident.ask(descriptor, BLOCK, BLOCK, size)

    assert resident.known(0, size, 10.0)


def test_known_blocks_are_bounded(descriptor: int) -> None:
    resident = ResidentBlocks()
    resident.blocks.update(range(100, 100 + MAX_BLOCKS))

    assert resident.ask(descriptor, 0, BLOCK, SIZE)

    assert resident.blocks == {0}
