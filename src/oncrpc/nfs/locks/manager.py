"""The lock manager: grants locks, lets requests wait, and knows what must outlive the process.

It brings together what is held (``store``), the requests that wait (``waiting``), the status
monitor and the grace period. It knows nothing of the wire: a service translates calls to its
methods, and calls a client back when ``granted`` is called.

A request passes these steps: is the server in its grace period; is another client in the way; open
the file and watch the client, if it is the first time; is a local process in the way; change the
table; bring the change to the disk. Only the third and the last one wait. A call that arrives
meanwhile, and takes back what is asked for, makes the request fail.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.entering import EnteringRequests
from oncrpc.nfs.locks.grace import GracePeriod
from oncrpc.nfs.locks.granting import LockGrants
from oncrpc.nfs.locks.handover import left_by, resumed
from oncrpc.nfs.locks.journal import LockJournal
from oncrpc.nfs.locks.local_locks import holder_on
from oncrpc.nfs.locks.peers import Peer, PeerMonitor
from oncrpc.nfs.locks.report import LockCounts, LockReport, counts_of, lock_report
from oncrpc.nfs.locks.store import LockStore
from oncrpc.nfs.locks.terms import (
    ByteRange,
    LocalHolder,
    Lock,
    LockClient,
    LockedFile,
    LockOutcome,
    LockOwner,
)
from oncrpc.nfs.locks.waiting import LockRequest, WaitingRequests

log = logging.getLogger("oncrpc.nfs")

OpenFile = Callable[[], Awaitable[int | None]]
"""Opens a file for its local locks: ``FileSystem.lock_descriptor``. The manager closes it."""

GRACE = 90.0
"""Seconds after which the grace period ends, if clients have not claimed their locks."""

TOO_MANY = {errno.EMFILE, errno.ENFILE}
"""Errors of a process or a system that has too many descriptors."""

MAX_REPORTED_LOCKS = 1000
"""Locks in a report."""


class LockManager:
    """The locks of all clients. Its methods run on the event loop.

    Call ``start`` before the first call; at the end ``settle`` and ``leave`` for a restart in
    place, or else ``stop``; then ``close``. ``grace_limit`` is read at the start.

    ``granted`` is called with a waiting request that has got its lock. The service then calls the
    client back, and ends with ``acknowledge`` or ``give_back``, also after a restart in place.
    ``freed`` is called with a client whose locks and requests are gone.

    The caller of a method has checked that the user may lock the file. ``opens`` is called for the
    first lock of a file only; what it raises is raised to the caller.
    """

    def __init__(
        self,
        *,
        monitor: PeerMonitor | None = None,
        journal: LockJournal | None = None,
        grace_limit: float = GRACE,
        clock: Callable[[], float] = time.time,
        most_open: int | None = None,
    ) -> None:
        self._journal = LockJournal(None) if journal is None else journal
        most_open = _most_open() if most_open is None else most_open
        self.store = LockStore(self._journal, clock=clock, most_open=most_open)
        self.waiting = WaitingRequests(self.store.table)
        self.grace_limit = grace_limit
        self.freed: Callable[[LockClient], None] = _ignore_freed
        self._grants = LockGrants(self.store, self.waiting)
        self._grants.released = self._released
        self._monitor, self._clock = monitor, clock
        self._entering = EnteringRequests()
        self._grace_timer: asyncio.TimerHandle | None = None
        if monitor is not None:
            monitor.restarted = self._restarted

    # --- what a service uses ---

    @property
    def granted(self) -> Callable[[LockRequest], None]:
        """What is called with a waiting request that has got its lock; the service sets it."""
        return self._grants.granted

    @granted.setter
    def granted(self, granted: Callable[[LockRequest], None]) -> None:
        self._grants.granted = granted

    @property
    def in_grace(self) -> bool:
        """Whether the server has restarted, and clients may only claim locks from before.

        TEST is answered with GRACE, too: the former holder may still claim the lock.
        """
        return self.store.grace is not None

    async def test(
        self, file: LockedFile, lock: Lock, opens: OpenFile
    ) -> Lock | LocalHolder | None:
        """The lock or the process that conflicts with a lock; None if it could be granted.

        Raises:
            OSError: the file cannot be opened.
        """
        found = self.store.table.conflict(file, lock)
        if found is not None:
            return found
        if file in self.store.local:
            return self.store.local.holder(file, lock.range, exclusive=lock.exclusive)
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

        DENIED is also the outcome of a claim that is refused: there is no grace period, the client
        had no locks, or another one had this lock.

        Raises:
            OSError: the file cannot be opened.
        """
        if self._grants.has(request):
            return await self._grants.confirmed(request)
        refused = self._refused(request) or self._known(request)
        if refused is not None:
            return refused
        client, outcome = request.lock.owner.client, LockOutcome.NO_ROOM
        try:
            with self._entering.enter(request, state) as entering:
                if await self._open(request, opens) and await self._watch(client, peer, state):
                    outcome = self._try(request) if not entering.dropped else LockOutcome.DENIED
            if outcome is LockOutcome.GRANTED:
                outcome = await self._grants.confirmed(request)
            return outcome
        finally:
            self._clean(request.file, client)

    async def unlock(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> LockOutcome:
        """Release what an owner holds of a range. A request for just this range waits no more.

        Returns GRANTED, also if it holds nothing; NO_ROOM if it would have one lock too many. The
        journal has the release, if this process ends.
        """

        def is_own(request: LockRequest) -> bool:
            return (request.file, request.lock.owner) == (file, owner)

        # Another thread of the same process may go on waiting for other bytes.
        self._entering.drop(
            owner.client, lambda each: is_own(each) and range_.covers(each.lock.range)
        )
        for waiting in self.waiting.of_owner(owner):
            if is_own(waiting.request) and waiting.lock.range == range_:
                self.waiting.remove(waiting)
        for offer in self._grants.of_owner(file, owner):
            if offer.request.lock.range.overlaps(range_):
                self.acknowledge(offer.request)
        is_kept = owner.client in self.store.kept
        if not self.store.release(file, owner, range_):
            return LockOutcome.NO_ROOM
        self._grants.settle(file, range_)
        self._clean(file, owner.client)
        if is_kept:
            await self._journal.written()
        return LockOutcome.GRANTED

    def cancel(self, file: LockedFile, lock: Lock) -> bool:
        """Take back a request that waits, or a lock that was granted and not acknowledged yet.

        Returns whether there was one.
        """
        client = lock.owner.client
        found = self._entering.drop(client, lambda each: (each.file, each.lock) == (file, lock))
        waiting = self.waiting.find(file, lock)
        if waiting is not None:
            self.waiting.remove(waiting)
        offer = self._grants.find(file, lock)
        if offer is not None:
            self._grants.give_back(offer.request)
        self._grants.settle(file, lock.range)
        self._clean(file, client)
        return found or waiting is not None or offer is not None

    def acknowledge(self, request: LockRequest) -> None:
        """The client has taken the lock that was granted to its waiting request."""
        self._grants.acknowledge(request)

    def give_back(self, request: LockRequest) -> None:
        """The client does not want the lock that was granted, or never answered.

        Its owner holds again what it held before.
        """
        self._grants.give_back(request)
        self._clean(request.file, request.lock.owner.client)

    async def share(
        self, file: LockedFile, owner: LockOwner, share: DosShare, *, reclaim: bool = False
    ) -> LockOutcome:
        """Hold a DOS share, in place of one of the same owner.

        It outlives the process if the client is watched because of its locks.
        """
        grace = self.store.grace
        if grace is not None and not reclaim:
            return LockOutcome.GRACE
        if reclaim and (grace is None or not grace.may_claim_share(file, owner, share)):
            return LockOutcome.DENIED
        if self.store.shares.conflicts(file, owner, share):
            return LockOutcome.DENIED
        if not self.store.share(file, owner, share._replace(since=self.store.now())):
            return LockOutcome.NO_ROOM
        self._check_grace()
        if owner.client in self.store.kept:
            try:
                await self._journal.synced()
            except OSError:
                self.store.unshare(file, owner)
                return LockOutcome.NO_ROOM
        return LockOutcome.GRANTED

    async def unshare(self, file: LockedFile, owner: LockOwner) -> LockOutcome:
        """Remove the DOS share of an owner. Returns GRANTED, also if it has none."""
        self.store.unshare(file, owner)
        self._clean(file, owner.client)
        return LockOutcome.GRANTED

    # --- what the application uses ---

    def free(self, client: LockClient) -> None:
        """Release all locks and shares of a client, and let none of its requests wait."""
        self._entering.drop(client, lambda _: True)
        changed = dict[LockedFile, None]()
        for waiting in self.waiting.of_client(client):
            self.waiting.remove(waiting)
            changed[waiting.request.file] = None
        self._grants.forget(client)
        self.freed(client)
        changed.update(dict.fromkeys(self.store.free(client)))
        for file in changed:
            self._grants.settle(file)
            self._close_unused(file)
        self._forget(client)
        self._write()
        self._check_grace()

    def start(self, left: bytes | None = None) -> None:
        """Read the journal, and begin a grace period if clients had locks.

        ``left`` is what ``leave`` of an earlier image of this process returned: all goes on then,
        unless it is of another version.
        """
        if left and self._resume(left):
            self._journal.load(lambda _: None)
            return
        if left and self._monitor is not None:
            self._monitor.lose()
        lost = () if self._monitor is None else self._monitor.lost()
        now = asyncio.get_running_loop().time()
        grace = self.store.grace = GracePeriod(until=now + self.grace_limit)
        if not self._journal.load(grace.add):
            grace.allow(lost)
        for client in lost:
            if client not in grace.hosts and self._monitor is not None:
                self._monitor.unwatch(client)
        if grace.hosts:
            self.store.kept.update(grace.hosts)
            log.info(
                "grace period: at most %g s; clients that may claim their locks: %d",
                self.grace_limit,
                len(grace.hosts),
            )
            self._end_grace_at(grace.until)
        else:
            self.store.grace = None

    def faults(self) -> Iterable[str]:
        """Reasons why the locks are not kept."""
        return (self._journal.fault,) if self._journal.fault else ()

    def report(self, *, most: int = MAX_REPORTED_LOCKS) -> LockReport:
        """The files with their locks and waiting requests, and the grace period."""
        return lock_report(
            self.store,
            self.waiting,
            now=self._clock(),
            grace_now=asyncio.get_running_loop().time(),
            most=most,
        )

    def counts(self) -> LockCounts:
        """The current numbers, for metrics."""
        return counts_of(self.store, self.waiting)

    def settle(self) -> None:
        """Bring all changes to the disk."""
        self._journal.settle()

    def leave(self) -> bytes:
        """The state for the next image of this process, as JSON."""
        now = asyncio.get_running_loop().time()
        return left_by(self.store, self.waiting, self._grants, now=now)

    def descriptors(self) -> list[int]:
        """The descriptors that the next image takes over."""
        return [*self.store.local.descriptors.values()]

    async def stop(self) -> None:
        """Grant nothing more, and bring all changes to the disk. All locks are kept there."""
        if self._grace_timer is not None:
            self._grace_timer.cancel()
        await self._grants.stop()
        await self._journal.stop()

    def close(self) -> None:
        """Close the files. Local processes may lock them again."""
        self._journal.close()
        self.store.releases.close()
        self.store.local.close_all()

    # --- the steps of a request ---

    def _refused(self, request: LockRequest) -> LockOutcome | None:
        """GRACE for a new lock in the grace period, DENIED for a claim that is not allowed."""
        grace = self.store.grace
        if not request.reclaim:
            is_given = grace is None or grace.has(request.file, request.lock)
            return None if is_given else LockOutcome.GRACE
        if grace is not None and grace.may_claim(request.file, request.lock):
            return None
        return LockOutcome.DENIED

    def _known(self, request: LockRequest) -> LockOutcome | None:
        """The outcome of a request that waits already, or that conflicts with another client."""
        file, lock = request.file, request.lock
        waiting = self.waiting.find(file, lock)
        if waiting is not None:
            if request.wait:
                return LockOutcome.BLOCKED
            self.waiting.remove(waiting)
            self._grants.settle(file, lock.range)
        if not request.wait and self.store.table.conflict(file, lock) is not None:
            return LockOutcome.DENIED
        return None

    async def _open(self, request: LockRequest, opens: OpenFile) -> bool:
        """Have a descriptor for the local locks of a file; False if there are too many."""
        file, local = request.file, self.store.local
        if file in local:
            return True
        if not local.has_room_for(self.store.table.of_host(request.lock.owner.client.host)):
            return False
        try:
            descriptor = await opens()
        except OSError as error:
            if error.errno not in TOO_MANY:
                raise
            return False
        return descriptor is None or local.add(file, descriptor)

    async def _watch(self, client: LockClient, peer: Peer | None, state: int) -> bool:
        if peer is None:
            return True
        if self._monitor is not None and not await self._monitor.watch(peer, state):
            return False
        self.store.kept.add(client)
        return True

    def _try(self, request: LockRequest) -> LockOutcome:
        """The grace period may have begun or ended meanwhile."""
        return self._refused(request) or self._grants.grant(request)

    # --- after a change ---

    def _clean(self, file: LockedFile, client: LockClient) -> None:
        """After a change: close and forget what is not needed any more, and begin to write."""
        self._close_unused(file)
        self._forget(client)
        self._write()
        self._check_grace()

    def _released(self, request: LockRequest) -> None:
        self._clean(request.file, request.lock.owner.client)

    def _close_unused(self, file: LockedFile) -> None:
        """Close the descriptor of a file that has no locks, and for which no request waits."""
        if (
            file in self.store.local
            and file not in self.store.table
            and file not in self.waiting.files
            and not self._entering.has_file(file)
        ):
            self.store.local.close(file)

    def _forget(self, client: LockClient) -> None:
        """Stop watching a client that has no locks, and does not ask for any."""
        if (
            self.store.has(client)
            or self.waiting.count_of(client)
            or self._entering.of_client(client)
        ):
            return
        if client in self.store.kept:
            self.store.kept.discard(client)
            if self._monitor is not None:
                self._monitor.unwatch(client)

    def _write(self) -> None:
        """Write what has changed; nobody waits for it."""
        self._journal.write_soon()

    # --- the end of a client, of the grace period, and of the process ---

    def _restarted(self, client: LockClient, state: int) -> None:
        """A client has restarted: release its locks. Requests with its new state continue."""
        new = [
            each
            for each in self._entering.of_client(client)
            if each.state == state and not each.dropped
        ]
        self.free(client)
        for each in new:
            each.dropped = False

    def _check_grace(self) -> None:
        """End the grace period if everything is claimed."""
        if self.store.grace is not None and self.store.grace.over:
            self._end_grace()

    def _end_grace_at(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        self._grace_timer = loop.call_at(until, self._end_grace)

    def _end_grace(self) -> None:
        grace = self.store.grace
        if grace is None:
            return
        unclaimed = self.store.end_grace()
        log.info("the grace period is over; locks not claimed: %d", unclaimed)
        if self._grace_timer is not None:
            self._grace_timer.cancel()
        for client in grace.hosts:
            self._forget(client)
        self._write()

    def _resume(self, left: bytes) -> bool:
        """Resume the locks of an earlier image; False if they are of another version."""
        loop = asyncio.get_running_loop()
        try:
            offers = resumed(left, self.store, self.waiting, now=loop.time())
        except msgspec.DecodeError as error:
            log.warning("left locks are not understood: %s; clients have to claim them", error)
            return False
        if self.store.grace is not None:
            self._end_grace_at(self.store.grace.until)
        self._grants.resume(offers)
        return True


def _most_open() -> int:
    """Descriptors for local locks: a quarter of what the process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


def _ignore_freed(client: LockClient) -> None:
    """The hook of a manager without a service."""
