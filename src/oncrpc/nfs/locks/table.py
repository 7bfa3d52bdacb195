"""The lock table: who holds which bytes of which file.

It is pure: no call waits, and nothing is stored.

The locks of one owner in a file never overlap, and two that touch are of different kinds: they are
merged and split as fcntl(2) does. An exclusive lock overlaps no lock of another owner. So exclusive
and shared locks never overlap, and exclusive ones never overlap each other.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import NamedTuple

from oncrpc.nfs.locks.ranges import RangeIndex, overlapping
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner

MAX_LOCKS = 1 << 18
"""Locks of all clients."""

MAX_CLIENT_LOCKS = 1 << 16
"""Locks of one client."""

LONG_NAMES = 256
"""Bytes of the names of a lock's owner for which the lock counts once more."""

SPARE_OWNERS = 1000
"""Owners without locks that may be known, besides twice the number of locks."""

TAG_SIZE = 2
"""Bytes of the tag in the key of a file."""

FEW = 32
"""Locks of a file that are searched one by one; more have an index."""


class ClientRecord:
    """A client that has locks: their number and cost, and the number of them in each file."""

    __slots__ = ("client", "cost", "files", "locks")

    def __init__(self, client: LockClient) -> None:
        self.client, self.locks, self.cost = client, 0, 0
        self.files: dict[bytes, int] = {}


class HeldLock:
    """A lock that is held; it never changes. ``since`` is a time in seconds."""

    __slots__ = ("end", "exclusive", "owner", "since", "start")

    def __init__(
        self, start: int, end: int, *, owner: LockOwner, exclusive: bool, since: int
    ) -> None:
        self.start, self.end, self.owner = start, end, owner
        self.exclusive, self.since = exclusive, since

    @property
    def lock(self) -> Lock:
        """The same as a value."""
        return Lock(self.owner, ByteRange(self.start, self.end), self.exclusive)

    def part(self, start: int, end: int) -> HeldLock:
        """The same lock over other bytes."""
        if start == self.start and end == self.end:
            return self
        return HeldLock(start, end, owner=self.owner, exclusive=self.exclusive, since=self.since)


class LockChange(NamedTuple):
    """The locks that an operation has replaced, and the locks in their place."""

    removed: Collection[HeldLock] = ()
    added: Collection[HeldLock] = ()


class FileLocks:
    """The locks of one file, ordered by owner and start.

    ``index`` is there if the file has many: shared and exclusive locks, by range.
    """

    __slots__ = ("index", "locks")

    def __init__(self, locks: Iterable[HeldLock] = ()) -> None:
        self.locks = [*locks]
        self.index: dict[bool, RangeIndex[HeldLock]] | None = None

    def overlapping(self, range_: ByteRange, *, exclusive: bool) -> Iterable[HeldLock]:
        """The locks of one kind that cover a byte of the range, in the order of their start."""
        if self.index is not None:
            return self.index[exclusive].overlapping(*range_)
        few = overlapping(self.locks, *range_)
        return sorted((each for each in few if each.exclusive is exclusive), key=_start)

    def touching(self, owner: LockOwner, start: int, end: int) -> slice:
        """Where the locks of an owner are that overlap a range, or are next to it."""
        locks = self.locks
        first = bisect_left(locks, (owner, start), key=_order)
        if first and locks[first - 1].owner == owner and locks[first - 1].end >= start:
            first -= 1
        last = bisect_left(locks, (owner, end + 1), key=_order)
        return slice(first, last)

    def replace(self, where: slice, change: LockChange, locks: Collection[HeldLock]) -> None:
        """Put locks in the place of others."""
        self.locks[where] = locks
        if self.index is None:
            if len(self.locks) > FEW:
                self.index = {
                    kind: RangeIndex(each for each in self.locks if each.exclusive is kind)
                    for kind in (False, True)
                }
            return
        if len(self.locks) <= FEW // 2:
            self.index = None
            return
        for each in change.removed:
            self.index[each.exclusive].remove(each)
        for each in change.added:
            self.index[each.exclusive].add(each)


class LockTable:
    """The locks of all files, at most ``most``, and at most ``most_of_client`` of one client.

    The clients of one address have at most half of all, so that no host takes the room of others.
    A lock whose owner has long names counts as several (``LONG_NAMES``).

    Records of files and clients exist while they have locks. 100,000 locks must fit in a few tens
    of MiB. So the key of a file is one bytes object; a file with one lock, as most have, is only
    that lock in ``_files``; and equal owners are one object, by ``_owners``. That has owners
    without locks, too, but is never much longer than the number of locks.
    """

    def __init__(self, *, most: int = MAX_LOCKS, most_of_client: int = MAX_CLIENT_LOCKS) -> None:
        self.most, self.most_of_client = most, most_of_client
        self.locks = self._cost = 0
        self._hosts = Counter[str]()
        self._files: dict[bytes, HeldLock | FileLocks] = {}
        self._owners: dict[LockOwner, LockOwner] = {}
        self._clients: dict[LockClient, ClientRecord] = {}
        self._now = 0

    def __contains__(self, file: LockedFile) -> bool:
        return _key(file) in self._files

    @property
    def files(self) -> Iterator[LockedFile]:
        """The files that have locks."""
        return map(_file, self._files)

    @property
    def file_count(self) -> int:
        """How many files have locks."""
        return len(self._files)

    @property
    def clients(self) -> Collection[LockClient]:
        """The clients that have locks."""
        return self._clients.keys()

    def count_of(self, client: LockClient) -> int:
        """How many locks a client has."""
        record = self._clients.get(client)
        return 0 if record is None else record.locks

    def count_in(self, file: LockedFile) -> int:
        """How many locks a file has."""
        return len(self._get(_key(file)).locks)

    def of_host(self, host: str) -> int:
        """How many locks the clients of an address have, with those that count as several."""
        return self._hosts[host]

    def held(self, file: LockedFile) -> Sequence[HeldLock]:
        """The locks of a file, by owner."""
        return self._get(_key(file)).locks

    def conflict(self, file: LockedFile, lock: Lock) -> Lock | None:
        """A lock of another owner that cannot be held together with this one."""
        found = next(self.conflicts(file, lock), None)
        return None if found is None else found.lock

    def conflicts(self, file: LockedFile, lock: Lock) -> Iterator[HeldLock]:
        """Yield the locks of other owners that cannot be held together with this one."""
        found = self._get(_key(file))
        for kind in (True, False) if lock.exclusive else (True,):
            for each in found.overlapping(lock.range, exclusive=kind):
                if each.owner != lock.owner:
                    yield each

    def own(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> list[Lock]:
        """The parts of the range that an owner holds."""
        found, (start, end) = self._get(_key(file)), range_
        return [
            Lock(owner, ByteRange(max(start, each.start), min(end, each.end)), each.exclusive)
            for each in found.locks[found.touching(owner, start, end)]
            if each.start < end and start < each.end
        ]

    def covers(self, file: LockedFile, lock: Lock) -> bool:
        """Whether the owner holds exactly this: all bytes of the range, in this kind."""
        return self.own(file, lock.owner, lock.range) == [lock]

    def union(self, file: LockedFile, range_: ByteRange) -> Iterator[tuple[ByteRange, bool]]:
        """Yield the bytes of the range that any owner holds, in their order, and whether
        exclusively. The table must not change meanwhile.
        """
        found = self._get(_key(file))
        return heapq.merge(
            *(
                zip(_merged(found.overlapping(range_, exclusive=kind), range_), repeat(kind))
                for kind in (False, True)
            )
        )

    def set(self, file: LockedFile, lock: Lock, *, now: int) -> LockChange | None:
        """Hold a lock that has no conflict. What its owner holds of the range is replaced.

        Returns None if there are too many locks.
        """
        if now != self._now:
            self._now = now  # one object for all locks of a second
        return self._replace(_key(file), lock.owner, lock.range, exclusive=lock.exclusive)

    def clear(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> LockChange | None:
        """Release what the owner holds of the range.

        Returns None if a lock would be cut in two, and there are too many.
        """
        return self._replace(_key(file), owner, range_, exclusive=None)

    def free(self, client: LockClient) -> list[tuple[LockedFile, LockChange]]:
        """Release all locks of a client."""
        record = self._clients.get(client)
        if record is None:
            return []
        return [(_file(key), self._free(key, client)) for key in list(record.files)]

    def _free(self, key: bytes, client: LockClient) -> LockChange:
        found = self._get(key)
        kept, gone = list[HeldLock](), list[HeldLock]()
        for each in found.locks:
            (gone if each.owner.client == client else kept).append(each)
        change = LockChange(gone)
        found.replace(slice(None), change, kept)
        self._keep(key, found, change)
        return change

    def _replace(
        self, key: bytes, owner: LockOwner, range_: ByteRange, *, exclusive: bool | None
    ) -> LockChange | None:
        found = self._get(key)
        where = found.touching(owner, *range_)
        old = found.locks[where]
        if exclusive is None and not old:
            return LockChange()
        owner = old[0].owner if old else self._same(owner)
        new = self._pieces(owner, old, range_, exclusive=exclusive)
        change = LockChange(
            [each for each in old if each not in new], [each for each in new if each not in old]
        )
        growth = len(new) - len(old)
        if growth > 0 and not self._has_room(owner.client, growth * _cost(owner)):
            return None
        if change.added or change.removed:
            found.replace(where, change, new)
            self._keep(key, found, change)
        return change

    def _pieces(
        self,
        owner: LockOwner,
        old: Sequence[HeldLock],
        range_: ByteRange,
        *,
        exclusive: bool | None,
    ) -> Sequence[HeldLock]:
        """The locks of an owner around a range that it holds in a new way, or not at all."""
        start, end = first, last = range_
        left, right, since = list[HeldLock](), list[HeldLock](), self._now
        for each in old:
            if each.exclusive is exclusive:
                if each.start <= start and end <= each.end:
                    return old
                first, last = min(first, each.start), max(last, each.end)
                since = min(since, each.since)
                continue
            if each.start < start:
                left.append(each.part(each.start, min(each.end, start)))
            if each.end > end:
                right.append(each.part(max(each.start, end), each.end))
        if exclusive is None:
            return left + right
        held = HeldLock(first, last, owner=owner, exclusive=exclusive, since=since)
        return [*left, held, *right]

    def _has_room(self, client: LockClient, cost: int) -> bool:
        record = self._clients.get(client)
        return (
            self._cost + cost <= self.most
            and self._hosts[client.host] + cost <= max(self.most // 2, self.most_of_client)
            and (0 if record is None else record.cost) + cost <= self.most_of_client
        )

    def _get(self, key: bytes) -> FileLocks:
        """The locks of a file; to change it, call ``_keep`` afterwards."""
        found = self._files.get(key)
        if found is None:
            return FileLocks()
        return FileLocks((found,)) if isinstance(found, HeldLock) else found

    def _keep(self, key: bytes, found: FileLocks, change: LockChange) -> None:
        """Keep the locks of a file, and count what has changed."""
        if len(found.locks) > 1:
            self._files[key] = found
        elif found.locks:
            self._files[key] = found.locks[0]
        else:
            del self._files[key]
        self.locks += len(change.added) - len(change.removed)
        for step, some in ((1, change.added), (-1, change.removed)):
            for each in some:
                self._count(key, each.owner, step)
        if change.removed:
            self._forget_owners()

    def _count(self, key: bytes, owner: LockOwner, step: int) -> None:
        client, cost = owner.client, step * _cost(owner)
        self._cost += cost
        self._hosts[client.host] += cost
        record = self._clients.get(client)
        if record is None:
            record = self._clients[client] = ClientRecord(client)
        record.locks += step
        record.cost += cost
        record.files[key] = record.files.get(key, 0) + step
        if not record.files[key]:
            del record.files[key]
        if not record.locks:
            del self._clients[client]
        if not self._hosts[client.host]:
            del self._hosts[client.host]

    def _same(self, owner: LockOwner) -> LockOwner:
        """The object that all locks of the owner share."""
        same = self._owners.get(owner)
        if same is None:
            self._forget_owners()
            record = self._clients.get(owner.client)
            same = owner if record is None else owner._replace(client=record.client)
            self._owners[same] = same
        return same

    def _forget_owners(self) -> None:
        """Forget owners without locks, if there are many."""
        if len(self._owners) > 2 * self.locks + SPARE_OWNERS:
            held = (each.owner for key in self._files for each in self._get(key).locks)
            self._owners = {owner: owner for owner in held}


def _cost(owner: LockOwner) -> int:
    return 1 + (len(owner.oh) + len(owner.client.name)) // LONG_NAMES


def _key(file: LockedFile) -> bytes:
    return file.tag.to_bytes(TAG_SIZE, "big") + file.file


def _file(key: bytes) -> LockedFile:
    return LockedFile(int.from_bytes(key[:TAG_SIZE], "big"), key[TAG_SIZE:])


def _merged(held: Iterable[HeldLock], within: ByteRange) -> Iterator[ByteRange]:
    """Yield the bytes of a range that some lock covers; ends early if all are covered."""
    start = end = within.start
    for each in held:
        if each.start > end:
            if start < end:
                yield ByteRange(start, end)
            start = end = each.start
        end = max(end, min(each.end, within.end))
        if end == within.end:
            break
    if start < end:
        yield ByteRange(start, end)


_order, _start = attrgetter("owner", "start"), attrgetter("start")
