"""What the lock manager reports."""

from __future__ import annotations

from oncrpc.nfs.locks.dos_shares import DosShare, HeldShare
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.report import LockCounts, ReportedFile, ReportedLock
from oncrpc.testing import ManualClock
from support.locking import FILE, OTHER_FILE, OWNERS, Locker, lock
from support.loops import in_loop


@in_loop
async def test_report_lists_files_with_ages() -> None:
    clock = ManualClock(1000.0)
    locker = Locker(LockManager(clock=clock))
    await locker.take(lock(0), file=OTHER_FILE)
    clock.advance(5)
    await locker.take(lock(1))
    clock.advance(5)
    await locker.wait(lock(2))
    await locker.manager.share(FILE, OWNERS[2], DosShare(1, 2))
    clock.advance(5)

    report = locker.manager.report()

    assert report.files == [
        ReportedFile(FILE, [ReportedLock(lock(1), 10)], [ReportedLock(lock(2), 5)]),
        ReportedFile(OTHER_FILE, [ReportedLock(lock(0), 15)], []),
    ]
    assert report.shares == [HeldShare(FILE, OWNERS[2], DosShare(1, 2, 1010))]
    assert (report.grace, report.left_out) == (None, 0)
    assert report.counts == locker.manager.counts() == LockCounts(2, 1, 1, 2, 2, 0)


@in_loop
async def test_long_report_is_cut() -> None:
    locker = Locker(LockManager())
    for number in range(10):
        await locker.take(lock(0), file=FILE._replace(file=b"%d" % number))

    report = locker.manager.report(most=4)

    assert (len(report.files), report.left_out) == (4, 6)
