"""Locks are taken, waited for, and given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from oncrpc import nfs
from oncrpc.aio.serve import serve
from oncrpc.nfs.client import locking
from oncrpc.nfs.client.locking import error_of
from oncrpc.programs.nlm import (
    NLM4_VERS,
    nlm4_holder,
    nlm4_lockargs,
    nlm4_res,
    nlm4_stat,
    nlm4_stats,
    nlm4_testargs,
    nlm4_testres,
    nlm4_testrply,
    nlm4_unlockargs,
)
from oncrpc.rpc import Call
from support.loops import in_loop
from support.remote_files import USER, ScriptedMount, ScriptedNfs, mounted, url_at

GRANTED, DENIED = nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_DENIED


class Locks(NLM4_VERS.Service):
    """One exclusive lock; ``first`` are outcomes before the true one."""

    def __init__(self, *first: nlm4_stats) -> None:
        self.first = list(first)
        self.holder: tuple[bytes, int] | None = None
        self.asked = 0

    def NLMPROC4_NM_LOCK(self, call: Call, arg: nlm4_lockargs) -> nlm4_res:
        self.asked += 1
        owner = (arg.alock.oh, arg.alock.svid)
        outcome = self.first.pop(0) if self.first else DENIED if self.holder else GRANTED
        if outcome is GRANTED:
            self.holder = owner
        return nlm4_res(arg.cookie, nlm4_stat(outcome))

    def NLMPROC4_UNLOCK(self, call: Call, arg: nlm4_unlockargs) -> nlm4_res:
        if self.holder == (arg.alock.oh, arg.alock.svid):
            self.holder = None
        return nlm4_res(arg.cookie, nlm4_stat(GRANTED))

    def NLMPROC4_TEST(self, call: Call, arg: nlm4_testargs) -> nlm4_testres:
        found = nlm4_testrply(GRANTED, None)
        if self.holder:
            found = nlm4_testrply(DENIED, nlm4_holder(True, self.holder[1], b"", 5, 0))
        return nlm4_testres(arg.cookie, found)


@asynccontextmanager
async def connected(locks: Locks) -> AsyncIterator[nfs.RemoteFileSystem]:
    """A client of a server with these locks."""
    services = (ScriptedNfs(), ScriptedMount(), locks)
    async with serve(*services, transports=["tcp"], host="127.0.0.1") as server:
        port = server.endpoints["tcp"][1]
        async with nfs.connect(f"{url_at(port)}&lockport={port}", auth=USER) as fs:
            yield fs


@in_loop
async def test_lock_is_held_while_the_context_lasts() -> None:
    locks = Locks()
    async with connected(locks) as fs:
        async with fs.lock("a"):
            assert locks.holder is not None
            found = await fs.lock_holder("a", exclusive=False)
            assert found == nfs.LockHolder(True, locks.holder[1], 5, 0)

        assert locks.holder is None
        assert await fs.lock_holder("a") is None


@in_loop
async def test_two_users_of_a_client_exclude_each_other() -> None:
    locks = Locks()
    async with connected(locks) as fs, fs.lock("a"):
        for timeout in (0.0, 0.01):
            with pytest.raises(BlockingIOError, match="NLM4_DENIED"):
                async with fs.lock("a", timeout=timeout):
                    pass
        assert locks.holder is not None


@in_loop
async def test_waiting_lock_is_granted_after_release() -> None:
    locks = Locks()
    async with connected(locks) as fs:

        async def waits() -> None:
            async with fs.lock("a"):
                pass

        async with fs.lock("a"):
            waiting = asyncio.create_task(waits())
            while locks.asked < 2:
                await asyncio.sleep(0)
        await waiting


@in_loop
async def test_grace_period_is_waited_for() -> None:
    locks = Locks(nlm4_stats.NLM4_DENIED_GRACE_PERIOD)
    async with connected(locks) as fs, fs.lock("a"):
        assert locks.asked == 2


@in_loop
async def test_cancelled_lock_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "FIRST_POLL", 60.0)
    locks = Locks(DENIED)
    async with connected(locks) as fs:

        async def waits() -> None:
            async with fs.lock("a"):
                pass

        waiting = asyncio.create_task(waits())
        while not locks.asked:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with fs.lock("a", timeout=0):
            pass


@pytest.mark.parametrize("outcome", [each for each in nlm4_stats if each is not GRANTED])
def test_every_refusal_is_an_error(outcome: nlm4_stats) -> None:
    error = error_of(outcome)

    assert error.errno
    assert isinstance(error, BlockingIOError) is (outcome in locking.WAITING)


@in_loop
async def test_refused_lock_is_an_error() -> None:
    async with connected(Locks(nlm4_stats.NLM4_DENIED_NOLOCKS)) as fs:
        with pytest.raises(OSError, match="NOLOCKS"):
            async with fs.lock("a"):
                pass


@in_loop
async def test_version2_has_no_locks() -> None:
    async with mounted(version=2) as fs:
        with pytest.raises(OSError, match="NOTSUPP"):
            async with fs.lock("a"):
                pass
