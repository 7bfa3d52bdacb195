"""Locks on local files, as other processes of the host see them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.locks.local_locks import LIMIT, LocalLocks, NotWritable
from oncrpc.nfs.locks.terms import END, ByteRange, LocalHolder
from support.locking import FILE, OTHER_FILE

SHARED, EXCLUSIVE = False, True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file"


@pytest.fixture
def local(path: Path) -> Iterator[LocalLocks]:
    found = LocalLocks(most=1)
    assert found.add(FILE, os.open(path, os.O_RDWR))
    yield found
    found.close_all()


class Neighbour:
    """Another user of the file, as a local process is: with its own open file description."""

    def __init__(self, path: Path) -> None:
        self.locks = LocalLocks(most=1)
        self.locks.add(FILE, os.open(path, os.O_RDWR))

    def may(self, start: int, end: int, *, exclusive: bool = EXCLUSIVE) -> bool:
        """Whether it could have a lock."""
        return self.locks.holder(FILE, ByteRange(start, end), exclusive=exclusive) is None


@pytest.fixture
def neighbour(path: Path) -> Iterator[Neighbour]:
    found = Neighbour(path)
    yield found
    found.locks.close_all()


def test_local_process_sees_the_range_and_kind(local: LocalLocks, neighbour: Neighbour) -> None:
    assert local.take(FILE, ByteRange(10, 20), exclusive=SHARED)

    assert not neighbour.may(19, 30)
    assert neighbour.may(19, 30, exclusive=SHARED)
    assert neighbour.may(0, 10)
    assert neighbour.may(20, END)


def test_local_process_is_in_the_way(local: LocalLocks, neighbour: Neighbour) -> None:
    assert neighbour.locks.take(FILE, ByteRange(10, 20), exclusive=SHARED)

    assert not local.take(FILE, ByteRange(0, END), exclusive=EXCLUSIVE)
    assert local.take(FILE, ByteRange(0, END), exclusive=SHARED)


def test_holder_is_a_process(local: LocalLocks, path: Path) -> None:
    script = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+');"
        "fcntl.lockf(file, fcntl.LOCK_EX, 10, 5); print('ready', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()

        found = local.holder(FILE, ByteRange(0, END), exclusive=SHARED)
        child.communicate()

    assert found == LocalHolder(child.pid, ByteRange(5, 15), exclusive=True)
    assert local.holder(FILE, ByteRange(0, END), exclusive=SHARED) is None


def test_holder_to_the_end_of_the_file(local: LocalLocks, neighbour: Neighbour) -> None:
    neighbour.locks.take(FILE, ByteRange(7, END), exclusive=EXCLUSIVE)

    found = local.holder(FILE, ByteRange(0, 10), exclusive=SHARED)

    assert found == LocalHolder(-1, ByteRange(7, END), exclusive=True)


def test_release_keeps_what_others_hold(local: LocalLocks, neighbour: Neighbour) -> None:
    local.take(FILE, ByteRange(0, 100), exclusive=SHARED)

    local.release(FILE, ByteRange(10, 90), [(ByteRange(20, 30), SHARED)])

    assert [neighbour.may(at, at + 10) for at in range(0, 100, 10)] == [
        False, True, False, True, True, True, True, True, True, False,
    ]  # fmt: skip


def test_bytes_beyond_the_kernel_are_the_clients_alone(
    local: LocalLocks, neighbour: Neighbour
) -> None:
    beyond = ByteRange(LIMIT, END)

    assert neighbour.locks.take(FILE, beyond, exclusive=EXCLUSIVE)
    assert local.take(FILE, beyond, exclusive=EXCLUSIVE)
    local.release(FILE, beyond, [])


def test_last_bytes_of_the_kernel_are_locked(local: LocalLocks, neighbour: Neighbour) -> None:
    last = ByteRange(LIMIT - 1, LIMIT + 5)
    local.take(FILE, last, exclusive=EXCLUSIVE)

    assert not neighbour.may(LIMIT - 1, LIMIT)
    local.release(FILE, last, [])
    assert neighbour.may(LIMIT - 1, LIMIT)


def test_exclusive_lock_needs_a_writable_file(path: Path) -> None:
    local = LocalLocks(most=1)
    local.add(FILE, os.open(path, os.O_RDONLY))

    with pytest.raises(NotWritable):
        local.take(FILE, ByteRange(0, 1), exclusive=EXCLUSIVE)
    assert local.take(FILE, ByteRange(0, 1), exclusive=SHARED)
    local.close_all()


def test_second_descriptor_of_a_file_is_closed(local: LocalLocks, path: Path) -> None:
    second = os.open(path, os.O_RDWR)

    assert local.add(FILE, second)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(second)


def test_number_of_descriptors_is_bounded(local: LocalLocks, path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)

    assert not local.add(OTHER_FILE, descriptor)
    local.close(FILE)

    assert local.add(OTHER_FILE, os.open(path, os.O_RDWR))


def test_file_without_descriptor_has_no_local_processes() -> None:
    local = LocalLocks(most=0)

    assert local.take(FILE, ByteRange(0, 1), exclusive=EXCLUSIVE)
    assert local.holder(FILE, ByteRange(0, 1), exclusive=EXCLUSIVE) is None
    local.release(FILE, ByteRange(0, 1), [])


def test_locks_of_traditional_kind_are_seen(local: LocalLocks, path: Path) -> None:
    with path.open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_SH, 10)

        assert not local.take(FILE, ByteRange(0, 1), exclusive=EXCLUSIVE)
