"""Random requests to the lock manager: what holds after each of them, and at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockedFile, LockOutcome, LockOwner
from oncrpc.nfs.locks.waiting import LockRequest
from support.locking import CLIENTS, FILE, OTHER_FILE, OWNERS, FakeMonitor, Locker, asks
from support.loops import run

FILES = (FILE, OTHER_FILE)
BYTES = 8
STEPS = 3000


class Life:
    """Owners that ask for locks. One that waits does nothing else than to cancel."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random, self.monitor = Random(seed), FakeMonitor()
        self.manager = LockManager(monitor=self.monitor, most_open=10)
        self.locker, self.folder = Locker(self.manager), folder
        self.waits: dict[LockOwner, LockRequest] = {}

    async def step(self) -> None:
        owner = self.random.choice(OWNERS)
        if owner in self.waits:
            if self.random.random() < 0.1:
                request = self.waits.pop(owner)
                assert self.manager.cancel(request.file, request.lock)
        elif self.random.random() < 0.02:
            self.free(owner)
        elif self.random.random() < 0.4:
            file, range_ = self.random.choice(FILES), self.some_range()
            await self.manager.unlock(file, owner, range_)
        else:
            await self.ask(owner)
        self.take_offers()

    async def ask(self, owner: LockOwner) -> None:
        wanted = Lock(owner, self.some_range(), self.random.random() < 0.5)
        file, wait = self.random.choice(FILES), self.random.random() < 0.7
        self.locker.opens = partial(self.open, file)
        outcome = await self.locker.lock(asks(wanted, file=file, wait=wait))
        if outcome is LockOutcome.BLOCKED:
            self.waits[owner] = LockRequest(file, wanted, wait=True)
        elif outcome is LockOutcome.DEADLOCK:
            assert self.is_in_a_circle(LockRequest(file, wanted))
        else:
            assert outcome in (LockOutcome.GRANTED, LockOutcome.DENIED)

    async def open(self, file: LockedFile) -> int:
        return os.open(self.folder / os.fsdecode(file.file), os.O_RDWR | os.O_CREAT)

    def free(self, owner: LockOwner) -> None:
        self.manager.free(owner.client)
        self.waits = {
            each: request for each, request in self.waits.items() if each.client != owner.client
        }

    def take_offers(self) -> None:
        while self.locker.granted:
            request = self.locker.granted.pop(0)
            del self.waits[request.lock.owner]
            if self.random.random() < 0.1:
                self.manager.give_back(request)
            else:
                self.manager.acknowledge(request)

    def some_range(self) -> ByteRange:
        start = self.random.randrange(BYTES)
        return ByteRange(start, self.random.randrange(start, BYTES) + 1)

    def holders(self, request: LockRequest) -> Iterator[LockOwner]:
        """The owners whose locks are in the way, by a look at all."""
        for each in self.locker.held(request.file):
            if each.conflicts(request.lock):
                yield each.owner

    def is_in_a_circle(self, request: LockRequest) -> bool:
        """Whether the owners that hold what is asked for wait for the one that asks."""
        seen, ahead = set[LockOwner](), [*self.holders(request)]
        while ahead:
            owner = ahead.pop()
            if owner == request.lock.owner:
                return True
            if owner not in seen and owner in self.waits:
                seen.add(owner)
                ahead += self.holders(self.waits[owner])
        return False

    def queue(self, file: LockedFile) -> list[LockRequest]:
        return [each.request for each in self.manager.waiting.of_file(file)]

    def before(self, request: LockRequest) -> list[LockRequest]:
        """The earlier requests for the same bytes."""
        queue = self.queue(request.file)
        earlier = queue[: queue.index(request)]
        return [each for each in earlier if each.lock.conflicts(request.lock)]

    def reaches(self, request: LockRequest, target: LockOwner) -> bool:
        """Whether a request waits for an owner, with all that it has to wait for."""
        seen, ahead = set[LockOwner](), [request.lock.owner]
        while ahead:
            owner = ahead.pop()
            if owner in seen or owner not in self.waits:
                continue
            seen.add(owner)
            waited = self.waits[owner]
            ahead += [*self.holders(waited), *(each.lock.owner for each in self.before(waited))]
        return target in seen or target in ahead

    def check(self) -> None:
        """Nobody holds what conflicts, and nobody waits without a reason."""
        for file in FILES:
            held = self.locker.held(file)
            assert not any(one.conflicts(other) for one in held for other in held)
        waiting = [each.request for each in self.manager.waiting]
        assert {each.lock.owner: each for each in waiting} == self.waits
        for request in waiting:
            owner = request.lock.owner
            assert any(self.holders(request)) or not all(
                self.reaches(each, owner) for each in self.before(request)
            ), "it waits for nobody"
            assert not self.is_in_a_circle(request)

    async def end(self) -> None:
        """All release everything, and all that wait get their turn."""
        for _ in range(2 * len(OWNERS)):
            for owner in OWNERS:
                if owner not in self.waits:
                    for file in FILES:
                        await self.manager.unlock(file, owner, ByteRange(0, BYTES))
                    self.take_offers()
        assert self.waits == {}
        assert self.manager.counts() == (0, 0, 0, 0, 0, 0)
        assert self.monitor.watched == {}
        assert self.manager.store.kept == set()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_nobody_waits_without_a_reason(seed: int, tmp_path: Path) -> None:
    async def main() -> int:
        life, granted = Life(seed, tmp_path), 0
        for _ in range(STEPS):
            await life.step()
            life.check()
            granted += bool(life.waits)
        await life.end()
        life.manager.close()
        return granted

    assert run(main()) > STEPS // 10


def test_clients_have_several_owners() -> None:
    assert len(CLIENTS) < len(OWNERS)
