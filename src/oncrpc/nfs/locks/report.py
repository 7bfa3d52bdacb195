"""The report of the lock manager: locks and waiting requests by file, and the grace period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oncrpc.nfs.locks.dos_shares import HeldShare
from oncrpc.nfs.locks.grace import GraceReport
from oncrpc.nfs.locks.store import LockStore
from oncrpc.nfs.locks.terms import Lock, LockedFile
from oncrpc.nfs.locks.waiting import WaitingRequests


class ReportedLock(NamedTuple):
    """A lock that is held, or waited for, and for how many seconds."""

    lock: Lock
    age: int


class ReportedFile(NamedTuple):
    """The locks of a file, and those that requests wait for, the first one first."""

    file: LockedFile
    held: Sequence[ReportedLock]
    waiting: Sequence[ReportedLock]


class LockCounts(NamedTuple):
    """The current numbers."""

    locks: int
    waiting: int
    shares: int
    files: int
    clients: int
    open_files: int
    """Descriptors for locks that local processes see."""


class LockReport(NamedTuple):
    """The status of the lock manager. ``left_out`` is the number of locks that are not in it."""

    counts: LockCounts
    files: Sequence[ReportedFile]
    shares: Sequence[HeldShare]
    grace: GraceReport | None
    left_out: int


def counts_of(store: LockStore, waiting: WaitingRequests) -> LockCounts:
    """The numbers, without a walk over the locks."""
    table = store.table
    return LockCounts(
        table.locks,
        len(waiting),
        len(store.shares),
        table.file_count,
        len(table.clients),
        len(store.local),
    )


def lock_report(
    store: LockStore, waiting: WaitingRequests, *, now: float, grace_now: float, most: int
) -> LockReport:
    """The status with at most ``most`` locks, apart from those of the last file."""
    files, shown = list[ReportedFile](), 0
    for each in _files(store, waiting, int(now)):
        files.append(each)
        shown += len(each.held)
        if shown >= most:
            break
    counts, grace = counts_of(store, waiting), store.grace
    return LockReport(
        counts,
        files,
        list(store.shares)[:most],
        None if grace is None else grace.report(grace_now),
        counts.locks - shown,
    )


def _files(store: LockStore, waiting: WaitingRequests, now: int) -> Iterator[ReportedFile]:
    """Yield the files: first those for which requests wait."""
    queued = dict.fromkeys(waiting.files)
    others = (file for file in store.table.files if file not in queued)
    for file in (*queued, *others):
        yield ReportedFile(
            file,
            [ReportedLock(each.lock, now - each.since) for each in store.table.held(file)],
            [ReportedLock(each.lock, now - each.since) for each in waiting.of_file(file)],
        )
