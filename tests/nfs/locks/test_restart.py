"""The lock manager over restarts: the journal, the grace period, and a restart in place."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.journal import JOURNAL_FILE, RETRY, LockJournal
from oncrpc.nfs.locks.local_locks import LocalLocks
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.terms import END, ByteRange, Lock, LockOutcome
from oncrpc.testing import ManualClock
from support.locking import (
    CLIENTS,
    FILE,
    OTHER_FILE,
    OWNERS,
    FakeMonitor,
    Locker,
    asks,
    lock,
)
from support.loops import in_loop, run_by, settle, until

GRANTED, DENIED, BLOCKED = LockOutcome.GRANTED, LockOutcome.DENIED, LockOutcome.BLOCKED
GRACE = LockOutcome.GRACE


@asynccontextmanager
async def life(directory: Directory, **options: Any) -> AsyncIterator[Locker]:
    """A manager from its start to its end, which writes nothing more than a killed one."""
    manager = LockManager(**{"journal": LockJournal(directory)} | options)
    locker = Locker(manager)
    manager.start()
    yield locker
    await manager.stop()
    manager.close()


async def lives(directory: Directory, *locks: Lock) -> None:
    """A former life in which these locks were granted."""
    async with life(directory) as locker:
        for each in locks:
            assert await locker.take(each) is GRANTED


async def claim(locker: Locker, wanted: Lock) -> LockOutcome:
    return await locker.lock(asks(wanted, reclaim=True))


@in_loop
async def test_holder_claims_its_lock_and_nobody_steals(directory: Directory) -> None:
    await lives(directory, lock(0))

    async with life(directory) as locker:
        assert locker.manager.in_grace
        assert await locker.take(lock(1), file=OTHER_FILE) is GRACE
        assert await claim(locker, lock(1)) is DENIED
        assert await claim(locker, lock(0)) is GRANTED
        assert locker.held() == [lock(0)]


@in_loop
async def test_owner_that_heard_nothing_may_ask_again(directory: Directory) -> None:
    await lives(directory, lock(0))

    async with life(directory) as locker:
        assert await locker.lock(asks(lock(1), wait=True)) is GRACE
        assert await locker.lock(asks(lock(0), wait=True)) is GRANTED

        assert not locker.manager.in_grace
        assert locker.held() == [lock(0)]


@in_loop
async def test_released_lock_is_not_awaited_after_a_kill(
    directory: Directory, tmp_path: Path
) -> None:
    async with life(directory) as locker:
        await locker.take(lock(0))
        await locker.unlock(lock(0))
        shutil.copytree(directory.path, tmp_path / "killed")

    with closing(Directory(str(tmp_path / "killed"))) as left:
        async with life(left) as locker:
            assert not locker.manager.in_grace


@in_loop
async def test_grace_ends_with_the_last_claim(directory: Directory) -> None:
    await lives(directory, lock(0, 0, 10), lock(1, 10, 20))

    async with life(directory) as locker:
        await claim(locker, lock(0, 0, 10))
        assert locker.manager.in_grace
        await claim(locker, lock(1, 10, 20))

        assert not locker.manager.in_grace
        assert await locker.take(lock(2, 20, 30)) is GRANTED


@in_loop
async def test_no_grace_if_nobody_held_a_lock(directory: Directory) -> None:
    async with life(directory) as locker:
        await locker.take(lock(0))
        await locker.unlock(lock(0))

    async with life(directory) as locker:
        assert not locker.manager.in_grace
        assert await locker.take(lock(1)) is GRANTED


@in_loop
async def test_claim_outside_of_grace_is_denied(directory: Directory) -> None:
    async with life(directory) as locker:
        assert await claim(locker, lock(0)) is DENIED


@in_loop
async def test_repeated_claim_is_granted_after_grace(directory: Directory) -> None:
    await lives(directory, lock(0))

    async with life(directory) as locker:
        await claim(locker, lock(0))
        assert not locker.manager.in_grace

        assert await claim(locker, lock(0)) is GRANTED


@in_loop
async def test_claims_are_recorded_again(directory: Directory) -> None:
    await lives(directory, lock(0, 0, 10), lock(1, 10, 20))
    async with life(directory) as locker:
        await claim(locker, lock(0, 0, 10))

    async with life(directory) as locker:
        report = locker.manager.report()

        assert report.grace is not None
        assert report.grace.awaited == [CLIENTS[0], CLIENTS[1]]
        assert report.grace.locks == 2


@in_loop
async def test_release_in_grace_ends_it(directory: Directory) -> None:
    await lives(directory, lock(0))

    async with life(directory) as locker:
        assert await locker.unlock(lock(0)) is GRANTED

        assert not locker.manager.in_grace


@in_loop
async def test_restarted_holder_ends_grace(directory: Directory) -> None:
    await lives(directory, lock(0))
    monitor = FakeMonitor()

    async with life(directory, monitor=monitor) as locker:
        monitor.watched[CLIENTS[0]] = 1
        monitor.restarted(CLIENTS[0], 3)

        assert not locker.manager.in_grace
        assert monitor.watched == {}


def test_grace_ends_at_its_limit(directory: Directory) -> None:
    clock = ManualClock()

    async def main() -> None:
        await lives(directory, lock(0))
        async with life(directory, grace_limit=20.0) as locker:
            clock.advance(19.0)
            await settle()
            assert locker.manager.in_grace
            clock.advance(1.5)
            await settle()
            assert not locker.manager.in_grace
        async with life(directory) as locker:
            assert not locker.manager.in_grace

    run_by(clock, main())


@in_loop
async def test_holder_that_claims_nothing_is_not_watched(directory: Directory) -> None:
    await lives(directory, lock(0))
    monitor = FakeMonitor()
    monitor.former = CLIENTS[:2]
    monitor.watched = dict.fromkeys(CLIENTS[:2], 1)

    async with life(directory, monitor=monitor) as locker:
        assert list(monitor.watched) == CLIENTS[:1]
        await locker.unlock(lock(0))

        assert monitor.watched == {}


@in_loop
async def test_client_that_is_not_watched_claims_nothing(directory: Directory) -> None:
    async with life(directory) as locker:
        request = asks(lock(0))
        assert await locker.manager.lock(request, locker.opens, peer=None, state=0) is GRANTED

    async with life(directory) as locker:
        assert not locker.manager.in_grace


@in_loop
async def test_share_of_a_watched_client_is_claimed(directory: Directory) -> None:
    share = DosShare(2, 1)
    async with life(directory) as locker:
        await locker.take(lock(0))
        await locker.manager.share(FILE, OWNERS[0], share)
        await locker.unlock(lock(0))

    async with life(directory) as locker:
        manager = locker.manager
        assert await manager.share(FILE, OWNERS[1], share) is GRACE
        assert await manager.share(FILE, OWNERS[1], share, reclaim=True) is DENIED
        assert await manager.share(FILE, OWNERS[0], share, reclaim=True) is GRANTED
        assert not manager.in_grace
        await manager.unshare(FILE, OWNERS[0])

    async with life(directory) as locker:
        assert not locker.manager.in_grace


@in_loop
async def test_offered_lock_is_called_back_when_stored(directory: Directory) -> None:
    async with life(directory) as locker:
        await locker.take(lock(0))
        assert await locker.wait(lock(1)) is BLOCKED
        await locker.unlock(lock(0))
        assert locker.granted == []
        await until(lambda: locker.granted)

    async with life(directory) as locker:
        report = locker.manager.report()

        assert report.grace is not None
        assert report.grace.awaited == [CLIENTS[1]]


@in_loop
async def test_full_disk_grants_nothing(directory: Directory) -> None:
    journal = LockJournal(directory, most_pages=8)
    locker = Locker(LockManager(journal=journal))
    locker.manager.start()
    long = OWNERS[0]._replace(oh=bytes(100_000))
    await locker.take(lock(1, exclusive=False))

    outcome = await locker.take(Lock(long, ByteRange(0, 1), exclusive=False))

    assert outcome is LockOutcome.NO_ROOM
    assert locker.held() == [lock(1, exclusive=False)]
    assert list(locker.manager.faults()) != []
    await locker.manager.stop()
    locker.manager.close()


# --- a restart in place ---


@contextmanager
def local_file(path: Path) -> Iterator[LocalLocks]:
    """A local process that looks at a file."""
    found = LocalLocks(most=1)
    found.add(FILE, os.open(path, os.O_RDWR))
    yield found
    found.close_all()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file"


@in_loop
async def test_client_is_called_back_by_one_image(directory: Directory) -> None:
    former = Locker(LockManager(journal=LockJournal(directory)))
    former.manager.start()
    await former.take(lock(0))
    await former.wait(lock(1))
    await former.unlock(lock(0))
    assert former.granted == []

    locker = await handed_over(former, directory)
    await until(lambda: locker.granted)

    assert former.granted == []
    locker.manager.close()


async def handed_over(former: Locker, directory: Directory | None) -> Locker:
    """The next image of the process, with the descriptors of the former one."""
    former.manager.settle()
    left = former.manager.leave()
    if directory is not None:
        await former.manager.stop()
        former.manager.store.journal.close()
    manager = LockManager(journal=LockJournal(directory))
    locker = Locker(manager, opens=former.opens)
    manager.start(left)
    return locker


@in_loop
async def test_locks_are_handed_over(directory: Directory, path: Path) -> None:
    async def opens() -> int:
        return os.open(path, os.O_RDWR)

    former = Locker(LockManager(journal=LockJournal(directory)), opens=opens)
    former.manager.start()
    await former.take(lock(0, 5, END))
    await former.take(lock(3, 0, 5, exclusive=False))
    await former.wait(lock(1))
    await former.manager.share(OTHER_FILE, OWNERS[2], DosShare(3, 3))
    descriptors = former.manager.descriptors()

    locker = await handed_over(former, directory)

    assert locker.manager.descriptors() == descriptors
    assert not locker.manager.in_grace
    assert locker.held() == [lock(0, 5, END), lock(3, 0, 5, exclusive=False)]
    assert await locker.manager.share(OTHER_FILE, OWNERS[1], DosShare(0, 1)) is DENIED
    with local_file(path) as local:
        assert local.holder(FILE, ByteRange(9, 10), exclusive=False) is not None
        await locker.unlock(lock(0))
        await locker.unlock(lock(3))
        await until(lambda: locker.granted)
        assert locker.held() == [lock(1)]
    locker.manager.close()


@in_loop
async def test_unknown_handover_lets_holders_claim(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    await lives(directory, lock(0))
    monitor = FakeMonitor()
    monitor.watched[CLIENTS[0]] = 1
    manager = LockManager(journal=LockJournal(directory), monitor=monitor)
    locker = Locker(manager)

    manager.start(b'{"locks": 7}')

    assert [each.levelname for each in caplog.records if "not understood" in each.message] == [
        "WARNING"
    ]
    assert monitor.state == 3
    assert await locker.take(lock(1)) is GRACE
    assert await claim(locker, lock(1)) is DENIED
    assert await claim(locker, lock(0)) is GRANTED
    manager.close()


@in_loop
async def test_grace_is_handed_over(directory: Directory) -> None:
    await lives(directory, lock(0))
    former = Locker(LockManager(journal=LockJournal(directory), grace_limit=20.0))
    former.manager.start()

    locker = await handed_over(former, directory)

    report = locker.manager.report().grace
    assert report is not None
    assert 19.0 < report.seconds_left <= 20.0
    assert await claim(locker, lock(0)) is GRANTED
    assert not locker.manager.in_grace
    locker.manager.close()


@in_loop
async def test_offer_is_handed_over() -> None:
    former = Locker(LockManager())
    former.manager.start()
    await former.take(lock(0, exclusive=False))
    await former.take(lock(1, 0, 10, exclusive=False))
    await former.wait(lock(1))
    await former.unlock(lock(0))

    locker = await handed_over(former, None)
    await settle()

    assert locker.granted == []
    locker.manager.give_back(former.granted[0])
    assert locker.held() == [lock(1, 0, 10, exclusive=False)]


@in_loop
async def test_next_image_writes_what_the_disk_refused(directory: Directory) -> None:
    former = Locker(LockManager(journal=LockJournal(directory, most_pages=8)))
    former.manager.start()
    await former.take(lock(0, 0, 1))
    long = OWNERS[1]._replace(oh=bytes(100_000))
    await former.take(Lock(long, ByteRange(5, 6), exclusive=False))
    await former.unlock(lock(0))

    locker = await handed_over(former, directory)
    await locker.take(lock(2, 10, 20))
    await locker.manager.stop()
    locker.manager.close()

    async with life(directory) as last:
        report = last.manager.report().grace
        assert report is not None
        assert report.awaited == [CLIENTS[2]]


@in_loop
async def test_watched_host_claims_if_the_journal_is_damaged(directory: Directory) -> None:
    await lives(directory, lock(0))
    (Path(directory.path) / JOURNAL_FILE).write_bytes(b"damaged" * 1000)
    monitor = FakeMonitor()
    monitor.former = CLIENTS[:1]
    monitor.watched = dict.fromkeys(CLIENTS[:1], 1)

    async with life(directory, monitor=monitor) as locker:
        assert await claim(locker, lock(1, 20, 30)) is DENIED
        assert await claim(locker, lock(0)) is GRANTED
        assert locker.manager.in_grace


@in_loop
async def test_share_that_cannot_be_kept_is_refused(directory: Directory) -> None:
    async with life(directory, journal=LockJournal(directory, most_pages=8)) as locker:
        await locker.take(lock(0))
        long = OWNERS[0]._replace(oh=bytes(100_000))

        outcome = await locker.manager.share(FILE, long, DosShare(1, 1))

        assert outcome is LockOutcome.NO_ROOM
        assert len(locker.manager.store.shares) == 0


@in_loop
async def test_offer_that_cannot_be_kept_is_taken_back(directory: Directory) -> None:
    async with life(directory, journal=LockJournal(directory, most_pages=8)) as locker:
        long = OWNERS[1]._replace(oh=bytes(100_000))
        await locker.take(lock(0))
        await locker.wait(Lock(long, ByteRange(0, 1), exclusive=True))

        await locker.unlock(lock(0))
        await until(lambda: not locker.manager.store.kept)

        assert (locker.granted, locker.held()) == ([], [])


@in_loop
async def test_everything_kept_is_written_after_a_failure(directory: Directory) -> None:
    clock = ManualClock()
    journal = LockJournal(directory, most_pages=16, clock=clock)
    async with life(directory, journal=journal) as locker:
        await locker.take(lock(0, 0, 10))
        await locker.manager.share(FILE, OWNERS[0], DosShare(1, 1))
        long = OWNERS[1]._replace(oh=bytes(200_000))
        refused = await locker.take(Lock(long, ByteRange(20, 30), exclusive=True))
        assert refused is LockOutcome.NO_ROOM
        clock.advance(RETRY)
        assert await locker.take(lock(0, 10, 20)) is GRANTED

    async with life(directory) as locker:
        report = locker.manager.report().grace
        assert report is not None
        assert (report.awaited, report.locks) == (CLIENTS[:1], 2)
        assert await claim(locker, lock(0, 0, 20)) is GRANTED
