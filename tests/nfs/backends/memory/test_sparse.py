"""``oncrpc.nfs.backends.memory.sparse``: data with holes, in bounded memory."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.memory.sparse import BLOCK, Space, SparseData

PLENTY = 1 << 20
near_blocks = st.builds(
    lambda number, rest: max(number * BLOCK + rest, 0), st.integers(0, 3), st.integers(-3, 3)
)
writes = st.tuples(st.just("write"), near_blocks, st.binary(min_size=1, max_size=2 * BLOCK))
truncations = st.tuples(st.just("truncate"), near_blocks, st.just(b""))


def after_write(model: bytes, offset: int, data: bytes) -> bytes:
    return model[:offset].ljust(offset, b"\0") + data + model[offset + len(data) :]


@given(st.lists(writes | truncations, max_size=8), near_blocks, st.integers(0, 3 * BLOCK))
def test_data_are_those_of_one_string(
    steps: list[tuple[str, int, bytes]], offset: int, count: int
) -> None:
    space = Space(PLENTY)
    data, model = SparseData(space), b""

    for step, at, given_data in steps:
        if step == "write":
            assert data.write(at, given_data) == len(given_data)
            model = after_write(model, at, given_data)
        else:
            data.truncate(at)
            model = model[:at].ljust(at, b"\0")

    assert data.size == len(model)
    assert data.read(0, len(model) + 1) == model
    assert data.read(offset, count) == model[offset : offset + count]
    assert space.used == data.used <= -(-len(model) // BLOCK) * BLOCK


def test_last_byte_of_largest_file_takes_one_block() -> None:
    data = SparseData(Space(BLOCK))

    data.write((1 << 63) - 2, b"x")

    assert (data.size, data.used) == ((1 << 63) - 1, BLOCK)
    assert data.read((1 << 63) - 4, 10) == b"\0\0x"


def test_truncation_gives_space_back() -> None:
    space = Space(2 * BLOCK)
    data = SparseData(space)
    data.write(0, bytes(2 * BLOCK))

    data.truncate(BLOCK)

    assert space.free == BLOCK


def test_bytes_beyond_a_former_end_are_zero() -> None:
    data = SparseData(Space(PLENTY))
    data.write(0, b"secret")

    data.truncate(2)
    data.truncate(6)

    assert data.read(0, 6) == b"se\0\0\0\0"


def test_full_space_shortens_a_write() -> None:
    data = SparseData(Space(BLOCK))

    assert data.write(10, bytes(BLOCK)) == BLOCK - 10
    assert data.size == BLOCK


def test_full_space_refuses_a_write() -> None:
    data = SparseData(Space(BLOCK))
    data.write(0, b"x")

    with pytest.raises(OSError, match="No space") as refused:
        data.write(BLOCK, b"x")

    assert (refused.value.errno, data.size) == (errno.ENOSPC, 1)


def test_writing_nothing_changes_no_size() -> None:
    data = SparseData(Space(BLOCK))

    assert data.write(100, b"") == 0
    assert data.size == 0
