"""The grace period: after a restart, clients claim the locks that they had.

The journal has the locks of each client. In the grace period no other locks are granted. A client
that is in the journal may claim a lock, unless it conflicts with a recorded lock of another owner
that is not claimed yet. The period ends when every recorded lock is claimed or given up: the client
has released it, or has restarted itself. It ends at the latest after its limit.

If the journal was damaged, some locks may be missing in it. So the clients that the status monitor
knows may claim locks, too, and the period lasts until its limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from oncrpc.nfs.locks.dos_shares import DosShare, DosShares
from oncrpc.nfs.locks.journal import Record, RecordedLock, RecordedShare
from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner

UNLIMITED = 1 << 62


class GraceReport(NamedTuple):
    """The state of a grace period; ``awaited`` are the clients with locks that are not claimed."""

    awaited: Collection[LockClient]
    locks: int
    """Locks and shares that are not claimed yet."""

    seconds_left: float


class GracePeriod:
    """A grace period that ends at ``until`` at the latest.

    ``hosts`` are the clients that may claim. ``recorded`` and ``shares`` have what is not claimed
    yet. ``complete`` is whether the journal has everything.
    """

    def __init__(self, records: Iterable[Record] = (), *, until: float) -> None:
        self.until, self.complete = until, True
        self.hosts = set[LockClient]()
        self.recorded = LockTable(most=UNLIMITED, most_of_client=UNLIMITED)
        self.shares = DosShares(most=UNLIMITED, most_of_client=UNLIMITED)
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Let a lock or a share be claimed. It is in the journal."""
        if isinstance(record, RecordedLock):
            self.recorded.set(record.file, record.lock, now=0)
            self.hosts.add(record.lock.owner.client)
        else:
            self.shares.set(record.file, record.owner, record.share)
            self.hosts.add(record.owner.client)

    def allow(self, hosts: Collection[LockClient]) -> None:
        """Let these hosts claim any lock, since the journal is not complete."""
        self.complete = False
        self.hosts.update(hosts)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to claim."""
        return self.complete and not self.recorded.locks and not len(self.shares)

    def may_claim(self, file: LockedFile, lock: Lock) -> bool:
        """Whether a client may claim this lock."""
        return lock.owner.client in self.hosts and self.recorded.conflict(file, lock) is None

    def has(self, file: LockedFile, lock: Lock) -> bool:
        """Whether its owner has this lock in the journal.

        If the owner asks for it as for a new one, it has not heard that it has the lock: the server
        ended before it could say so. The owner will not claim it, and gets it now.
        """
        return self.recorded.covers(file, lock)

    def may_claim_share(self, file: LockedFile, owner: LockOwner, share: DosShare) -> bool:
        """Whether a client may claim this share."""
        return owner.client in self.hosts and not self.shares.conflicts(file, owner, share)

    def settled(
        self, file: LockedFile, owner: LockOwner, range_: ByteRange
    ) -> tuple[list[Record], list[Record]]:
        """These bytes are claimed, or released. Returns the records to remove and to add."""
        change = self.recorded.clear(file, owner, range_)
        assert change is not None
        return (
            [RecordedLock(file, each.lock) for each in change.removed],
            [RecordedLock(file, each.lock) for each in change.added],
        )

    def settled_share(self, file: LockedFile, owner: LockOwner) -> None:
        """A share is claimed, or removed."""
        self.shares.clear(file, owner)

    def give_up(self, client: LockClient) -> list[Record]:
        """A client has restarted, and claims nothing. Returns the records to remove."""
        self.hosts.discard(client)
        gone: list[Record] = [
            RecordedLock(file, each.lock)
            for file, change in self.recorded.free(client)
            for each in change.removed
        ]
        gone += [
            RecordedShare(file, owner, DosShare(0, 0)) for file, owner in self.shares.free(client)
        ]
        return gone

    def left(self) -> list[Record]:
        """The records that nobody has claimed."""
        found: list[Record] = [
            RecordedLock(file, each.lock)
            for file in self.recorded.files
            for each in self.recorded.held(file)
        ]
        return found + [RecordedShare(*each) for each in self.shares]

    def report(self, now: float) -> GraceReport:
        """The state at a time."""
        awaited = sorted({*self.recorded.clients, *self.shares.clients})
        count = self.recorded.locks + len(self.shares)
        return GraceReport(awaited, count, max(self.until - now, 0.0))
