"""What is held, on a local file: the union of the locks of all clients."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.grace import GracePeriod
from oncrpc.nfs.locks.journal import LockJournal, Record, RecordedLock, RecordedShare
from oncrpc.nfs.locks.local_locks import LocalLocks
from oncrpc.nfs.locks.store import LockStore
from oncrpc.nfs.locks.terms import END, ByteRange, Lock, LockOutcome
from support.locking import CLIENTS, FILE, OWNERS, lock

GRANTED = LockOutcome.GRANTED
BYTES = 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file"


@pytest.fixture
def store(path: Path) -> Iterator[LockStore]:
    found = LockStore(LockJournal(None), clock=lambda: 1.5, most_open=1)
    found.local.add(FILE, os.open(path, os.O_RDWR))
    yield found
    found.local.close_all()


@pytest.fixture
def process(path: Path) -> Iterator[LocalLocks]:
    """A local process, as its locks are to others."""
    found = LocalLocks(most=1)
    found.add(FILE, os.open(path, os.O_RDWR))
    yield found
    found.close_all()


def kinds(process: LocalLocks, end: int = BYTES) -> str:
    """Each byte of the file, as a local process sees it: free, shared or exclusive."""
    text = ""
    for at in range(end):
        byte = ByteRange(at, at + 1)
        if process.holder(FILE, byte, exclusive=True) is None:
            text += "."
        else:
            text += "s" if process.holder(FILE, byte, exclusive=False) is None else "x"
    return text


def test_locks_are_seen_by_local_processes(store: LockStore, process: LocalLocks) -> None:
    assert store.give(FILE, lock(0, 2, 6)) is GRANTED
    assert store.give(FILE, lock(1, 8, 12, exclusive=False)) is GRANTED

    assert kinds(process) == "..xxxx..ssss...."


def test_release_leaves_the_shares_of_others(store: LockStore, process: LocalLocks) -> None:
    store.give(FILE, lock(0, 0, 10, exclusive=False))
    store.give(FILE, lock(1, 4, 6, exclusive=False))

    store.release(FILE, OWNERS[0], ByteRange(0, END))

    assert kinds(process) == "....ss.........."


def test_freed_client_unlocks_the_file(store: LockStore, process: LocalLocks) -> None:
    store.give(FILE, lock(0, 0, 4))
    store.give(FILE, lock(3, 4, 8, exclusive=False))
    store.give(FILE, lock(1, 6, 10, exclusive=False))

    assert store.free(CLIENTS[0]) == [FILE]

    assert kinds(process) == "......ssss......"


def test_local_process_blocks(store: LockStore, process: LocalLocks) -> None:
    process.take(FILE, ByteRange(4, 5), exclusive=False)

    assert store.give(FILE, lock(0, 0, 10)) is LockOutcome.BLOCKED
    assert list(store.table.held(FILE)) == []
    assert store.give(FILE, lock(0, 0, 10, exclusive=False)) is GRANTED


def test_too_many_locks_change_nothing(store: LockStore, process: LocalLocks) -> None:
    store.give(FILE, lock(0, 0, 8, exclusive=False))
    store.table.most = 1

    assert store.give(FILE, lock(0, 2, 4)) is LockOutcome.NO_ROOM

    assert kinds(process) == "ssssssss........"


def test_restore_downgrades_the_file_again(store: LockStore, process: LocalLocks) -> None:
    store.give(FILE, lock(0, 0, 4, exclusive=False))
    store.give(FILE, lock(0, 0, 8))

    store.restore(FILE, lock(0, 0, 8), [lock(0, 0, 4, exclusive=False)])

    assert kinds(process) == "ssss............"


def test_file_without_write_permission_is_read_only(path: Path) -> None:
    store = LockStore(LockJournal(None), clock=lambda: 1.5, most_open=1)
    store.local.add(FILE, os.open(path, os.O_RDONLY))

    assert store.give(FILE, lock(0)) is LockOutcome.READ_ONLY
    assert store.give(FILE, lock(0, exclusive=False)) is GRANTED
    store.local.close_all()


def union_text(store: LockStore) -> str:
    text = ["."] * BYTES
    for part, exclusive in store.table.union(FILE, ByteRange(0, BYTES)):
        text[slice(*part)] = ("x" if exclusive else "s") * (part.end - part.start)
    return "".join(text)


class Kernel:
    """The owners as local processes of another file: an open file description for each."""

    def __init__(self, path: Path) -> None:
        self.owners = {owner: LocalLocks(most=1) for owner in OWNERS}
        for each in self.owners.values():
            each.add(FILE, os.open(path, os.O_RDWR | os.O_CREAT))

    def take(self, wanted: Lock) -> bool:
        return self.owners[wanted.owner].take(FILE, wanted.range, exclusive=wanted.exclusive)

    def release(self, wanted: Lock) -> None:
        self.owners[wanted.owner].release(FILE, wanted.range, [])

    def close(self) -> None:
        for each in self.owners.values():
            each.close_all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_operations_agree_with_the_kernel(
    seed: int, store: LockStore, process: LocalLocks, tmp_path: Path
) -> None:
    """The kernel is the model: what it grants to local processes, we grant to clients."""
    random, kernel = Random(seed), Kernel(tmp_path / "model")
    for step in range(12_500):
        start = random.randrange(BYTES)
        range_ = ByteRange(start, random.randrange(start, BYTES) + 1)
        wanted = Lock(random.choice(OWNERS), range_, random.random() < 0.5)
        if random.random() < 0.4:
            kernel.release(wanted)
            store.release(FILE, wanted.owner, wanted.range)
        else:
            free = store.table.conflict(FILE, wanted) is None
            assert kernel.take(wanted) == free
            if free:
                assert store.give(FILE, wanted) is GRANTED
        if step % 10 == 0:
            assert kinds(process) == union_text(store)
    kernel.close()


def no_locks_left(*_: object, **__: object) -> bool:
    raise OSError(errno.ENOLCK, "No locks available")


def test_kernel_without_locks_has_no_room(
    store: LockStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store.local, "take", no_locks_left)

    assert store.give(FILE, lock(0)) is LockOutcome.NO_ROOM

    assert list(store.table.held(FILE)) == []
    assert "No locks available" in caplog.text


def test_release_outlives_an_error_of_the_kernel(
    store: LockStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.give(FILE, lock(0))
    monkeypatch.setattr(store.local, "release", no_locks_left)

    assert store.release(FILE, OWNERS[0], ByteRange(0, END))

    assert list(store.table.held(FILE)) == []
    assert "cannot unlock" in caplog.text


def test_unlock_that_splits_needs_room(store: LockStore, process: LocalLocks) -> None:
    store.give(FILE, lock(0, 0, 8))
    store.table.most = 1

    assert not store.release(FILE, OWNERS[0], ByteRange(2, 3))

    assert kinds(process) == "xxxxxxxx........"


def test_freed_client_has_no_shares_and_claims() -> None:
    store = LockStore(LockJournal(None), clock=lambda: 1.5, most_open=1)
    records: list[Record] = [
        RecordedLock(FILE, lock(0)),
        RecordedShare(FILE, OWNERS[1], DosShare(1, 1)),
    ]
    store.grace = GracePeriod(records, until=9.0)
    assert store.share(FILE, OWNERS[1], DosShare(1, 1))
    assert store.has(CLIENTS[0])
    assert store.has(CLIENTS[1])

    for client in CLIENTS[:2]:
        store.free(client)

    assert store.grace.over
    assert not store.has(CLIENTS[0])
    assert not store.has(CLIENTS[1])


def test_too_many_shares_are_refused() -> None:
    store = LockStore(LockJournal(None), clock=lambda: 1.5, most_open=1)
    store.shares.most = 0

    assert not store.share(FILE, OWNERS[0], DosShare(1, 1))
    assert store.end_grace() == 0
