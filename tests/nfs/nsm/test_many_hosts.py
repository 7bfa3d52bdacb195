"""10,000 hosts: the memory that they take, and that telling them of a restart is bounded."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from oncrpc.daemon.state.directory import Directory
from oncrpc.errors import CallTimeout
from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor
from oncrpc.nfs.nsm.monitor import StatusMonitor
from oncrpc.nfs.nsm.outgoing import MAX_NOTIFYING
from oncrpc.testing import ManualClock
from support.loops import run_by, settle

HOSTS = 10_000
MIB = 1 << 20

pytestmark = pytest.mark.slow


def peer(number: int) -> Peer:
    host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    return Peer(LockClient(host, b"client-%d.example.com" % number), "192.0.2.9")


class SilentNetwork:
    """Nobody answers."""

    def __init__(self) -> None:
        self.busy = self.busiest = self.attempts = 0

    async def notify(self, notice: RestartNotice, state: int, attempt: int) -> None:
        self.attempts += 1
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(0)
        self.busy -= 1
        raise CallTimeout

    async def call_back(self, monitor: RpcMonitor) -> None:
        raise CallTimeout


async def watch_all(directory: Directory) -> None:
    monitor = StatusMonitor(directory, boot=b"boot")
    monitor.restarted = lambda *_: None
    monitor.load()
    watched = await asyncio.gather(*(monitor.watch(peer(n), 7) for n in range(HOSTS)))
    assert all(watched)
    await monitor.stop()


def test_many_hosts_take_little_memory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    directory = Directory(str(tmp_path))
    asyncio.run(watch_all(directory))
    network, clock = SilentNetwork(), ManualClock()

    async def scenario() -> int:
        tracemalloc.start()
        monitor = StatusMonitor(directory, boot=b"boot", calls=network)
        monitor.restarted = lambda *_: None
        monitor.load()
        assert len(monitor.lost()) == len(monitor.kept.notices) == HOSTS
        monitor.start()
        while network.attempts < HOSTS:
            await settle()
            clock.advance(1)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(asyncio.all_tasks()) <= MAX_NOTIFYING + 2
        assert len(monitor.kept.notices) == HOSTS
        await monitor.stop()
        return size

    size = run_by(clock, scenario())

    assert size < 16 * MIB
    assert network.busiest == MAX_NOTIFYING
    assert (tmp_path / "monitor").stat().st_size < 4 * MIB
    directory.close()
