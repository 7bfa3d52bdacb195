"""The status of the lock manager, made from its report."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.nfs.daemon.explaining import shown_path
from oncrpc.nfs.daemon.lock_status import (
    EXCLUSIVE,
    HELD,
    SHARE,
    SHARED,
    WAITING,
    GraceStatus,
    LockedFileStatus,
    LockEntry,
    LocksStatus,
)
from oncrpc.nfs.daemon.status_part import MAX_LISTED, shown_client
from oncrpc.nfs.locks.dos_shares import HeldShare
from oncrpc.nfs.locks.grace import GraceReport
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.report import ReportedFile, ReportedLock
from oncrpc.nfs.locks.terms import END, LockedFile
from oncrpc.nfs.server.shares import Share, Shares

ACCESS = ("nothing", "read", "write", "read and write")
"""What a share allows or denies, by its number."""


def locks_status(manager: LockManager, shares: Shares, *, most: int, now: float) -> LocksStatus:
    """The status, with about ``most`` locks."""
    found = manager.report(most=most)
    shares_of: dict[LockedFile, list[LockEntry]] = {}
    for each in found.shares:
        shares_of.setdefault(each.file, []).append(_share(each, now=now))
    entries = {each.file: [*_entries(each)] for each in found.files}
    for file, listed in shares_of.items():
        entries.setdefault(file, []).extend(listed)
    counts = found.counts
    return LocksStatus(
        held=counts.locks,
        waiting=counts.waiting,
        shares=counts.shares,
        files=counts.files,
        clients=counts.clients,
        grace=None if found.grace is None else _grace(found.grace),
        left_out=found.left_out,
        listed=[
            _file(shares.of_tag(file.tag), file.file, listed) for file, listed in entries.items()
        ],
    )


def _file(share: Share | None, file: bytes, entries: list[LockEntry]) -> LockedFileStatus:
    if share is None:
        return LockedFileStatus(None, None, file.hex(), entries)
    path = share.filesystem.path_of(file)
    shown = None if path is None else shown_path(path)
    return LockedFileStatus(shown, shown_path(share.path), file.hex(), entries)


def _entries(found: ReportedFile) -> Iterator[LockEntry]:
    for state, locks in ((HELD, found.held), (WAITING, found.waiting)):
        for each in locks:
            yield _entry(each, state)


def _entry(found: ReportedLock, state: str) -> LockEntry:
    owner, range_, exclusive = found.lock
    return LockEntry(
        client=shown_client(owner.client),
        process=owner.svid,
        start=range_.start,
        end=None if range_.end >= END else range_.end,
        kind=EXCLUSIVE if exclusive else SHARED,
        state=state,
        seconds=found.age,
    )


def _share(found: HeldShare, *, now: float) -> LockEntry:
    return LockEntry(
        client=shown_client(found.owner.client),
        process=found.owner.svid,
        start=0,
        end=None,
        kind=f"opened to {ACCESS[found.share.access]}, denies {ACCESS[found.share.mode]}",
        state=SHARE,
        seconds=max(now - found.share.since, 0),
    )


def _grace(found: GraceReport) -> GraceStatus:
    awaited = [*map(shown_client, found.awaited)]
    return GraceStatus(found.seconds_left, len(awaited), found.locks, awaited[:MAX_LISTED])
