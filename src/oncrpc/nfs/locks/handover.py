"""The locks that one image of the server leaves to the next one in the same process, as JSON.

The descriptors of the local files stay open, so their locks are held without a break.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.grace import GracePeriod
from oncrpc.nfs.locks.journal import Record, RecordedLock, RecordedShare
from oncrpc.nfs.locks.store import LockStore
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner
from oncrpc.nfs.locks.waiting import LockRequest, WaitingRequests


class OfferedLock(NamedTuple):
    """A lock that was granted, and that the client does not know yet, or may not know.

    ``before`` is what its owner held of the range. ``called``: the client is being called back.
    """

    request: LockRequest
    before: Sequence[Lock]
    called: bool = False


class LeftLock(msgspec.Struct, array_like=True, frozen=True):
    """A lock; ``last`` is its last byte, since JSON has no larger numbers."""

    tag: int
    file: bytes
    host: str
    name: bytes
    svid: int
    oh: bytes
    start: int
    last: int
    exclusive: bool
    since: int = 0

    @property
    def locked_file(self) -> LockedFile:
        """The file."""
        return LockedFile(self.tag, self.file)

    @property
    def lock(self) -> Lock:
        """The lock itself."""
        owner = LockOwner(LockClient(self.host, self.name), self.svid, self.oh)
        return Lock(owner, ByteRange(self.start, self.last + 1), self.exclusive)


class LeftShare(msgspec.Struct, array_like=True, frozen=True):
    """A share."""

    tag: int
    file: bytes
    host: str
    name: bytes
    svid: int
    oh: bytes
    mode: int
    access: int
    since: int

    @property
    def key(self) -> tuple[LockedFile, LockOwner]:
        """The file and the owner."""
        owner = LockOwner(LockClient(self.host, self.name), self.svid, self.oh)
        return LockedFile(self.tag, self.file), owner

    @property
    def share(self) -> DosShare:
        """The share itself."""
        return DosShare(self.mode, self.access, self.since)


class LeftOffer(msgspec.Struct, array_like=True, frozen=True):
    """An offered lock."""

    lock: LeftLock
    before: list[LeftLock]
    called: bool


class LeftGrace(msgspec.Struct, frozen=True):
    """A grace period."""

    hosts: list[tuple[str, bytes]]
    seconds: float
    locks: list[LeftLock]
    shares: list[LeftShare]
    complete: bool


class LeftLocks(msgspec.Struct, frozen=True):
    """All that the lock manager leaves."""

    kept: list[tuple[str, bytes]] = []
    locks: list[LeftLock] = []
    shares: list[LeftShare] = []
    waiting: list[LeftLock] = []
    offers: list[LeftOffer] = []
    descriptors: list[tuple[int, bytes, int]] = []
    grace: LeftGrace | None = None
    unreleased: list[tuple[int, bytes, int, int]] = []
    """What is still to be released on local files: the first and the last byte."""

    unwritten: bool = False
    """The journal does not have all of this."""


def left_by(
    store: LockStore,
    waiting: WaitingRequests,
    offers: Iterable[OfferedLock],
    *,
    now: float,
) -> bytes:
    """What to leave, as JSON."""
    table = store.table
    left = LeftLocks(
        kept=sorted(store.kept),
        locks=[
            _left(file, each.lock, each.since) for file in table.files for each in table.held(file)
        ],
        shares=[_left_share(*each) for each in store.shares],
        waiting=[_left(each.request.file, each.lock, each.since) for each in waiting],
        offers=[
            LeftOffer(
                _left(each.request.file, each.request.lock),
                [_left(each.request.file, lock) for lock in each.before],
                each.called,
            )
            for each in offers
        ],
        descriptors=[(*file, number) for file, number in store.local.descriptors.items()],
        grace=None if store.grace is None else _left_grace(store.grace, now),
        unreleased=[(*file, start, end - 1) for file, (start, end) in store.releases.left.items()],
        unwritten=bool(store.journal.fault),
    )
    return msgspec.json.encode(left)


def resumed(
    data: bytes, store: LockStore, waiting: WaitingRequests, *, now: float
) -> list[OfferedLock]:
    """Take over what an earlier image has left. Returns the offered locks.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    left = msgspec.json.decode(data, type=LeftLocks)
    store.kept.update(LockClient(*client) for client in left.kept)
    for tag, file, descriptor in left.descriptors:
        store.local.adopt(LockedFile(tag, file), descriptor)
    for tag, file, start, last in left.unreleased:
        store.releases.later(LockedFile(tag, file), ByteRange(start, last + 1))
    for each in left.locks:
        store.table.set(each.locked_file, each.lock, now=each.since)
    for share in left.shares:
        store.shares.set(*share.key, share.share)
    for each in left.waiting:
        waiting.add(LockRequest(each.locked_file, each.lock, wait=True), now=each.since)
    if left.grace is not None:
        store.grace = _grace(left.grace, now)
    if left.unwritten:
        store.journal.write_everything()
    return [_offer(each) for each in left.offers]


def _left(file: LockedFile, lock: Lock, since: int = 0) -> LeftLock:
    owner, range_ = lock.owner, lock.range
    return LeftLock(
        *file,
        *owner.client,
        owner.svid,
        owner.oh,
        range_.start,
        range_.end - 1,
        lock.exclusive,
        since,
    )


def _left_share(file: LockedFile, owner: LockOwner, share: DosShare) -> LeftShare:
    return LeftShare(*file, *owner.client, owner.svid, owner.oh, *share)


def _left_grace(grace: GracePeriod, now: float) -> LeftGrace:
    left = grace.left()
    return LeftGrace(
        sorted(grace.hosts),
        grace.until - now,
        [_left(each.file, each.lock) for each in left if isinstance(each, RecordedLock)],
        [_left_share(*each) for each in left if isinstance(each, RecordedShare)],
        grace.complete,
    )


def _grace(left: LeftGrace, now: float) -> GracePeriod:
    records: list[Record] = [RecordedLock(each.locked_file, each.lock) for each in left.locks]
    records += [RecordedShare(*each.key, each.share) for each in left.shares]
    grace = GracePeriod(records, until=now + left.seconds)
    grace.hosts, grace.complete = {LockClient(*host) for host in left.hosts}, left.complete
    return grace


def _offer(left: LeftOffer) -> OfferedLock:
    request = LockRequest(left.lock.locked_file, left.lock.lock, wait=True)
    return OfferedLock(request, [each.lock for each in left.before], left.called)
