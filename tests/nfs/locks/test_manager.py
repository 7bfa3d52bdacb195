"""The lock manager without a disk and without local processes."""

from __future__ import annotations

import asyncio
import errno

import pytest

from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.peers import Peer, PeerMonitor
from oncrpc.nfs.locks.terms import LockClient, LockOutcome
from support.locking import (
    CLIENTS,
    FILE,
    OTHER_FILE,
    OWNERS,
    FakeMonitor,
    Locker,
    asks,
    lock,
)
from support.loops import in_loop, settle

GRANTED, DENIED, BLOCKED = LockOutcome.GRANTED, LockOutcome.DENIED, LockOutcome.BLOCKED


@pytest.fixture
def locker() -> Locker:
    return Locker(LockManager())


@in_loop
async def test_lock_in_the_way_denies(locker: Locker) -> None:
    assert await locker.take(lock(0)) is GRANTED
    assert await locker.take(lock(1)) is DENIED
    assert await locker.take(lock(1), file=OTHER_FILE) is GRANTED


@in_loop
async def test_test_names_the_holder(locker: Locker) -> None:
    await locker.take(lock(0, 10, 20))

    assert await locker.test(lock(1, 15, 30)) == lock(0, 10, 20)
    assert await locker.test(lock(1, 20, 30)) is None
    assert await locker.test(lock(0, 15, 30)) is None


@in_loop
async def test_repeated_request_is_granted_again(locker: Locker) -> None:
    await locker.take(lock(0))

    assert await locker.take(lock(0)) is GRANTED
    assert locker.held() == [lock(0)]


@in_loop
async def test_waiting_request_is_granted_at_the_release(locker: Locker) -> None:
    await locker.take(lock(0))
    assert await locker.wait(lock(1)) is BLOCKED

    await locker.unlock(lock(0))

    assert locker.granted == [asks(lock(1), wait=True)]
    assert locker.held() == [lock(1)]


@in_loop
async def test_repeated_request_waits_once(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))

    assert await locker.wait(lock(1)) is BLOCKED
    assert len(locker.manager.waiting) == 1


@in_loop
async def test_first_to_wait_is_granted_first(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.wait(lock(2))

    await locker.unlock(lock(0))
    await locker.unlock(lock(1))

    assert [each.lock for each in locker.granted] == [lock(1), lock(2)]


@in_loop
async def test_new_readers_do_not_overtake_a_writer(locker: Locker) -> None:
    await locker.take(lock(0, exclusive=False))
    await locker.wait(lock(1))

    assert await locker.wait(lock(2, exclusive=False)) is BLOCKED
    await locker.unlock(lock(0))

    assert [each.lock for each in locker.granted] == [lock(1)]


@in_loop
async def test_request_without_waiting_overtakes(locker: Locker) -> None:
    await locker.take(lock(0, exclusive=False))
    await locker.wait(lock(1))

    assert await locker.take(lock(2, exclusive=False)) is GRANTED


@in_loop
async def test_holder_may_extend_before_a_waiting_writer(locker: Locker) -> None:
    await locker.take(lock(0, 0, 10, exclusive=False))
    await locker.wait(lock(1, 0, 20))

    assert await locker.wait(lock(0, 0, 20, exclusive=False)) is GRANTED


@in_loop
async def test_circle_of_owners_is_refused(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.take(lock(1), file=OTHER_FILE)
    await locker.wait(lock(0), file=OTHER_FILE)

    assert await locker.wait(lock(1)) is LockOutcome.DEADLOCK
    assert len(locker.manager.waiting) == 1


@in_loop
async def test_cancelled_request_leaves_nothing(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))

    assert locker.manager.cancel(FILE, lock(1))
    await locker.unlock(lock(0))

    assert (locker.granted, locker.held()) == ([], [])
    assert not locker.manager.cancel(FILE, lock(1))


@in_loop
async def test_cancelled_writer_lets_readers_pass(locker: Locker) -> None:
    await locker.take(lock(0, exclusive=False))
    await locker.wait(lock(1))
    await locker.wait(lock(2, exclusive=False))

    locker.manager.cancel(FILE, lock(1))

    assert [each.lock for each in locker.granted] == [lock(2, exclusive=False)]


@in_loop
async def test_cancel_takes_back_an_offered_lock(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.unlock(lock(0))

    assert locker.manager.cancel(FILE, lock(1))
    assert locker.held() == []


@in_loop
async def test_cancel_leaves_an_acknowledged_lock(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.unlock(lock(0))
    locker.manager.acknowledge(locker.granted[0])

    assert not locker.manager.cancel(FILE, lock(1))
    assert locker.held() == [lock(1)]


@in_loop
async def test_lock_given_back_goes_to_the_next(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.wait(lock(2))
    await locker.unlock(lock(0))

    locker.manager.give_back(locker.granted[0])

    assert locker.held() == [lock(2)]


@in_loop
async def test_upgrade_given_back_leaves_the_shared_lock(locker: Locker) -> None:
    await locker.take(lock(0, exclusive=False))
    await locker.take(lock(1, 0, 10, exclusive=False))
    await locker.wait(lock(1, 0, 20))
    await locker.unlock(lock(0))

    locker.manager.give_back(locker.granted[0])

    assert locker.held() == [lock(1, 0, 10, exclusive=False)]


@in_loop
async def test_freed_client_has_nothing(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.wait(lock(2))
    await locker.take(lock(4), file=OTHER_FILE)

    locker.manager.free(CLIENTS[1])
    locker.manager.free(CLIENTS[0])

    assert (locker.held(), locker.held(OTHER_FILE)) == ([lock(2)], [])


@in_loop
async def test_unlock_ends_waiting_for_the_same_range(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1, 0, 10))
    await locker.wait(lock(1, 20, 30))

    await locker.unlock(lock(1, 0, 10))
    await locker.unlock(lock(1))

    assert [each.lock for each in locker.manager.waiting] == [lock(1, 20, 30)]


@in_loop
async def test_request_that_waits_no_more_lets_others_pass(locker: Locker) -> None:
    await locker.take(lock(0, exclusive=False))
    await locker.wait(lock(1))
    await locker.wait(lock(2, exclusive=False))

    assert await locker.take(lock(1)) is DENIED

    assert [each.lock for each in locker.granted] == [lock(2, exclusive=False)]


class SlowMonitor(FakeMonitor):
    """A monitor whose disk is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = asyncio.Event()

    async def watch(self, peer: Peer, state: int) -> bool:
        await self.stored.wait()
        return await super().watch(peer, state)


@in_loop
async def test_cancel_reaches_a_request_on_its_way() -> None:
    monitor = SlowMonitor()
    locker = Locker(LockManager(monitor=monitor))
    request = asyncio.create_task(locker.wait(lock(0)))
    await settle()

    assert locker.manager.cancel(FILE, lock(0))
    monitor.stored.set()

    assert await request is DENIED
    assert locker.held() == []


@in_loop
async def test_client_is_watched_before_its_first_lock() -> None:
    monitor = SlowMonitor()
    locker = Locker(LockManager(monitor=monitor))
    request = asyncio.create_task(locker.take(lock(0)))
    await settle()
    assert locker.held() == []

    monitor.stored.set()

    assert await request is GRANTED


@in_loop
async def test_client_that_cannot_be_watched_gets_no_lock() -> None:
    monitor = FakeMonitor()
    monitor.accepts = False
    locker = Locker(LockManager(monitor=monitor))

    assert await locker.take(lock(0)) is LockOutcome.NO_ROOM
    assert locker.held() == []


@in_loop
async def test_restarted_client_loses_its_locks() -> None:
    monitor: PeerMonitor = FakeMonitor()
    locker = Locker(LockManager(monitor=monitor))
    await locker.take(lock(0))
    await locker.wait(lock(1))

    monitor.restarted(CLIENTS[0], 3)

    assert locker.held() == [lock(1)]


@in_loop
async def test_share_that_denies_is_in_the_way(locker: Locker) -> None:
    manager = locker.manager
    assert await manager.share(FILE, OWNERS[0], DosShare(mode=2, access=1)) is GRANTED

    assert await manager.share(FILE, OWNERS[1], DosShare(mode=0, access=3)) is DENIED
    assert await manager.share(FILE, OWNERS[1], DosShare(mode=0, access=1)) is GRANTED
    assert await manager.unshare(FILE, OWNERS[0]) is GRANTED
    assert await manager.share(FILE, OWNERS[1], DosShare(mode=0, access=3)) is GRANTED


@in_loop
async def test_share_is_reclaimed_in_grace_only(locker: Locker) -> None:
    outcome = await locker.manager.share(FILE, OWNERS[0], DosShare(1, 1), reclaim=True)

    assert outcome is DENIED


@in_loop
async def test_freed_client_is_reported(locker: Locker) -> None:
    freed = list[LockClient]()
    locker.manager.freed = freed.append
    await locker.take(lock(0))

    locker.manager.free(CLIENTS[0])

    assert freed == [CLIENTS[0]]


# Two requests of one owner for the same bytes

RANGES = (0, 10), (5, 20), (8, 30)


@in_loop
async def test_owner_is_offered_one_lock_at_a_time(locker: Locker) -> None:
    first, second, third = (asks(lock(1, *range_), wait=True) for range_ in RANGES)
    await locker.take(lock(0))
    await locker.lock(first)
    await locker.lock(second)

    await locker.unlock(lock(0))
    assert locker.granted == [first]
    assert await locker.lock(third) is BLOCKED

    locker.manager.acknowledge(first)
    assert locker.granted == [first, second]
    locker.manager.acknowledge(second)
    assert locker.granted == [first, second, third]
    assert locker.held() == [lock(1, 0, 30)]


@in_loop
async def test_second_offer_outlives_the_first(locker: Locker) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.wait(lock(1, 2, 5))
    await locker.unlock(lock(0))

    locker.manager.give_back(asks(lock(1), wait=True))
    assert locker.held() == [lock(1, 2, 5)]

    locker.manager.give_back(asks(lock(1, 2, 5), wait=True))
    assert locker.held() == []


@pytest.mark.parametrize("exclusive", [True, False])
@in_loop
async def test_owner_that_goes_on_takes_its_offer(locker: Locker, exclusive: bool) -> None:
    await locker.take(lock(0))
    await locker.wait(lock(1))
    await locker.unlock(lock(0))

    assert await locker.take(lock(1, 2, 5, exclusive=exclusive)) is GRANTED
    locker.manager.give_back(asks(lock(1), wait=True))

    assert await locker.test(lock(2, 2, 3)) is not None
    assert await locker.test(lock(2, 8, 9)) is not None


@in_loop
async def test_process_without_descriptors_has_no_room(locker: Locker) -> None:
    async def opens() -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    locker.opens = opens

    assert await locker.take(lock(0)) is LockOutcome.NO_ROOM


@in_loop
async def test_file_that_is_gone_is_an_error(locker: Locker) -> None:
    async def opens() -> int:
        raise OSError(errno.ESTALE, "Stale file handle")

    locker.opens = opens

    with pytest.raises(OSError, match="Stale"):
        await locker.take(lock(0))
    assert locker.manager.waiting.count_of(CLIENTS[0]) == 0


class SeesNewState(FakeMonitor):
    """A monitor that learns from a LOCK that the client has restarted."""

    async def watch(self, peer: Peer, state: int) -> bool:
        if self.watched.get(peer.client, state) < state:
            self.restarted(peer.client, state)
        return await super().watch(peer, state)


@in_loop
async def test_restarted_client_gets_its_first_lock() -> None:
    monitor = SeesNewState()
    locker = Locker(LockManager(monitor=monitor))
    await locker.take(lock(0, 0, 10))

    assert await locker.lock(asks(lock(0, 20, 30)), state=3) is GRANTED

    assert locker.held() == [lock(0, 20, 30)]
    assert monitor.watched == {CLIENTS[0]: 3}
