"""Granting locks to requests that wait, and offers: granted locks that can still be taken back.

A lock is an offer until it is on disk, and until its client knows of it: the client of a waiting
request is called back. If the client refuses the lock, or the disk is full, the owner holds again
what it held before. So bytes that the owner holds exclusively stay exclusive while it is offered a
shared lock.

Offers to one owner do not overlap: otherwise taking back one of them could restore bytes that the
other one has changed. A request that waits, and overlaps an offer to its owner, is granted after
that offer is accepted or refused. One that does not wait shows that the owner has continued: it
accepts the offers that it overlaps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from oncrpc.nfs.locks.handover import OfferedLock
from oncrpc.nfs.locks.store import LockStore
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOutcome, LockOwner
from oncrpc.nfs.locks.waiting import LockRequest, Steps, WaitingRequest, WaitingRequests

FIRST_RETRY, LAST_RETRY = 0.01, 0.2
"""Seconds between two tries of a lock that a local process holds: the first and the longest."""

EVERYTHING = ByteRange(0, 1 << 64)


class LockGrants:
    """Grants locks of a store. ``granted`` is called with a waiting request that has its lock,
    ``released`` with one that has lost it again.

    ``_retries`` has a timer for each file on which a local process is in the way of a request.
    ``_tasks`` wait for the disk. ``_due`` has what is still to be settled while ``_settles``.
    """

    granted: Callable[[LockRequest], None]
    released: Callable[[LockRequest], None]

    def __init__(self, store: LockStore, waiting: WaitingRequests) -> None:
        self.store, self.waiting = store, waiting
        self.granted = self.released = _ignore_request
        self._offered: dict[tuple[LockedFile, LockOwner], dict[Lock, OfferedLock]] = {}
        self._retries: dict[LockedFile, asyncio.TimerHandle] = {}
        self._tasks = set[asyncio.Task[None]]()
        self._due: dict[LockedFile, ByteRange] = {}
        self._settles = False

    def __iter__(self) -> Iterator[OfferedLock]:
        for offers in [*self._offered.values()]:
            yield from offers.values()

    def of_owner(self, file: LockedFile, owner: LockOwner) -> list[OfferedLock]:
        """The locks of a file that an owner is offered."""
        return [*self._offered.get((file, owner), {}).values()]

    def grant(self, request: LockRequest) -> LockOutcome:
        """Grant a lock if no other client is in the way; or let the request wait."""
        file, lock = request.file, request.lock
        waits = request.wait and not request.reclaim
        if not waits:
            self._accept_overlapping(request)  # which may grant something to others
        if self.store.table.conflict(file, lock) is not None:
            if waits and self.waiting.would_deadlock(request):
                return LockOutcome.DEADLOCK
            return self._wait(request) if waits else LockOutcome.DENIED
        behind = waits and self.waiting.comes_later(request)
        if behind or (waits and self._own_offers(request)):
            return self._wait(request, behind=behind)
        outcome = self._give(request)
        if outcome is LockOutcome.GRANTED:
            self._settle_others_of(lock.owner)
        elif outcome is LockOutcome.BLOCKED:
            if not waits:
                return LockOutcome.DENIED
            self._retry_later(file, FIRST_RETRY)
            return self._wait(request)
        return outcome

    async def confirmed(self, request: LockRequest) -> LockOutcome:
        """Wait until a granted lock is on disk. DENIED if it was taken back meanwhile."""
        file, lock = request.file, request.lock
        offer = self.find(file, lock)
        if not await self._stored(lock.owner.client):
            if offer is not None and self.find(file, lock) is offer:
                self.give_back(request)
            return LockOutcome.NO_ROOM
        if not self.has(request):
            return LockOutcome.DENIED
        self._accept_overlapping(request)
        return LockOutcome.GRANTED

    def has(self, request: LockRequest) -> bool:
        """Whether the lock is granted already."""
        file, lock = request.file, request.lock
        return self.find(file, lock) is not None or self.store.table.covers(file, lock)

    def find(self, file: LockedFile, lock: Lock) -> OfferedLock | None:
        """The offer of exactly this lock."""
        return self._offered.get((file, lock.owner), {}).get(lock)

    def acknowledge(self, request: LockRequest) -> None:
        """The client knows that it has the lock."""
        offer = self._take(request)
        if offer is None:
            return
        if _downgrades(offer):
            self.store.give(request.file, request.lock)
        self.settle(request.file, request.lock.range)

    def give_back(self, request: LockRequest) -> None:
        """Take back an offered lock."""
        file, lock = request.file, request.lock
        offer = self._take(request)
        if offer is not None:
            self.store.restore(file, lock, offer.before)
            self.settle(file, lock.range)

    def forget(self, client: LockClient) -> None:
        """Forget the offers to a client, whose locks are released."""
        for offer in [*self]:
            if offer.request.lock.owner.client == client:
                self._take(offer.request)

    def settle(
        self, file: LockedFile, range_: ByteRange = EVERYTHING, steps: Steps | None = None
    ) -> None:
        """Grant what can be granted now that bytes of a range are free.

        What is granted may free other bytes: these come next, not within, so that a long chain of
        owners does not become a deep recursion. All together look at a number of requests.
        """
        due = self._due.get(file, range_)
        self._due[file] = _around([due, range_])
        if self._settles:
            return
        self._settles, steps = True, Steps() if steps is None else steps
        try:
            while self._due:
                file = next(iter(self._due))
                range_ = self._due.pop(file)
                for waiting in self.waiting.ready(file, range_, steps):
                    if not self._own_offers(waiting.request):
                        self._offer(waiting)
        finally:
            self._settles = False

    def resume(self, offers: Iterable[OfferedLock]) -> None:
        """Continue with the offers of an earlier image of the process."""
        loop = asyncio.get_running_loop()
        for file in self.waiting.files:
            self._retry_later(file, FIRST_RETRY)
        for offer in offers:
            self._keep(offer)
            if not offer.called:
                loop.call_soon(self._call_back, offer)

    async def stop(self) -> None:
        """Grant nothing more."""
        for timer in self._retries.values():
            timer.cancel()
        self._retries.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wait(self, request: LockRequest, *, behind: bool = False) -> LockOutcome:
        if self.waiting.find(request.file, request.lock) is None:
            if not self.waiting.add(request, now=self.store.now(), behind=behind):
                return LockOutcome.NO_ROOM
            self._settle_freed_by(request, Steps())
        return LockOutcome.BLOCKED

    def _settle_freed_by(self, request: LockRequest, steps: Steps | None = None) -> None:
        for file, others in self.waiting.freed_by(request, steps).items():
            self.settle(file, _around([each.lock.range for each in others]), steps)

    def _settle_others_of(self, owner: LockOwner) -> None:
        """An owner has one more lock: look again at its requests, and at those behind them."""
        steps = Steps()
        for waiting in self.waiting.of_owner(owner):
            self.waiting.look_again(waiting)
            self.settle(waiting.request.file, waiting.lock.range, steps)
            self._settle_freed_by(waiting.request, steps)

    def _give(self, request: LockRequest) -> LockOutcome:
        """Hold a lock that no client is in the way of, and offer it."""
        file, lock = request.file, request.lock
        offer = OfferedLock(request, self.store.table.own(file, lock.owner, lock.range))
        outcome = self.store.give(file, lock)
        if outcome is LockOutcome.GRANTED:
            self._keep(offer)
            for each in offer.before if _downgrades(offer) else ():
                if each.exclusive:
                    self.store.give(file, each)
        return outcome

    def _own_offers(self, request: LockRequest) -> list[OfferedLock]:
        """The offers to the owner that overlap the request."""
        owner, range_, _ = request.lock
        offers = self._offered.get((request.file, owner), {}).values()
        return [each for each in offers if each.request.lock.range.overlaps(range_)]

    def _accept_overlapping(self, request: LockRequest) -> None:
        for each in self._own_offers(request):
            self.acknowledge(each.request)

    def _keep(self, offer: OfferedLock) -> None:
        file, lock = offer.request[:2]
        self._offered.setdefault((file, lock.owner), {})[lock] = offer

    def _take(self, request: LockRequest) -> OfferedLock | None:
        key = request.file, request.lock.owner
        offers = self._offered.get(key, {})
        offer = offers.pop(request.lock, None)
        if offer is not None and not offers:
            del self._offered[key]
        return offer

    def _offer(self, waiting: WaitingRequest) -> None:
        """Grant a lock to a request that waits, and call the client back."""
        request = waiting.request
        outcome = self._give(request)
        if outcome is LockOutcome.BLOCKED:
            self._retry_later(request.file, FIRST_RETRY)
        elif outcome is not LockOutcome.NO_ROOM:
            self.waiting.remove(waiting)
        if outcome is LockOutcome.GRANTED:
            offer = self.find(request.file, request.lock)
            assert offer is not None
            self._call_back(offer)
            self._settle_others_of(request.lock.owner)

    def _call_back(self, offer: OfferedLock) -> None:
        """Call the client back, when the lock is on disk."""
        if not self._is_kept(offer.request.lock.owner.client):
            self._call_back_now(offer)
            return
        task = asyncio.get_running_loop().create_task(self._call_back_later(offer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call_back_later(self, offer: OfferedLock) -> None:
        request = offer.request
        if await self._stored(request.lock.owner.client):
            self._call_back_now(offer)
        elif self.find(request.file, request.lock) is offer:
            self.give_back(request)
            self.released(request)

    def _call_back_now(self, offer: OfferedLock) -> None:
        """Call the client back, unless the lock is not offered any more."""
        file, lock = offer.request.file, offer.request.lock
        if self.find(file, lock) is offer:
            self._keep(offer._replace(called=True))
            self.granted(offer.request)

    async def _stored(self, client: LockClient) -> bool:
        """Bring the locks of a client to the disk, if they are kept; False if that failed."""
        if not self._is_kept(client):
            return True
        try:
            await self.store.journal.synced()
        except OSError:
            return False
        return True

    def _is_kept(self, client: LockClient) -> bool:
        return client in self.store.kept and self.store.journal.directory is not None

    def _retry_later(self, file: LockedFile, after: float) -> None:
        """Try again after a while: the kernel does not report when a local process unlocks."""
        if file not in self._retries:
            loop = asyncio.get_running_loop()
            self._retries[file] = loop.call_later(after, self._retry, file, after)

    def _retry(self, file: LockedFile, after: float) -> None:
        del self._retries[file]
        self.settle(file)
        timer = self._retries.pop(file, None)
        if timer is not None:
            timer.cancel()
            self._retry_later(file, min(2 * after, LAST_RETRY))


def _downgrades(offer: OfferedLock) -> bool:
    """Whether the lock is shared, and its owner has held bytes of it exclusively."""
    return not offer.request.lock.exclusive and any(each.exclusive for each in offer.before)


def _around(ranges: Sequence[ByteRange]) -> ByteRange:
    """The bytes from the first one of some ranges to the last one."""
    return ByteRange(min(each.start for each in ranges), max(each.end for each in ranges))


def _ignore_request(request: LockRequest) -> None:
    """The hook of a manager without a service."""
