"""The locks and shares that are held: in the table, on the local files, and in the journal.

Every change is made in all three at once, except that the journal is written later: ``synced``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from oncrpc.nfs.locks.dos_shares import DosShare, DosShares
from oncrpc.nfs.locks.grace import GracePeriod
from oncrpc.nfs.locks.journal import LockJournal, Record, RecordedLock, RecordedShare
from oncrpc.nfs.locks.late_releases import LateReleases
from oncrpc.nfs.locks.local_locks import LocalLocks, NotWritable
from oncrpc.nfs.locks.table import LockChange, LockTable
from oncrpc.nfs.locks.terms import (
    ByteRange,
    Lock,
    LockClient,
    LockedFile,
    LockOutcome,
    LockOwner,
)

log = logging.getLogger("oncrpc.nfs")


class LockStore:
    """What is held. ``grace`` is there as long as a grace period lasts.

    ``kept`` are the clients whose locks are in the journal: those that are watched, since others
    do not hear of a restart of the server.
    """

    def __init__(self, journal: LockJournal, *, clock: Callable[[], float], most_open: int) -> None:
        self.table, self.shares = LockTable(), DosShares()
        self.local, self.journal = LocalLocks(most=most_open), journal
        self.releases = LateReleases(self.local, self.table)
        self.grace: GracePeriod | None = None
        self.kept = set[LockClient]()
        self._clock = clock
        journal.everything = self._records

    def give(self, file: LockedFile, lock: Lock) -> LockOutcome:
        """Hold a lock that no other client is in the way of. BLOCKED: a local process is."""
        try:
            if not self.local.take(file, lock.range, exclusive=lock.exclusive):
                return LockOutcome.BLOCKED
        except NotWritable:
            return LockOutcome.READ_ONLY
        except OSError as error:
            log.warning("cannot lock a file of this host: %s", error.strerror)
            return LockOutcome.NO_ROOM
        change = self.table.set(file, lock, now=self.now())
        if change is None:
            self.releases.release(file, lock.range)
            return LockOutcome.NO_ROOM
        self._settle(file, lock.owner, lock.range)
        self._record(file, change)
        return LockOutcome.GRANTED

    def release(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> bool:
        """Release what an owner holds of a range; False if it would have one lock too many."""
        change = self.table.clear(file, owner, range_)
        if change is None:
            return False
        self._settle(file, owner, range_)
        self._record(file, change)
        if change.removed:
            start = max(range_.start, min(each.start for each in change.removed))
            end = min(range_.end, max(each.end for each in change.removed))
            self.releases.release(file, ByteRange(start, end))
        return True

    def restore(self, file: LockedFile, lock: Lock, before: Sequence[Lock]) -> None:
        """Let an owner hold again what it held of the range of a lock."""
        for change in (
            self.table.clear(file, lock.owner, lock.range),
            *(self.table.set(file, each, now=self.now()) for each in before),
        ):
            if change is not None:
                self._record(file, change)
        self.releases.release(file, lock.range)

    def free(self, client: LockClient) -> list[LockedFile]:
        """Release all locks and shares of a client. Returns the files that it had locked."""
        changed = self.table.free(client)
        for file, change in changed:
            self._record(file, change)
            for held in change.removed:
                self.releases.release(file, held.lock.range)
        for file, owner in self.shares.free(client):
            self.journal.remove(RecordedShare(file, owner, DosShare(0, 0)))
        if self.grace is not None:
            for record in self.grace.give_up(client):
                self.journal.remove(record)
        return [file for file, _ in changed]

    def share(self, file: LockedFile, owner: LockOwner, share: DosShare) -> bool:
        """Hold a share that no other is in the way of; False if there are too many."""
        if not self.shares.set(file, owner, share):
            return False
        if self.grace is not None:
            self.grace.settled_share(file, owner)
        if owner.client in self.kept:
            self.journal.put(RecordedShare(file, owner, share))
        return True

    def unshare(self, file: LockedFile, owner: LockOwner) -> None:
        """Remove a share."""
        held = self.shares.clear(file, owner)
        if self.grace is not None:
            self.grace.settled_share(file, owner)
        if held or self.grace is not None:
            self.journal.remove(RecordedShare(file, owner, DosShare(0, 0)))

    def end_grace(self) -> int:
        """Forget what was not claimed. Returns the number of locks and shares."""
        if self.grace is None:
            return 0
        left = self.grace.left()
        for record in left:
            self.journal.remove(record)
        self.grace = None
        return len(left)

    def has(self, client: LockClient) -> bool:
        """Whether a client has locks or shares, or may claim some."""
        held = self.table.count_of(client) or self.shares.count_of(client)
        if self.grace is None:
            return bool(held)
        unclaimed = self.grace.recorded.count_of(client) or self.grace.shares.count_of(client)
        return bool(held or unclaimed)

    def now(self) -> int:
        """The time, in whole seconds."""
        return int(self._clock())

    def _settle(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> None:
        """In the grace period: these bytes are claimed, or released."""
        if self.grace is not None:
            removed, added = self.grace.settled(file, owner, range_)
            for record in removed:
                self.journal.remove(record)
            for record in added:
                self.journal.put(record)

    def _record(self, file: LockedFile, change: LockChange) -> None:
        for held in change.removed:
            if held.owner.client in self.kept:
                self.journal.remove(RecordedLock(file, held.lock))
        for held in change.added:
            if held.owner.client in self.kept:
                self.journal.put(RecordedLock(file, held.lock))

    def _records(self) -> Iterator[Record]:
        """Yield everything that is to be in the journal."""
        for file in self.table.files:
            for held in self.table.held(file):
                if held.owner.client in self.kept:
                    yield RecordedLock(file, held.lock)
        for each in self.shares:
            if each.owner.client in self.kept:
                yield RecordedShare(*each)
        if self.grace is not None:
            yield from self.grace.left()
