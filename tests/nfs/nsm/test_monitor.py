"""``oncrpc.nfs.nsm.monitor``: the life of a status monitor, and what it believes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from oncrpc.daemon.state.directory import Directory
from oncrpc.errors import CallTimeout
from oncrpc.nfs.locks.peers import Peer, PeerMonitor
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor
from oncrpc.nfs.nsm.monitor import MAX_NOTICE_AGE, StatusMonitor
from oncrpc.programs.sm_inter import SM_VERS, res, stat_chge
from support.status_calls import KERNEL, StatusSite, monitored, remote

CLIENT = LockClient("192.0.2.1", b"client.example")
NEIGHBOUR = LockClient("192.0.2.1", b"neighbour.example")
PEER = Peer(CLIENT, "192.0.2.9")


async def life(site: StatusSite, *peers: Peer, kernel: bool = False) -> None:
    """Watch some hosts, and end without handing over."""
    for peer in peers:
        assert await site.monitor.watch(peer, 7)
    if kernel:
        await site.ask(KERNEL, SM_VERS.SM_MON, monitored(b"192.0.2.5"))
    await site.monitor.stop()


def test_monitor_is_a_peer_monitor() -> None:
    monitor: PeerMonitor = StatusMonitor()

    assert monitor.lost() == ()


def test_first_state_is_odd() -> None:
    assert StatusSite().monitor.state == 1001


def test_state_stays_when_nothing_was_lost(directory: Directory) -> None:
    asyncio.run(life(StatusSite(directory=directory), kernel=True))

    site = StatusSite(directory=directory)

    assert site.monitor.state == 1001
    assert len(site.monitor.kept.monitors) == 1
    assert site.monitor.lost() == ()


def test_state_grows_at_a_new_boot(directory: Directory) -> None:
    asyncio.run(life(StatusSite(directory=directory), PEER, kernel=True))

    site = StatusSite(directory=directory, boot=b"next")

    assert site.monitor.number == (1003, 1003, b"next")
    assert not site.monitor.kept.monitors
    assert sorted(site.monitor.kept.notices.values()) == [
        RestartNotice("192.0.2.1", "192.0.2.9", b"", 1001),
        RestartNotice("192.0.2.5", "", b"host", 1001),
    ]


def test_lost_locks_concern_own_clients_only(directory: Directory) -> None:
    asyncio.run(life(StatusSite(directory=directory), PEER, kernel=True))

    site = StatusSite(directory=directory)

    assert site.monitor.number == (1003, 1001, b"boot")
    assert site.monitor.lost() == (CLIENT,)
    assert [notice.host for notice in site.monitor.kept.notices.values()] == ["192.0.2.1"]
    assert len(site.monitor.kept.monitors) == 1


def test_hosts_behind_one_address_get_one_notice(directory: Directory) -> None:
    peers = PEER, Peer(NEIGHBOUR, "192.0.2.9")
    asyncio.run(life(StatusSite(directory=directory), *peers))

    assert len(StatusSite(directory=directory).monitor.kept.notices) == 1


def test_lost_client_is_watched_until_unwatched(directory: Directory) -> None:
    asyncio.run(life(StatusSite(directory=directory), PEER))
    site = StatusSite(directory=directory)

    site.call(remote("192.0.2.1"), SM_VERS.SM_NOTIFY, stat_chge(b"client", 9))

    assert site.told == [(CLIENT, 9)]


def test_client_without_locks_is_not_lost(directory: Directory) -> None:
    async def scenario() -> None:
        site = StatusSite(directory=directory)
        await site.monitor.watch(PEER, 7)
        site.monitor.unwatch(CLIENT)
        await site.monitor.stop()

    asyncio.run(scenario())

    site = StatusSite(directory=directory)
    assert site.monitor.lost() == ()
    assert site.monitor.faults() == ()


def test_restart_in_place_loses_nothing(directory: Directory) -> None:
    async def scenario() -> bytes:
        site = StatusSite(directory=directory)
        await site.monitor.watch(PEER, 7)
        site.monitor.settle()
        left = site.monitor.leave()
        await site.monitor.stop()
        return left

    left = asyncio.run(scenario())

    site = StatusSite(directory=directory, left=left)
    assert site.monitor.state == 1001
    assert site.monitor.lost() == ()
    assert len(site.monitor.kept.peers) == 1


def test_lost_locks_after_handover_are_notified(directory: Directory) -> None:
    async def scenario() -> StatusSite:
        former = StatusSite(directory=directory)
        await former.monitor.watch(PEER, 7)
        former.monitor.settle()
        left = former.monitor.leave()
        await former.monitor.stop()
        site = StatusSite(directory=directory, left=left)
        site.monitor.lose()
        await site.monitor.stop()
        return site

    site = asyncio.run(scenario())

    assert site.monitor.state == 1003
    assert site.monitor.lost() == (CLIENT,)
    assert [each.host for each in site.monitor.kept.notices.values()] == [CLIENT.host]


def test_restart_in_place_works_without_directory() -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))

    later = StatusSite(left=site.monitor.leave())

    assert later.monitor.number == site.monitor.number
    assert [peer.client for peer in later.monitor.kept.peers.values()] == [CLIENT]


def test_kernel_is_told_the_state_of_its_boot(directory: Directory, tmp_path: Path) -> None:
    path = tmp_path / "nsm_local_state"
    asyncio.run(life(StatusSite(directory=directory), PEER))

    site = StatusSite(directory=directory, kernel_state=str(path))

    assert site.monitor.state == 1003
    assert path.read_text() == "1001"


def test_missing_kernel_is_not_told(tmp_path: Path) -> None:
    site = StatusSite(kernel_state=str(tmp_path / "missing" / "file"))

    assert site.monitor.state == 1001


def test_full_disk_watches_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    tmp_path.chmod(0o700)
    directory = Directory(str(tmp_path), write=write)

    async def scenario() -> tuple[bool, object]:
        site = StatusSite(directory=directory)
        watched = await site.monitor.watch(PEER, 7)
        result = await site.ask(KERNEL, SM_VERS.SM_MON, monitored(b"192.0.2.5"))
        assert not site.monitor.kept.peers
        assert not site.monitor.kept.monitors
        await site.monitor.stop()
        (fault,) = site.monitor.faults()
        assert fault == "the list of watched hosts cannot be written: No space left on device"
        return watched, result.res_stat

    assert asyncio.run(scenario()) == (False, 1)
    assert "cannot be written" in caplog.text
    directory.close()


def test_full_disk_forgets_no_watched_host(tmp_path: Path) -> None:
    full = False

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return os.write(descriptor, data)

    tmp_path.chmod(0o700)
    directory = Directory(str(tmp_path), write=write)

    async def scenario() -> None:
        nonlocal full
        site = StatusSite(directory=directory)
        await site.ask(KERNEL, SM_VERS.SM_MON, monitored(b"192.0.2.5"))
        full = True
        again = monitored(b"192.0.2.5", priv=bytes(16))
        assert (await site.ask(KERNEL, SM_VERS.SM_MON, again)).res_stat == res.stat_fail
        assert len(site.monitor.kept.monitors) == 1
        await site.monitor.stop()

    asyncio.run(scenario())
    directory.close()


def test_crash_is_simulated_for_programs_only() -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))
    site.call(KERNEL, SM_VERS.SM_MON, monitored(b"192.0.2.5"))

    site.call(KERNEL, SM_VERS.SM_SIMU_CRASH)

    assert site.monitor.number == (1003, 1003, b"boot")
    assert [notice.host for notice in site.monitor.kept.notices.values()] == ["192.0.2.5"]
    assert len(site.monitor.kept.peers) == 1


def notified(site: StatusSite, host: str, name: bytes, state: int) -> None:
    site.call(remote(host), SM_VERS.SM_NOTIFY, stat_chge(name, state))


def test_notice_from_the_client_is_believed() -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))

    notified(site, "192.0.2.1", b"CLIENT", 9)

    assert site.told == [(CLIENT, 9)]
    assert site.monitor.counts.heard == 1


def test_notice_from_elsewhere_is_not_believed() -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))

    notified(site, "192.0.2.66", b"client.example", 9)

    assert site.told == []
    assert site.monitor.counts.refused == 1


@pytest.mark.parametrize("state", [5, 7])
def test_old_notice_frees_no_lock(state: int) -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))

    notified(site, "192.0.2.1", b"client.example", state)

    assert site.told == []


def test_second_notice_frees_no_lock() -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))

    notified(site, "192.0.2.1", b"client.example", 9)
    notified(site, "192.0.2.1", b"client", 9)

    assert site.told == [(CLIENT, 9)]


def test_notice_concerns_one_host_behind_an_address() -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))
    asyncio.run(site.monitor.watch(Peer(NEIGHBOUR, "192.0.2.9"), 7))

    notified(site, "192.0.2.1", b"stranger", 9)
    notified(site, "192.0.2.1", b"neighbour", 9)

    assert site.told == [(NEIGHBOUR, 9)]


SELF = Peer(LockClient("127.0.0.1", b"host"), "127.0.0.1")


@pytest.mark.parametrize(("boot", "told"), [(b"boot", []), (b"next", [(SELF.client, 1003)])])
def test_own_notice_frees_no_lock_of_this_host(
    directory: Directory, boot: bytes, told: list[tuple[LockClient, int]]
) -> None:
    """This host mounts its own export; a new boot has ended its processes, too."""
    asyncio.run(life(StatusSite(directory=directory), SELF, kernel=True))
    site = StatusSite(directory=directory, boot=boot)

    site.call(KERNEL, SM_VERS.SM_NOTIFY, stat_chge(b"host", 1003))

    assert site.told == told
    assert site.monitor.counts.refused == 0


def test_old_notices_are_given_up(directory: Directory) -> None:
    async def scenario() -> None:
        site = StatusSite(directory=directory)
        for number, since in ((1, 1001 - MAX_NOTICE_AGE), (2, 1000 - MAX_NOTICE_AGE)):
            site.monitor.kept.put(RestartNotice(f"192.0.2.{number}", "", b"", since))
        await site.monitor.stop()

    asyncio.run(scenario())

    kept = StatusSite(directory=directory).monitor.kept
    assert [notice.host for notice in kept.notices.values()] == ["192.0.2.1"]


def test_nobody_claims_without_a_lock_manager(directory: Directory) -> None:
    asyncio.run(life(StatusSite(directory=directory), PEER))

    async def scenario() -> None:
        monitor = StatusMonitor(directory, boot=b"boot", calls=NoCalls())
        monitor.load()
        assert [*monitor.lost()] == [CLIENT]
        monitor.start()
        await monitor.stop()
        assert not monitor.kept.peers
        assert monitor.report().unreachable == 1

    asyncio.run(scenario())


class NoCalls:
    """A network on which nobody answers."""

    async def notify(self, notice: RestartNotice, state: int, attempt: int) -> None:
        raise CallTimeout

    async def call_back(self, monitor: RpcMonitor) -> None:
        raise CallTimeout


def test_notice_waits_for_the_name_service() -> None:
    site = StatusSite(names={b"client": frozenset({"192.0.2.1"})})
    site.call(KERNEL, SM_VERS.SM_MON, monitored(b"client"))
    call = site.calls.start(SM_VERS.SM_NOTIFY, (stat_chge(b"client", 9),), now=0, timeout=1)

    async def scenario() -> list[bool]:
        answered = [await site.reply(remote("192.0.2.1"), call.message) is not None]
        while not answered[-1]:
            await asyncio.sleep(0)
            answered.append(await site.reply(remote("192.0.2.1"), call.message) is not None)
        await site.monitor.stop()
        return answered

    answered = asyncio.run(scenario())

    assert not answered[0]
    assert site.monitor.counts.heard == 1
    assert site.monitor.counts.refused == 0


def test_refused_notice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    site = StatusSite()
    asyncio.run(site.monitor.watch(PEER, 7))

    notified(site, "192.0.2.66", b"client\n", 9)
    notified(site, "192.0.2.1", b"client.example", 5)

    unknown = r"refused SM_NOTIFY from 192.0.2.66 for client\n: no such host is watched"
    assert unknown in caplog.text
    assert "from 192.0.2.1 for client.example: state 5 is not newer than 7" in caplog.text
