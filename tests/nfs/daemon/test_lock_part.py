"""The lock manager as a part of the server."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oncrpc.nfs.daemon.lock_part import LockPart
from oncrpc.nfs.nlm.program import UNREPEATABLE
from oncrpc.programs.nlm import (
    NLM4_VERS,
    nlm4_lock,
    nlm4_lockargs,
    nlm4_stats,
    nlm4_unlockargs,
)
from support.lock_clients import LockClientHost, lock_clients
from support.loops import in_loop, until
from support.nfs_daemons import RW, NfsdSetup, RunningNfsd, exports_file, nfsd_setup, serving_nfsd

ONE, TWO = "127.0.0.2", "127.0.0.3"
GRANTED, BLOCKED, DENIED = (
    nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_BLOCKED, nlm4_stats.NLM4_DENIED,
)  # fmt: skip


class LockingHost:
    """A client that locks the file ``hello`` of the export."""

    def __init__(self, host: LockClientHost, daemon: RunningNfsd, handle: bytes) -> None:
        self.host, self.daemon, self.handle = host, daemon, handle

    @property
    def alock(self) -> nlm4_lock:
        """The bytes 5 to 7."""
        return nlm4_lock(self.host.host.encode(), self.handle, b"oh", 77, 5, 3)

    async def lock(self, *, wait: bool = False, reclaim: bool = False) -> nlm4_stats:
        """LOCK."""
        client = NLM4_VERS.Client(await self.host.dial("tcp", self.daemon.server))
        arg = nlm4_lockargs(b"ck", wait, True, self.alock, reclaim, 1)
        return (await client.NLMPROC4_LOCK(arg)).stat.stat

    async def unlock(self) -> nlm4_stats:
        """UNLOCK."""
        client = NLM4_VERS.Client(await self.host.dial("tcp", self.daemon.server))
        return (await client.NLMPROC4_UNLOCK(nlm4_unlockargs(b"ck", self.alock))).stat.stat


def part_of(daemon: RunningNfsd) -> LockPart:
    part = daemon.app.part(LockPart)
    assert part is not None
    return part


@asynccontextmanager
async def locking_hosts(made: NfsdSetup, share: Path) -> AsyncIterator[list[LockingHost]]:
    """Two clients of a server, which can call them back."""
    async with lock_clients(ONE, TWO) as hosts, serving_nfsd(made) as daemon:
        part_of(daemon).program.links.mapper_port = hosts[0].mapper_port  # type: ignore[attr-defined]  # of the real links
        handle = await daemon.file(share / "hello")
        yield [LockingHost(host, daemon, handle) for host in hosts]


@pytest.fixture
def made(share: Path, state: Path) -> NfsdSetup:
    """A server that exports the directory."""
    return nfsd_setup(state, exports=exports_file(state, f"{share} *({RW})"))


@in_loop
async def test_clients_wait_for_each_other(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, two):
        assert await one.lock() is GRANTED
        assert await two.lock() is DENIED
        assert await two.lock(wait=True) is BLOCKED
        assert await one.unlock() is GRANTED
        await until(lambda: bool(two.host.calls))
        assert two.host.calls[0][0] == "GRANTED"
        assert await one.lock() is DENIED


@in_loop
async def test_local_process_sees_the_lock(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, _):
        assert await one.lock() is GRANTED
        with (share / "hello").open("r+b") as file:
            with pytest.raises(BlockingIOError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            await one.unlock()
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert await one.lock() is DENIED


@in_loop
async def test_late_calls_do_not_lock_again(made: NfsdSetup) -> None:
    async with serving_nfsd(made) as daemon:
        assert daemon.app.nfs_duplicates.covered >= set(UNREPEATABLE)
