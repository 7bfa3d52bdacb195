"""The lock manager: grants locks, lets requests wait, and knows what is to be kept.

It brings together the lock table, the waiting requests, the locks of local processes, and the DOS
shares. It knows nothing of the wire: a service translates calls to its methods, and calls a client
back when ``granted`` is called.

A request passes these steps: is the server in its grace period; is another client in the way; open
the file and watch the client, if it is the first time; is a local process in the way; change the
table; bring the change to the disk. Only the third and the last one wait. A call that arrives
meanwhile, and takes back what is asked for, makes the request fail.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from oncrpc.nfs.locks.dos_shares import DosShare, DosShares
from oncrpc.nfs.locks.local_locks import LocalLocks, NotWritable, holder_on
from oncrpc.nfs.locks.peers import Peer, PeerMonitor
from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import (
    ByteRange,
    LocalHolder,
    Lock,
    LockClient,
    LockedFile,
    LockOutcome,
    LockOwner,
)
from oncrpc.nfs.locks.waiting import LockRequest, WaitingRequest, WaitingRequests

OpenFile = Callable[[], Awaitable[int | None]]
"""Opens a file for its local locks: ``FileSystem.lock_descriptor``. The manager closes it."""

FIRST_RETRY, LAST_RETRY = 0.01, 0.2
"""Seconds between two tries of a lock that a local process holds: the first and the longest."""


class OfferedLock(NamedTuple):
    """A lock that was granted to a waiting request, and that the client has not yet taken.

    ``before`` is what its owner held of the range.
    """

    request: LockRequest
    before: tuple[Lock, ...]


class _Entering:
    """A request between its first step and the change of the table."""

    def __init__(self, request: LockRequest) -> None:
        self.request, self.dropped = request, False


class LockManager:
    """The locks of all clients. Its methods run on the event loop.

    ``granted`` is called with a waiting request that has got its lock. The service then calls the
    client back, and ends with ``acknowledge`` or ``give_back``. ``in_grace`` is whether only locks
    from before the restart are given.

    The caller has checked that the user may lock the file. ``opens`` is called for the first lock
    of a file only; what it raises is raised to the caller.
    """

    granted: Callable[[LockRequest], None]

    def __init__(
        self,
        *,
        monitor: PeerMonitor | None = None,
        clock: Callable[[], float] = time.time,
        most_open: int | None = None,
    ) -> None:
        self.table, self.shares = LockTable(), DosShares()
        self.waiting = WaitingRequests(self.table)
        self.local = LocalLocks(most=_most_open() if most_open is None else most_open)
        self.granted = _nobody_listens
        self._monitor, self._clock = monitor, clock
        self._entering: list[_Entering] = []
        self._offered: dict[tuple[LockedFile, Lock], OfferedLock] = {}
        self._retries: dict[LockedFile, asyncio.TimerHandle] = {}
        if monitor is not None:
            monitor.restarted = self._restarted

    @property
    def in_grace(self) -> bool:
        """Whether the server has restarted, and clients may only claim locks from before."""
        return False

    async def test(
        self, file: LockedFile, lock: Lock, opens: OpenFile
    ) -> Lock | LocalHolder | None:
        """Who is in the way of a lock; None if it could be had.

        Raises:
            OSError: the file cannot be opened.
        """
        found = self.table.conflict(file, lock)
        if found is not None:
            return found
        if file in self.local:
            return self.local.holder(file, lock.range, exclusive=lock.exclusive)
        descriptor = await opens()
        if descriptor is None:
            return None
        try:
            return holder_on(descriptor, lock.range, exclusive=lock.exclusive)
        finally:
            os.close(descriptor)

    async def lock(
        self, request: LockRequest, opens: OpenFile, *, peer: Peer | None, state: int
    ) -> LockOutcome:
        """Grant a lock, or let the request wait. A lock that is granted is on disk.

        A repeated request has the same outcome; one that waits is not doubled. ``peer`` is None for
        a client that is not to be watched (NM_LOCK): its locks are gone if the server restarts.
        ``state`` is the state of the client's status monitor.

        Raises:
            OSError: the file cannot be opened.
        """
        early = self._early(request)
        if early is not None:
            return early
        with self._enter(request) as entering:
            if not await self._open(request.file, opens) or not await self._watch(peer, state):
                return LockOutcome.NO_ROOM
            if entering.dropped:
                self._close_unused(request.file)
                return LockOutcome.DENIED
            outcome = self._try(request)
        self._close_unused(request.file)
        return outcome

    async def unlock(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> LockOutcome:
        """Release what an owner holds of a range, and what it waits for there.

        Returns GRANTED, also if it holds nothing; NO_ROOM if it would have one lock too many.
        """
        self._drop_entering(lambda each: _touches(each, file, owner, range_))
        for waiting in self.waiting.of_file(file):
            if _touches(waiting.request, file, owner, range_):
                self.waiting.remove(waiting)
        self._forget_offers(file, owner, range_)
        if not self._release(file, owner, range_):
            return LockOutcome.NO_ROOM
        self._settle(file, range_)
        return LockOutcome.GRANTED

    def cancel(self, file: LockedFile, lock: Lock) -> bool:
        """Take back a request that waits, or a lock that was granted and not acknowledged yet.

        Returns whether there was one.
        """
        found = self._drop_entering(lambda each: (each.file, each.lock) == (file, lock))
        waiting = self.waiting.find(file, lock)
        if waiting is not None:
            self.waiting.remove(waiting)
        offer = self._offered.get((file, lock))
        if offer is not None:
            self.give_back(offer.request)
        self._settle(file, lock.range)
        return found or waiting is not None or offer is not None

    def acknowledge(self, request: LockRequest) -> None:
        """The client has taken the lock that was granted to its waiting request."""
        self._offered.pop((request.file, request.lock), None)

    def give_back(self, request: LockRequest) -> None:
        """The client does not want the lock that was granted, or never answered.

        Its owner holds again what it held before.
        """
        file, lock = request.file, request.lock
        offer = self._offered.pop((file, lock), None)
        if offer is None:
            return
        self._restore(file, lock, offer.before)
        self._settle(file, lock.range)

    async def share(
        self, file: LockedFile, owner: LockOwner, share: DosShare, *, reclaim: bool = False
    ) -> LockOutcome:
        """Keep a DOS share, in place of one of the same owner."""
        if reclaim and not self.in_grace:
            return LockOutcome.DENIED
        if self.shares.conflicts(file, owner, share):
            return LockOutcome.DENIED
        now = int(self._clock())
        kept = self.shares.set(file, owner, share._replace(since=now))
        return LockOutcome.GRANTED if kept else LockOutcome.NO_ROOM

    async def unshare(self, file: LockedFile, owner: LockOwner) -> LockOutcome:
        """Remove the DOS share of an owner. Returns GRANTED, also if it has none."""
        self.shares.clear(file, owner)
        return LockOutcome.GRANTED

    def free(self, client: LockClient) -> None:
        """Release all locks and shares of a client, and let none of its requests wait."""
        self._drop_entering(lambda each: each.lock.owner.client == client)
        changed = dict[LockedFile, None]()
        for waiting in self.waiting.of_client(client):
            self.waiting.remove(waiting)
            changed[waiting.request.file] = None
        for key in [key for key in self._offered if key[1].owner.client == client]:
            del self._offered[key]
        for file, change in self.table.free(client):
            changed[file] = None
            for held in change.removed:
                self._unlock_locally(file, held.lock.range)
        self.shares.free(client)
        for file in changed:
            self._settle(file, EVERYTHING)

    async def close(self) -> None:
        """Release the local locks, and end what runs."""
        for timer in self._retries.values():
            timer.cancel()
        self._retries.clear()
        self.local.close_all()

    # The steps of a request.

    def _early(self, request: LockRequest) -> LockOutcome | None:
        """The outcome of a request that need not wait for anything."""
        file, lock = request.file, request.lock
        if self.table.covers(file, lock):
            self._offered.pop((file, lock), None)
            return LockOutcome.GRANTED
        waiting = self.waiting.find(file, lock)
        if waiting is not None:
            if request.wait:
                return LockOutcome.BLOCKED
            self.waiting.remove(waiting)
        if not request.wait and self.table.conflict(file, lock) is not None:
            return LockOutcome.DENIED
        return None

    async def _open(self, file: LockedFile, opens: OpenFile) -> bool:
        """Have a descriptor for the local locks of a file; False if there are too many."""
        if file in self.local:
            return True
        descriptor = await opens()
        return descriptor is None or self.local.add(file, descriptor)

    async def _watch(self, peer: Peer | None, state: int) -> bool:
        return self._monitor is None or peer is None or await self._monitor.watch(peer, state)

    def _try(self, request: LockRequest) -> LockOutcome:
        """Grant a lock, or let the request wait."""
        file, lock = request.file, request.lock
        if self.table.covers(file, lock):
            return LockOutcome.GRANTED
        if self.table.conflict(file, lock) is not None:
            if not request.wait:
                return LockOutcome.DENIED
            if self.waiting.would_deadlock(request):
                return LockOutcome.DEADLOCK
            return self._wait(request)
        if request.wait and self.waiting.comes_later(request):
            return self._wait(request)
        outcome = self._give(request)
        if outcome is LockOutcome.BLOCKED:
            if not request.wait:
                return LockOutcome.DENIED
            outcome = self._wait(request)
            self._retry_later(file, FIRST_RETRY)
        return outcome

    def _wait(self, request: LockRequest) -> LockOutcome:
        if self.waiting.find(request.file, request.lock) is None and not self.waiting.add(
            request, now=int(self._clock())
        ):
            return LockOutcome.NO_ROOM
        for other in self.waiting.freed_by(request):
            if other.request != request:
                self._settle(other.request.file, other.lock.range)
        return LockOutcome.BLOCKED

    def _give(self, request: LockRequest) -> LockOutcome:
        """Grant a lock that no client is in the way of. BLOCKED: a local process is."""
        file, lock = request.file, request.lock
        before = tuple(self.table.own(file, lock.owner, lock.range))
        try:
            if not self.local.take(file, lock.range, exclusive=lock.exclusive):
                return LockOutcome.BLOCKED
        except NotWritable:
            return LockOutcome.READ_ONLY
        if self.table.set(file, lock, now=int(self._clock())) is None:
            self._restore(file, lock, before)
            return LockOutcome.NO_ROOM
        return LockOutcome.GRANTED

    # Releasing.

    def _release(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> bool:
        if self.table.clear(file, owner, range_) is None:
            return False
        self._unlock_locally(file, range_)
        return True

    def _unlock_locally(self, file: LockedFile, range_: ByteRange) -> None:
        if file in self.local:
            self.local.release(file, range_, self.table.union(file, range_))

    def _restore(self, file: LockedFile, lock: Lock, before: tuple[Lock, ...]) -> None:
        """Let an owner hold again what it held."""
        self.table.clear(file, lock.owner, lock.range)
        for each in before:
            self.table.set(file, each, now=int(self._clock()))
        self._unlock_locally(file, lock.range)

    def _settle(self, file: LockedFile, range_: ByteRange) -> None:
        """Grant what can be granted now that bytes of a range are free."""
        for waiting in self.waiting.ready(file, range_):
            self._offer(waiting)
        self._close_unused(file)

    def _offer(self, waiting: WaitingRequest) -> None:
        """Grant a lock to a request that waits."""
        request = waiting.request
        file, lock = request.file, request.lock
        before = tuple(self.table.own(file, lock.owner, lock.range))
        match self._give(request):
            case LockOutcome.GRANTED:
                self.waiting.remove(waiting)
                self._offered[file, lock] = OfferedLock(request, before)
                self.granted(request)
            case LockOutcome.BLOCKED:
                self._retry_later(file, FIRST_RETRY)
            case LockOutcome.READ_ONLY:
                self.waiting.remove(waiting)

    def _retry_later(self, file: LockedFile, after: float) -> None:
        """Try again after a while: the kernel does not tell when a local process unlocks."""
        if file not in self._retries:
            loop = asyncio.get_running_loop()
            self._retries[file] = loop.call_later(after, self._retry, file, after)

    def _retry(self, file: LockedFile, after: float) -> None:
        del self._retries[file]
        before = len(self.waiting.of_file(file))
        if not before:
            return
        self._settle(file, EVERYTHING)
        timer = self._retries.pop(file, None)
        if timer is not None:
            timer.cancel()
            self._retry_later(file, min(2 * after, LAST_RETRY))

    def _close_unused(self, file: LockedFile) -> None:
        """Close the descriptor of a file that has no locks, and for which no request waits."""
        if (
            file in self.local
            and file not in self.table
            and file not in self.waiting.files
            and not any(each.request.file == file for each in self._entering)
        ):
            self.local.close(file)

    # Requests between two steps.

    @contextmanager
    def _enter(self, request: LockRequest) -> Iterator[_Entering]:
        entering = _Entering(request)
        self._entering.append(entering)
        try:
            yield entering
        finally:
            self._entering.remove(entering)

    def _drop_entering(self, which: Callable[[LockRequest], bool]) -> bool:
        dropped = [each for each in self._entering if which(each.request)]
        for each in dropped:
            each.dropped = True
        return bool(dropped)

    def _forget_offers(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> None:
        for key, offer in list(self._offered.items()):
            if _touches(offer.request, file, owner, range_):
                del self._offered[key]

    def _restarted(self, client: LockClient, _state: int) -> None:
        self.free(client)


EVERYTHING = ByteRange(0, 1 << 64)


def _touches(request: LockRequest, file: LockedFile, owner: LockOwner, range_: ByteRange) -> bool:
    return (
        request.file == file and request.lock.owner == owner and request.lock.range.overlaps(range_)
    )


def _most_open() -> int:
    """Descriptors for local locks: a quarter of what the process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


def _nobody_listens(request: LockRequest) -> None:
    """The hook of a manager without a service."""
