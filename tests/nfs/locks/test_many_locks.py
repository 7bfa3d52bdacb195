"""The memory and the time that many hosts and locks take."""

from __future__ import annotations

import asyncio
import gc
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.locks.journal import LockJournal
from oncrpc.nfs.locks.manager import LockManager
from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import (
    END,
    ByteRange,
    Lock,
    LockClient,
    LockedFile,
    LockOutcome,
    LockOwner,
)
from oncrpc.nfs.locks.waiting import LockRequest
from oncrpc.nfs.nsm.monitor import StatusMonitor
from support.locking import FILE, OWNERS, Locker, no_descriptor
from support.loops import in_loop

HOSTS, LOCKS_OF_HOST = 10_000, 10
MOST = 60
"""MiB for that many hosts and their locks."""


def resident() -> float:
    """The memory of this process in MiB, without what is garbage."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def request_of(host: int, number: int) -> LockRequest:
    """A lock of a process of its own, on a file of its own."""
    client = LockClient(f"10.0.{host >> 8}.{host & 255}", b"host%d.example.com" % host)
    owner = LockOwner(client, 1000 + number, b"%d@host%d.example.com" % (1000 + number, host))
    file = LockedFile(1, b"%020d" % (host * LOCKS_OF_HOST + number))
    return LockRequest(file, Lock(owner, ByteRange(0, END), exclusive=True))


async def growth(place: str) -> float:
    """MiB for all hosts and locks, in the memory of a manager with a monitor and a journal."""
    directory = Directory(place)
    monitor = StatusMonitor(directory, boot=b"boot")
    monitor.load()
    manager = LockManager(monitor=monitor, journal=LockJournal(directory))
    manager.start()

    async def take(host: int) -> None:
        for number in range(LOCKS_OF_HOST):
            request = request_of(host, number)
            peer = Peer(request.lock.owner.client, "192.0.2.1")
            outcome = await manager.lock(request, no_descriptor, peer=peer, state=1)
            assert outcome is LockOutcome.GRANTED

    before = resident()
    for first in range(0, HOSTS, 250):
        await asyncio.gather(*map(take, range(first, first + 250)))
    found = resident() - before
    assert manager.counts()[:5] == (HOSTS * LOCKS_OF_HOST, 0, 0, HOSTS * LOCKS_OF_HOST, HOSTS)
    await manager.stop()
    manager.close()
    await monitor.stop()
    return found


@pytest.mark.slow
def test_many_hosts_and_locks_take_little_memory(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    script = (
        "import asyncio, sys; sys.path.insert(0, sys.argv[1])\n"
        "from nfs.locks.test_many_locks import growth\n"
        "print(asyncio.run(growth(sys.argv[2])))"
    )
    tests = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-c", script, tests, place],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert float(done.stdout) < MOST


def seconds_for_each(table: LockTable, first: int, count: int, *, kinds: int) -> float:
    """Time to add disjoint locks of a file, the last ones of many."""
    begun = time.process_time()
    for number in range(first, first + count):
        lock = Lock(
            OWNERS[number % 6], ByteRange(number * 10, number * 10 + 5), number % kinds == 0
        )
        assert table.conflict(FILE, lock) is None
        assert table.set(FILE, lock, now=1) is not None
    return (time.process_time() - begun) / count


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [1, 2])
def test_many_locks_of_a_file_cost_no_scan(kinds: int) -> None:
    """A scan of 50,000 locks takes more than a millisecond."""
    table = LockTable(most_of_client=1 << 20)
    seconds_for_each(table, 0, 50_000, kinds=kinds)

    assert seconds_for_each(table, 50_000, 1000, kinds=kinds) < 0.001


@pytest.mark.slow
def test_many_readers_of_a_file_cost_no_scan() -> None:
    table, everything = LockTable(most_of_client=1 << 20), ByteRange(0, END)
    readers = [Lock(OWNERS[0]._replace(svid=number), everything, False) for number in range(30_000)]
    for each in readers:
        table.set(FILE, each, now=1)

    begun = time.process_time()
    for each in readers[:1000]:
        assert table.conflict(FILE, each) is None
        assert table.clear(FILE, each.owner, everything) is not None
        list(table.union(FILE, everything))

    assert (time.process_time() - begun) / 1000 < 0.001


@pytest.mark.slow
@in_loop
async def test_many_waiting_requests_cost_no_search() -> None:
    """Many read, one waits to write, and many wait to read after it."""
    locker, everything = Locker(LockManager()), ByteRange(0, END)
    readers = [Lock(OWNERS[0]._replace(svid=number), everything, False) for number in range(3300)]
    for each in readers[:3000]:
        assert await locker.take(each) is LockOutcome.GRANTED
    for each in (Lock(OWNERS[1], everything, exclusive=True), *readers[3000:]):
        assert await locker.wait(each) is LockOutcome.BLOCKED

    begun = time.process_time()
    for each in readers[:3000]:
        await locker.unlock(each)
    assert (time.process_time() - begun) / 3000 < 0.001
    assert [each.lock.owner for each in locker.granted] == [OWNERS[1]]

    locker.manager.acknowledge(locker.granted[0])
    await locker.unlock(locker.granted[0].lock)
    assert len(locker.granted) == 301
