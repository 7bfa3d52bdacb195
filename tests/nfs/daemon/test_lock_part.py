"""The lock manager as a part of the server."""

from __future__ import annotations

import base64
import fcntl
import os
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from oncrpc.daemon.handover import Handover
from oncrpc.daemon.web.metrics import Families
from oncrpc.nfs.daemon.lock_metrics import lock_metrics
from oncrpc.nfs.daemon.lock_part import FREE, LOCKS
from oncrpc.nfs.daemon.lock_status import (
    EXCLUSIVE,
    HELD,
    SHARE,
    WAITING,
    FreedLocks,
    LockEntry,
    LockingClient,
    LocksStatus,
)
from oncrpc.nfs.nlm.program import UNREPEATABLE
from oncrpc.programs.nlm import nlm4_stats
from support.locking_hosts import ONE, TWO, lock_part, locking_hosts
from support.loops import in_loop, until
from support.nfs_daemons import RW, NfsdSetup, exports_file, nfsd_setup, serving_nfsd

GRANTED, BLOCKED, DENIED = (
    nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_BLOCKED, nlm4_stats.NLM4_DENIED,
)  # fmt: skip
GRACE = nlm4_stats.NLM4_DENIED_GRACE_PERIOD


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


@in_loop
async def test_crash_lets_only_holders_claim(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, two):
        assert await one.lock() is GRANTED
    async with locking_hosts(made, share) as (one, two):
        grace = lock_part(one.daemon).report(most=10).grace
        assert grace is not None
        assert [each.host for each in grace.awaited] == [ONE]
        assert 0 < grace.seconds <= 90
        assert await two.lock() is GRACE
        assert await two.lock(reclaim=True) is DENIED
        assert await one.lock(reclaim=True) is GRANTED
        assert lock_part(one.daemon).report(most=10).grace is None
        assert await two.lock() is DENIED


@in_loop
async def test_no_grace_if_nobody_had_locks(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, _):
        await one.lock()
        await one.unlock()
    async with locking_hosts(made, share) as (_, two):
        assert await two.lock() is GRANTED


@in_loop
async def test_grace_can_be_turned_off(share: Path, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "nfsd.toml"
    file.write_text("[locks]\ngrace = 0\n")
    file.chmod(0o644)
    made = nfsd_setup(state, exports=exports_file(state, f"{share} *({RW})"), file=str(file))
    async with locking_hosts(made, share) as (one, _):
        await one.lock()
    async with locking_hosts(made, share) as (_, two):
        await until(lambda: lock_part(two.daemon).report(most=1).grace is None)
        assert await two.lock() is GRANTED


@in_loop
async def test_limits_of_locks_are_configured(share: Path, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "nfsd.toml"
    file.write_text("[locks]\nper-client = 1\n")
    file.chmod(0o644)
    made = nfsd_setup(state, exports=exports_file(state, f"{share} *({RW})"), file=str(file))
    async with locking_hosts(made, share) as (one, two):
        assert await one.lock() is GRANTED
        assert await one.lock(start=100) is nlm4_stats.NLM4_DENIED_NOLOCKS
        assert await two.lock(start=100) is GRANTED


@in_loop
async def test_next_image_has_locks_and_descriptors(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, two):
        await one.lock()
        assert await two.lock(wait=True) is BLOCKED
        left = one.daemon.app.leave()
        kept = {each: os.dup(each) for each in one.daemon.app.descriptors()}
    try:
        with (share / "hello").open("r+b") as file, pytest.raises(BlockingIOError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for number, copy in kept.items():
            os.dup2(copy, number)
    finally:
        for copy in kept.values():
            os.close(copy)
    former = Handover(os.getpid(), left=msgspec.Raw(left))
    async with locking_hosts(made, share, former) as (one, two):
        assert await two.lock(svid=1) is DENIED
        await one.unlock()
        await until(lambda: bool(lock_part(two.daemon).report(most=10).held))
        assert await one.lock() is DENIED


@in_loop
async def test_unknown_handover_releases_descriptors(
    made: NfsdSetup, share: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with locking_hosts(made, share) as (one, _):
        await one.lock()
        left = msgspec.json.decode(one.daemon.app.leave())
        kept = [os.dup(each) for each in one.daemon.app.descriptors()]
    left["parts"]["nlm"] = base64.b64encode(b"[1]").decode()
    former = Handover(os.getpid(), left=msgspec.Raw(msgspec.json.encode(left)), kept=kept)

    async with locking_hosts(made, share, former) as (one, two):
        with (share / "hello").open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert await two.lock() is GRACE
        assert await one.lock(reclaim=True) is GRANTED

    assert caplog.text.count("not understood") == 1


@in_loop
async def test_export_that_is_gone_gives_locks_up(
    made: NfsdSetup, share: Path, state: Path
) -> None:
    async with locking_hosts(made, share) as (one, _):
        await one.lock()
        exports_file(state, f"{state} *({RW})")
        one.daemon.reread()
        (file,) = lock_part(one.daemon).report(most=10).listed
        assert (file.path, file.export) == (None, None)
        assert await one.unlock() is GRANTED
        assert lock_part(one.daemon).report(most=10).held == 0


@in_loop
async def test_report_lists_locks_by_file(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, two):
        await one.lock()
        await two.lock(wait=True, length=0)
        report = lock_part(one.daemon).report(most=10)

    (file,) = report.listed
    client, other = LockingClient(ONE, ONE), LockingClient(TWO, TWO)
    assert (report.held, report.waiting, report.files, report.clients) == (1, 1, 1, 1)
    assert (file.path, file.export) == (str(share / "hello"), str(share))
    assert [replace(each, seconds=0) for each in file.entries] == [
        LockEntry(client, 77, 5, 8, EXCLUSIVE, HELD, 0),
        LockEntry(other, 77, 5, None, EXCLUSIVE, WAITING, 0),
    ]


@in_loop
async def test_shares_are_listed_too(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, _):
        await one.share()
        (file,) = lock_part(one.daemon).report(most=10).listed

    (entry,) = file.entries
    assert (entry.state, entry.kind) == (SHARE, "opened to read, denies write")


@in_loop
async def test_metrics_count_locks_and_outcomes(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, two):
        await one.lock()
        await two.lock()
        await two.lock(wait=True)
        await one.unlock()
        await until(lambda: not lock_part(two.daemon).program.callbacks and two.host.calls)
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in lock_metrics(one.daemon.app, Families("nfsd"))
            for sample in family.samples
        }

    assert found["nfsd_locks",] == found["nfsd_locked_files",] == found["nfsd_lock_clients",] == 1
    assert found["nfsd_locks_waiting",] == found["nfsd_grace_seconds",] == 0
    assert found["nfsd_lock_requests_total", "granted"] == 1
    assert found["nfsd_lock_requests_total", "denied"] == 1
    assert found["nfsd_lock_requests_total", "blocked"] == 1
    assert found["nfsd_lock_callbacks_total", "accepted"] == 1
    assert found["nfsd_monitored_clients",] == 2
    assert found["nfsd_notices_total", "refused"] == 0


@in_loop
async def test_admin_ends_grace_of_a_dead_client(made: NfsdSetup, share: Path) -> None:
    async with locking_hosts(made, share) as (one, _):
        await one.lock()
    async with locking_hosts(made, share) as (_, two):
        assert await two.lock() is GRACE
        await two.daemon.app.requests()[FREE](ONE)
        assert await two.lock() is GRANTED


@pytest.mark.parametrize("wanted", [ONE, "127.0.0.9"])
@in_loop
async def test_admin_releases_locks_of_a_client(
    made: NfsdSetup, share: Path, wanted: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with locking_hosts(made, share) as (one, two):
        await one.lock()
        freed = await one.daemon.app.requests()[FREE](wanted)
        listed = await one.daemon.app.requests()[LOCKS]("")
        assert isinstance(listed, LocksStatus)
        if wanted == ONE:
            assert freed == FreedLocks([LockingClient(ONE, ONE)], 1)
            assert await two.lock() is GRANTED
        else:
            assert (freed, listed.held) == (FreedLocks([], 0), 1)
    assert (f"released all locks of {ONE} ({ONE})" in caplog.text) is (wanted == ONE)
