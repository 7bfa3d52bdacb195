"""The status monitor as a part of the server."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from oncrpc.daemon.handover import Handover
from oncrpc.daemon.run import owner_of
from oncrpc.daemon.state import directory
from oncrpc.daemon.state.directory import prepared
from oncrpc.nfs.daemon.config import NfsdDaemonTable
from oncrpc.nfs.daemon.lock_status import LockingClient, NoticeCounts, WatchedProgram
from oncrpc.nfs.daemon.ports import main_port
from oncrpc.nfs.daemon.status_part import StatusPart
from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import RpcMonitor
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.sm_inter import SM_VERS, sm_name
from support.loops import run
from support.nfs_daemons import RunningNfsd, nfsd_setup, serving_nfsd

PEER = Peer(LockClient("127.0.0.7", b"client"), "127.0.0.1")


def part_of(daemon: RunningNfsd) -> StatusPart:
    part = daemon.app.part(StatusPart)
    assert part is not None
    return part


def test_status_alone_needs_no_exports(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        made = nfsd_setup(state, only=["status"], port=2049)
        async with serving_nfsd(made) as daemon:
            assert daemon.port != 2049
            found = await SM_VERS.Client(await daemon.link()).SM_STAT(sm_name(b"127.0.0.7"))
            assert found.state == part_of(daemon).monitor.state
            assert [service.version for service in daemon.app.services()] == [SM_VERS]

    run(scenario())

    assert "nothing is exported" not in caplog.text


def test_status_alone_keeps_its_state_as_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its port is a free one, but the next start finds the directory."""
    monkeypatch.setattr(directory, "LASTING", str(tmp_path))
    made = nfsd_setup(tmp_path, only=["status"], port=2049)
    table = NfsdDaemonTable(only=made.source.read().config.daemon.only)

    folders = prepared(owner_of(made.app(), table), table, {"STATE_DIRECTORY": str(tmp_path)})

    assert (main_port(table), folders.state) == (0, str(tmp_path / "nfsd"))


@pytest.mark.parametrize("kept", [True, False])
def test_next_image_watches_the_same_hosts(state: Path, kept: bool) -> None:
    async def scenario() -> None:
        made = nfsd_setup(state if kept else None, only=["status"])
        async with serving_nfsd(made) as daemon:
            monitor = part_of(daemon).monitor
            assert await monitor.watch(PEER, 5)
            number = monitor.number
            daemon.app.settle()
            left = daemon.app.leave()
        async with serving_nfsd(made, Handover(os.getpid(), left=msgspec.Raw(left))) as daemon:
            monitor = part_of(daemon).monitor
            assert (monitor.number, [*monitor.lost()]) == (number, [])
            assert PEER.client in monitor.kept.peers

    run(scenario())


def test_report_names_the_watched_hosts(state: Path) -> None:
    async def scenario() -> None:
        async with serving_nfsd(nfsd_setup(state, only=["status"])) as daemon:
            part = part_of(daemon)
            assert await part.monitor.watch(PEER, 5)
            assert await part.monitor.monitor(
                RpcMonitor(b"127.0.0.9", b"me", NLM_PROG, 4, 16, bytes(16))
            )
            report = (await daemon.status()).monitor  # type: ignore[attr-defined]  # of nfsd
            assert report.clients == [LockingClient("127.0.0.7", "client")]
            assert report.programs == [WatchedProgram("127.0.0.9", NLM_PROG)]
            assert (report.watched, report.pending, report.notices) == (1, 0, [])
            assert report.counts == NoticeCounts(0, 0, 0, 0, 0)

    run(scenario())


def test_lost_clients_are_told_after_a_crash(state: Path) -> None:
    async def scenario() -> None:
        made = nfsd_setup(state, only=["status"])
        async with serving_nfsd(made) as daemon:
            assert await part_of(daemon).monitor.watch(PEER, 5)
            number = part_of(daemon).monitor.state
        async with serving_nfsd(made) as daemon:
            report = part_of(daemon).report()
            assert report.state == number + 2
            assert report.notices == ["127.0.0.7"]

    run(scenario())
