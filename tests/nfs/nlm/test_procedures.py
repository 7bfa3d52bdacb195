"""What the lock manager does with a call, over a file in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import ByteRange, LocalHolder, LockClient, LockOutcome
from oncrpc.programs.nlm import (
    NLM4_VERS,
    NLM_VERS,
    fsh_access,
    fsh_mode,
    nlm4_holder,
    nlm4_notify,
    nlm4_stats,
    nlm_lock,
    nlm_lockargs,
    nlm_stats,
    nlm_testargs,
)
from oncrpc.rpc import Caller
from support.callers import changed
from support.loops import in_loop, settle, until
from support.nlm_site import ONE, OTHER, TWO, NlmSite, denying

GRANTED, DENIED = nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_DENIED
BLOCKED = nlm4_stats.NLM4_BLOCKED
FAILED, STALE = nlm4_stats.NLM4_FAILED, nlm4_stats.NLM4_STALE_FH
NOLOCKS, GRACE = nlm4_stats.NLM4_DENIED_NOLOCKS, nlm4_stats.NLM4_DENIED_GRACE_PERIOD
END = 1 << 64


# TEST, LOCK and UNLOCK


@in_loop
async def test_lock_is_held_by_its_client() -> None:
    site = NlmSite()

    assert await site.lock(10, 5) is GRANTED
    assert site.held == [("192.0.2.9", 77, 10, 15)]


@in_loop
async def test_length_0_goes_to_the_end() -> None:
    site = NlmSite()

    await site.lock(10)

    assert site.held == [("192.0.2.9", 77, 10, END)]


@in_loop
async def test_other_client_is_told_the_holder() -> None:
    site = NlmSite()
    await site.lock(10, 5)

    found = await site.test(0, 100, **TWO)

    assert found.stat is DENIED
    assert found.body == nlm4_holder(True, 77, b"77@one", 10, 5)


@in_loop
async def test_free_range_would_be_granted() -> None:
    site = NlmSite()
    await site.lock(10, 5)

    assert (await site.test(15, 1, **TWO)).stat is GRANTED
    assert (await site.test(0, 100)).stat is GRANTED
    assert site.held == [("192.0.2.9", 77, 10, 15)]


@in_loop
async def test_conflict_without_waiting_is_denied() -> None:
    site = NlmSite()
    await site.lock(10, 5)

    assert await site.lock(0, 0, **TWO) is DENIED
    assert site.program.callbacks.leave() == b"[]"


@in_loop
async def test_shared_locks_do_not_conflict() -> None:
    site = NlmSite()

    assert await site.lock(exclusive=False) is GRANTED
    assert await site.lock(exclusive=False, **TWO) is GRANTED
    assert await site.lock(**TWO) is DENIED


@in_loop
async def test_hosts_behind_one_address_are_apart() -> None:
    site = NlmSite()
    await site.lock(caller_name=b"one")

    assert await site.lock(caller_name=b"two") is DENIED
    assert await site.unlock(caller_name=b"two") is GRANTED
    assert len(site.held) == 1


@in_loop
async def test_name_alone_is_not_the_client() -> None:
    site = NlmSite()
    await site.lock()

    assert await site.unlock(caller=OTHER) is GRANTED
    assert len(site.held) == 1


@in_loop
async def test_unlock_frees_a_part() -> None:
    site = NlmSite()
    await site.lock(0, 100)

    assert await site.unlock(10, 5) is GRANTED
    assert [each[2:] for each in site.held] == [(0, 10), (15, 100)]


@in_loop
async def test_handles_of_both_nfs_versions_are_one_file() -> None:
    site = NlmSite()
    await site.lock()
    arg = nlm_testargs(b"", True, nlm_lock(b"two", site.handle_for(1), b"", 5, 0, 0))

    found = await site.call(NLM_VERS.NLM_TEST, arg, caller=OTHER)

    assert found.stat.stat is nlm_stats.nlm_denied


@in_loop
async def test_local_process_is_told_by_its_pid() -> None:
    site = NlmSite()

    async def found(*_: Any) -> LocalHolder:
        return LocalHolder(4321, ByteRange(7, 9), exclusive=True)

    site.locks.test = found  # type: ignore[method-assign,assignment]

    assert (await site.test()).body == nlm4_holder(True, 4321, b"local", 7, 2)


# Waiting


@in_loop
async def test_conflict_is_answered_blocked_at_once() -> None:
    site = NlmSite()
    await site.lock()

    assert await site.lock(wait=True, **TWO) is BLOCKED


@in_loop
async def test_client_that_waits_is_connected_to() -> None:
    site = NlmSite()
    await site.lock()
    await site.lock(**TWO)
    assert site.clients.prepared == []

    await site.lock(wait=True, **TWO)
    assert site.clients.prepared == [("192.0.2.8", "192.0.2.1", "tcp", 4)]


@in_loop
async def test_freed_lock_is_granted_by_a_call() -> None:
    site = NlmSite()
    await site.lock()
    await site.lock(5, 3, wait=True, **TWO)

    await site.unlock()
    await until(lambda: not site.program.callbacks)

    (called,) = site.clients.calls
    assert called.procedure == "NLMPROC4_GRANTED"
    assert called.place == ("192.0.2.8", "192.0.2.1", "tcp", 4)
    assert called.argument.exclusive
    assert called.argument.alock == site.alock(5, 3, caller_name=b"two", oh=b"5@two", svid=5)
    assert site.held == [("192.0.2.8", 5, 5, 8)]


@in_loop
async def test_client_that_denies_gives_the_lock_back() -> None:
    site = NlmSite()
    site.clients.answer = denying
    await site.lock()
    await site.lock(wait=True, **TWO)

    await site.unlock()
    await until(lambda: not site.program.callbacks)

    assert site.held == []


@in_loop
async def test_cancelled_request_is_not_granted() -> None:
    site = NlmSite()
    await site.lock()
    await site.lock(wait=True, **TWO)

    assert await site.cancel(**TWO) is GRANTED
    await site.unlock()
    await settle()

    assert site.clients.calls == []
    assert site.held == []


@pytest.mark.parametrize("how", ["cancel", "unlock", "lock without waiting"])
@in_loop
async def test_ended_wait_leaves_no_way_back(how: str) -> None:
    """Else a client could make this host forget the ways to others."""
    site = NlmSite()
    await site.lock()
    await site.lock(wait=True, **TWO)
    assert site.program.leave() != b"[]"

    ends = {"cancel": site.cancel, "unlock": site.unlock, "lock without waiting": site.lock}
    await ends[how](**TWO)

    assert site.program.leave() == b"[]"


@in_loop
async def test_cancel_without_a_request_is_denied() -> None:
    site = NlmSite()

    assert await site.cancel() is DENIED


@in_loop
async def test_cancel_takes_back_a_grant_not_accepted() -> None:
    site = NlmSite()
    site.clients.answer = lambda _: asyncio.get_running_loop().create_future()
    await site.lock()
    await site.lock(wait=True, **TWO)
    await site.unlock()
    await until(lambda: site.clients.calls)

    assert await site.cancel(**TWO) is GRANTED
    assert site.held == []
    assert len(site.program.callbacks) == 0


@in_loop
async def test_repeated_lock_takes_the_grant() -> None:
    """The answer to GRANTED that comes afterwards means nothing: the client waits no more."""
    site = NlmSite()
    answer = asyncio.get_running_loop().create_future()
    site.clients.answer = lambda _: answer
    await site.lock()
    await site.lock(wait=True, **TWO)
    await site.unlock()
    await until(lambda: site.clients.calls)

    assert await site.lock(wait=True, **TWO) is GRANTED
    assert len(site.program.callbacks) == 0
    assert len(site.held) == 1


@in_loop
async def test_unlock_before_the_answer_ends_the_grant() -> None:
    site = NlmSite()
    site.clients.answer = lambda _: asyncio.get_running_loop().create_future()
    await site.lock()
    await site.lock(wait=True, **TWO)
    await site.unlock()
    await until(lambda: site.clients.calls)

    await site.unlock(**TWO)

    assert len(site.program.callbacks) == 0
    assert site.held == []


@in_loop
async def test_caller_over_a_local_socket_does_not_wait() -> None:
    site = NlmSite()
    await site.lock()
    local = Caller("local", uid=0)

    assert await site.lock(wait=True, caller_name=b"two", caller=local) is DENIED


# Outcomes


OUTCOMES = {
    LockOutcome.DEADLOCK: (nlm4_stats.NLM4_DEADLCK, nlm_stats.nlm_deadlck),
    LockOutcome.NO_ROOM: (NOLOCKS, nlm_stats.nlm_denied_nolocks),
    LockOutcome.GRACE: (GRACE, nlm_stats.nlm_denied_grace_period),
    LockOutcome.READ_ONLY: (nlm4_stats.NLM4_ROFS, nlm_stats.nlm_denied_nolocks),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@in_loop
async def test_outcome_is_that_of_the_version(outcome: LockOutcome) -> None:
    site = NlmSite()

    async def found(*_: Any, **__: Any) -> LockOutcome:
        return outcome

    site.locks.lock = found  # type: ignore[method-assign]
    arg = nlm_lockargs(b"", False, True, nlm_lock(b"", site.handle_for(1), b"", 1, 0, 0), False, 0)
    first = await site.call(NLM_VERS.NLM_LOCK, arg)

    assert (await site.lock(wait=True), first.stat.stat) == OUTCOMES[outcome]
    assert site.program.callbacks.leave() == b"[]"


@in_loop
async def test_in_grace_nothing_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    site = NlmSite()
    monkeypatch.setattr(type(site.locks), "in_grace", True)

    assert (await site.test()).stat is GRACE


@in_loop
async def test_range_beyond_64_bits_is_too_big() -> None:
    site = NlmSite()

    assert await site.lock(END - 1, 1) is GRANTED
    assert await site.lock(END - 1, 2) is nlm4_stats.NLM4_FBIG
    assert await site.unlock(END - 1, 2) is nlm4_stats.NLM4_FBIG
    assert (await site.test(END - 1, 2)).stat is nlm4_stats.NLM4_FBIG


# Monitoring


class Monitor:
    """A monitor that records whom it watches."""

    def __init__(self) -> None:
        self.state = 1
        self.watched: list[tuple[Peer, int]] = []
        self.restarted: Any = None

    async def watch(self, peer: Peer, state: int) -> bool:
        self.watched.append((peer, state))
        return True

    def unwatch(self, client: LockClient) -> None: ...

    def lost(self) -> list[LockClient]:
        return []

    def lose(self) -> None: ...


@in_loop
async def test_client_is_watched_from_the_called_address() -> None:
    monitor = Monitor()
    site = NlmSite(monitor=monitor)

    await site.lock()

    assert monitor.watched == [(Peer(LockClient("192.0.2.9", b"one"), "192.0.2.1"), 5)]


@in_loop
async def test_nm_lock_watches_nobody() -> None:
    monitor = Monitor()
    site = NlmSite(monitor=monitor)

    assert await site.lock(procedure=NLM4_VERS.NLMPROC4_NM_LOCK) is GRANTED
    assert monitor.watched == []
    assert len(site.held) == 1


@in_loop
async def test_restarted_client_loses_all() -> None:
    monitor = Monitor()
    site = NlmSite(monitor=monitor)
    await site.lock()
    await site.lock(wait=True, **TWO)
    await site.shared()

    monitor.restarted(LockClient("192.0.2.8", b"two"), 7)
    monitor.restarted(LockClient("192.0.2.9", b"one"), 7)
    await settle()

    assert site.held == []
    assert site.clients.calls == []
    assert site.program.leave() == b"[]"
    assert await site.shared(**SHARE_OF_TWO) is GRANTED


# DOS shares

SHARE_OF_TWO: dict[str, Any] = {"name": b"two", "caller": OTHER}


@in_loop
async def test_share_denies_others() -> None:
    site = NlmSite()

    assert await site.shared(fsh_mode.fsm_DW, fsh_access.fsa_RW) is GRANTED
    assert await site.shared(fsh_mode.fsm_DN, fsh_access.fsa_W, **SHARE_OF_TWO) is DENIED
    assert await site.shared(fsh_mode.fsm_DN, fsh_access.fsa_R, **SHARE_OF_TWO) is GRANTED


@in_loop
async def test_unshare_ends_a_share() -> None:
    site = NlmSite()
    await site.shared()

    assert await site.shared(undo=True, **SHARE_OF_TWO) is GRANTED
    assert await site.shared(**SHARE_OF_TWO) is DENIED
    assert await site.shared(undo=True) is GRANTED
    assert await site.shared(**SHARE_OF_TWO) is GRANTED


# FREE_ALL


async def free_all(site: NlmSite, name: bytes = b"one", caller: Caller = ONE) -> None:
    await site.call(NLM4_VERS.NLMPROC4_FREE_ALL, nlm4_notify(name, 5), caller=caller)


@in_loop
async def test_free_all_releases_all_of_a_client() -> None:
    site = NlmSite()
    await site.lock(fh=site.second)
    await site.lock()
    await site.shared()
    await site.lock(wait=True, **TWO)

    await free_all(site)
    await until(lambda: not site.program.callbacks)

    assert [each[0] for each in site.held] == ["192.0.2.8"]
    assert await site.shared(**SHARE_OF_TWO) is GRANTED


@in_loop
async def test_free_all_ends_waiting() -> None:
    site = NlmSite()
    await site.lock()
    await site.lock(wait=True, **TWO)

    await free_all(site, b"two", OTHER)
    await site.unlock()
    await settle()

    assert site.clients.calls == []
    assert site.program.callbacks.leave() == b"[]"


@pytest.mark.parametrize(
    ("name", "caller"),
    [
        (b"two", ONE),
        (b"one", OTHER),
        (b"one", changed(ONE, source=("192.0.2.9", 1024, 0))),
    ],
    ids=["other name", "other address", "port of a user"],
)
@in_loop
async def test_free_all_is_for_the_client_itself(name: bytes, caller: Caller) -> None:
    site = NlmSite()
    await site.lock()

    await free_all(site, name, caller)

    assert len(site.held) == 1
