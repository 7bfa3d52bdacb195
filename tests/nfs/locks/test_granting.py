"""Locks that are granted later: when a local process unlocks, or when a circle is broken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.locks.granting import LAST_RETRY
from oncrpc.nfs.locks.local_locks import LocalLocks
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.terms import END, ByteRange, LocalHolder, LockOutcome
from oncrpc.testing import ManualClock
from support.locking import CLIENTS, FILE, OTHER_FILE, OWNERS, Locker, lock
from support.loops import in_loop, run_by, settle, until

GRANTED, DENIED, BLOCKED = LockOutcome.GRANTED, LockOutcome.DENIED, LockOutcome.BLOCKED
EVERYTHING = ByteRange(0, END)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[LocalLocks]:
    """A local process that has locked the file."""
    (tmp_path / "file").write_bytes(b"")
    found = LocalLocks(most=1)
    found.add(FILE, os.open(tmp_path / "file", os.O_RDWR))
    found.take(FILE, EVERYTHING, exclusive=True)
    yield found
    found.close_all()


@pytest.fixture
def locker(process: LocalLocks, tmp_path: Path) -> Locker:
    async def opens() -> int:
        return os.open(tmp_path / "file", os.O_RDWR)

    return Locker(LockManager(most_open=10), opens=opens)


@in_loop
async def test_local_process_denies(locker: Locker) -> None:
    assert await locker.take(lock(0)) is DENIED
    assert await locker.test(lock(0)) == LocalHolder(-1, EVERYTHING, exclusive=True)
    assert locker.manager.descriptors() == []


@in_loop
async def test_lock_is_granted_when_the_process_unlocks(
    locker: Locker, process: LocalLocks
) -> None:
    assert await locker.wait(lock(0, 0, 10)) is BLOCKED
    process.release(FILE, EVERYTHING, [])

    await until(lambda: locker.granted)

    assert locker.held() == [lock(0, 0, 10)]
    assert await locker.test(lock(1)) == lock(0, 0, 10)


def test_tries_become_rarer_but_go_on(locker: Locker, process: LocalLocks) -> None:
    clock = ManualClock()

    async def main() -> float:
        await locker.wait(lock(0))
        for _ in range(200):
            clock.advance(0.1)
            await settle()
        process.release(FILE, EVERYTHING, [])
        begun = clock()
        while not locker.granted:
            clock.advance(0.01)
            await settle()
        return clock() - begun

    assert run_by(clock, main()) <= LAST_RETRY + 0.02


def test_cancelled_request_is_not_tried_again(locker: Locker, process: LocalLocks) -> None:
    clock = ManualClock()

    async def main() -> None:
        await locker.wait(lock(0))
        locker.manager.cancel(FILE, lock(0))
        process.release(FILE, EVERYTHING, [])
        clock.advance(10)
        await settle()

    run_by(clock, main())
    assert (locker.granted, locker.manager.descriptors()) == ([], [])


@in_loop
async def test_descriptor_is_closed_with_the_last_lock(locker: Locker, process: LocalLocks) -> None:
    process.release(FILE, EVERYTHING, [])
    await locker.take(lock(0, 0, 10))
    await locker.take(lock(1, 10, 20))
    [descriptor] = locker.manager.descriptors()

    await locker.unlock(lock(0))
    os.fstat(descriptor)
    await locker.unlock(lock(1))

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@in_loop
async def test_too_many_files_have_no_room(locker: Locker, process: LocalLocks) -> None:
    process.release(FILE, EVERYTHING, [])
    locker.manager.store.local.most = 1

    assert await locker.take(lock(0)) is GRANTED
    assert await locker.take(lock(0), file=OTHER_FILE) is LockOutcome.NO_ROOM


@in_loop
async def test_host_takes_half_of_the_files(locker: Locker, process: LocalLocks) -> None:
    process.release(FILE, EVERYTHING, [])
    locker.manager.store.local.most = 2

    assert await locker.take(lock(0, exclusive=False)) is GRANTED
    assert await locker.take(lock(0, exclusive=False), file=OTHER_FILE) is LockOutcome.NO_ROOM
    assert await locker.take(lock(1, exclusive=False), file=OTHER_FILE) is GRANTED


@in_loop
async def test_downgrade_grants_to_waiting_readers() -> None:
    locker = Locker(LockManager())
    await locker.take(lock(0))
    await locker.wait(lock(1, exclusive=False))

    await locker.take(lock(0, exclusive=False))

    assert [each.lock for each in locker.granted] == [lock(1, exclusive=False)]


@in_loop
async def test_two_upgrades_are_a_deadlock() -> None:
    locker = Locker(LockManager())
    for owner in (0, 1):
        await locker.take(lock(owner, exclusive=False))
    await locker.wait(lock(0))

    assert await locker.wait(lock(1)) is LockOutcome.DEADLOCK
    await locker.unlock(lock(1))

    assert locker.held() == [lock(0)]


@in_loop
async def test_circle_of_the_queue_is_broken() -> None:
    """0 reads; 1 waits to write; 2 wants to read, too, and 0 waits for 2."""
    locker = Locker(LockManager())
    await locker.take(lock(2), file=OTHER_FILE)
    await locker.take(lock(0, exclusive=False))
    await locker.wait(lock(1))
    assert await locker.wait(lock(2, exclusive=False)) is BLOCKED

    assert await locker.wait(lock(0), file=OTHER_FILE) is BLOCKED

    assert [each.lock for each in locker.granted] == [lock(2, exclusive=False)]


@in_loop
async def test_repeated_request_takes_an_offered_lock() -> None:
    locker = Locker(LockManager())
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.unlock(lock(0))

    assert await locker.wait(lock(1)) is GRANTED
    locker.manager.give_back(locker.granted[0])

    assert locker.held() == [lock(1)]


@in_loop
async def test_offered_downgrade_can_be_taken_back() -> None:
    locker = Locker(LockManager())
    await locker.take(lock(0, 0, 10))
    await locker.take(lock(1, 10, 20))
    await locker.wait(lock(0, 0, 20, exclusive=False))
    await locker.unlock(lock(1))

    assert await locker.take(lock(2, 0, 10, exclusive=False)) is DENIED
    locker.manager.give_back(locker.granted[0])

    assert locker.held() == [lock(0, 0, 10)]


@in_loop
async def test_taken_downgrade_lets_readers_in() -> None:
    locker = Locker(LockManager())
    await locker.take(lock(0, 0, 10))
    await locker.take(lock(1, 10, 20))
    await locker.wait(lock(0, 0, 20, exclusive=False))
    await locker.unlock(lock(1))
    await locker.wait(lock(2, 0, 10, exclusive=False))

    locker.manager.acknowledge(locker.granted[0])

    assert locker.granted[1].lock == lock(2, 0, 10, exclusive=False)


@in_loop
async def test_thread_that_locks_frees_the_other_one() -> None:
    """A thread waits behind 0, which waits for 1; then another thread gets what 0 asks for."""
    locker = Locker(LockManager())
    await locker.take(lock(1, 0, 1))
    await locker.wait(lock(0))
    assert await locker.wait(lock(2, 5, 6)) is BLOCKED

    assert await locker.take(lock(2, 4, 20)) is GRANTED

    assert [each.lock for each in locker.granted] == [lock(2, 5, 6)]


@in_loop
async def test_reader_let_in_is_not_overrun() -> None:
    locker = Locker(LockManager())
    await locker.take(lock(0, 0, 10))
    await locker.take(lock(1, 10, 20))
    await locker.wait(lock(0, 0, 20, exclusive=False))
    await locker.unlock(lock(1))
    await locker.wait(lock(2, 0, 10, exclusive=False))

    assert await locker.take(lock(0, 0, 20)) is DENIED

    assert locker.held() == [lock(0, 0, 20, exclusive=False), lock(2, 0, 10, exclusive=False)]


@pytest.mark.slow
@in_loop
async def test_long_chain_of_owners_is_granted() -> None:
    """Each owner waits for its own file, behind nobody, and for the file of the next one."""
    locker, count = Locker(LockManager()), 500
    locker.manager.granted = locker.manager.give_back
    files = [FILE._replace(file=b"%d" % number) for number in range(count)]
    for file in files:
        await locker.take(lock(0), file=file)
    for number, file in enumerate(files):
        for owner in (number, number + 1):
            wanted = lock(1)._replace(owner=OWNERS[1]._replace(svid=owner))
            await locker.wait(wanted, file=file)
    assert len(locker.manager.waiting) == 2 * count

    locker.manager.free(CLIENTS[0])

    assert len(locker.manager.waiting) == 0
    assert locker.manager.counts().locks == 0
