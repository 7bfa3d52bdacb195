"""The events of nfsd's web page: all tables, then those that change, and the rates of calls."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from oncrpc.daemon import live_events
from oncrpc.daemon.web import feed
from oncrpc.nfs.daemon import web_events as events
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import (
    GETATTR3args,
    LOOKUP3args,
    LOOKUP3resok,
    WRITE3args,
    diropargs3,
    nfs_fh3,
    stable_how,
)
from oncrpc.programs.nlm import NLM4_VERS, nlm4_lock, nlm4_lockargs, nlm4_stats
from support.loops import run
from support.nfs_daemons import RW, RunningNfsd, exports_file, nfsd_setup
from support.nfsd_web import page_of, showing_nfsd
from support.web_serving import fetch, watching

TABLES = ["calls", "exports", "mounts", "clients", "files", "locks", "troubles"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every event at once."""
    monkeypatch.setattr(feed, "TICK", 0.005)
    monkeypatch.setattr(live_events, "SECOND", 0.02)
    monkeypatch.setattr(live_events, "LOOK", 0.02)


async def file_of(daemon: RunningNfsd, share: Path) -> nfs_fh3:
    """Mount, and look the file up."""
    root, nfs = nfs_fh3(await daemon.mount(share)), await daemon.nfs()
    found = (await nfs.NFSPROC3_LOOKUP(LOOKUP3args(diropargs3(root, b"hello")))).body
    assert isinstance(found, LOOKUP3resok)
    return found.object


async def write(daemon: RunningNfsd, share: Path, data: bytes) -> None:
    """Write to the file without COMMIT."""
    file, nfs = await file_of(daemon, share), await daemon.nfs()
    await nfs.NFSPROC3_WRITE(WRITE3args(file, 0, len(data), stable_how.UNSTABLE, data))


def test_viewer_gets_all_tables_first(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})", f"{share}/none *({RW})")
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            await write(daemon, share, b"data")
            async with watching(page_of(daemon)) as viewer:
                found = {name: await viewer.next(name) for name in ["daemon", *TABLES]}
        assert found["daemon"]["programs"][0] == "nfs 2 and 3"
        assert found["daemon"]["names"]["100003"] == "nfs"
        assert found["exports"][0]["path"] == str(share)
        assert found["mounts"] == [{"host": "127.0.0.1", "path": str(share)}]
        assert (found["clients"][0]["host"], found["clients"][0]["calls"]) == ("127.0.0.1", 3)
        assert found["files"][0]["path"] == str(share / "hello")
        assert found["files"][0]["unsynced"] == 4
        assert found["troubles"] == [
            {
                "severity": "error",
                "text": f"{share}/none is not exported: no such file or directory",
            }
        ]
        assert {each["procedure"]: each["calls"] for each in found["calls"]} == {
            "LOOKUP": 1, "WRITE": 1, "MNT": 1,
        }  # fmt: skip

    run(scenario())


def test_changed_tables_are_sent_again(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with (
            showing_nfsd(nfsd_setup(state, exports=exports)) as daemon,
            watching(page_of(daemon)) as viewer,
        ):
            assert await viewer.next("mounts") == []
            await daemon.mount(share)
            assert await viewer.next("mounts") == [{"host": "127.0.0.1", "path": str(share)}]
            exports_file(state, "")
            daemon.reread()
            assert await viewer.next("exports") == []
            mount = MOUNT_V3.Client(await daemon.link())
            await mount.MOUNTPROC3_UMNT(bytes(share))
            assert await viewer.next("mounts") == []

    run(scenario())


def test_locks_are_a_table(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with (
            showing_nfsd(nfsd_setup(state, exports=exports)) as daemon,
            watching(page_of(daemon)) as viewer,
        ):
            assert await viewer.next("locks") == []
            file = await file_of(daemon, share)
            lock = nlm4_lock(b"client", file.data, b"owner", 7, 5, 10)
            locks = NLM4_VERS.Client(await daemon.link())
            arg = nlm4_lockargs(b"1", False, True, lock, False, 0)
            assert (await locks.NLMPROC4_NM_LOCK(arg)).stat.stat is nlm4_stats.NLM4_GRANTED
            (row,) = await viewer.next("locks")
            while (await viewer.next("rates"))["locks"] != 1:
                pass
        assert row | {"seconds": 0} == {
            "path": str(share / "hello"), "client": "client (127.0.0.1)", "process": 7,
            "bytes": "5-14", "lock": "exclusive", "seconds": 0,
        }  # fmt: skip

    run(scenario())


def test_idle_server_sends_no_tables(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            await write(daemon, share, b"data")
            source = events.NfsdEvents(daemon.app)
            await source.begin()
            first = kinds(await told(source))
            assert first == ["rates", "daemon"]

    run(scenario())


async def told(source: events.NfsdEvents) -> list[bytes]:
    """The events of the next tick that has some."""
    while not (found := await source.tick()):
        await asyncio.sleep(0.005)
    return found


def kinds(found: list[bytes]) -> list[str]:
    return [each.split(b"\n")[0].removeprefix(b"event: ").decode() for each in found]


def test_rates_have_calls_and_their_time(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            root, nfs = nfs_fh3(await daemon.mount(share)), await daemon.nfs()
            async with watching(page_of(daemon)) as viewer:
                await viewer.next("troubles")
                for _ in range(3):
                    await nfs.NFSPROC3_GETATTR(GETATTR3args(root))
                counted = [await next_called(viewer)]
                while sum(each["calls"] for each in counted[-1:]) < 3:
                    counted.append(await next_called(viewer))
        (last,) = counted[-1:]
        assert (last["program"], last["version"], last["procedure"]) == (100003, 3, "GETATTR")
        assert 0 < last["seconds"] < 1

    async def next_called(viewer: Any) -> dict[str, Any]:
        while not (found := await viewer.next("rates"))["procedures"]:
            assert found["calls"] == 0
        assert (found["clients"], found["exports"], found["mounts"]) == (1, 1, 1)
        (called,) = found["procedures"]
        return dict(called)

    run(scenario())


def test_status_as_json_is_kept_a_second(
    share: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT_FOR", 60.0)

    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            source = events.NfsdEvents(daemon.app)
            first = await source.status()
            assert await source.status() is first
        monkeypatch.setattr(events, "KEPT_FOR", 0.0)
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            source = events.NfsdEvents(daemon.app)
            assert await source.status() is not await source.status()

    run(scenario())


def test_status_is_json(share: Path, state: Path) -> None:
    async def scenario() -> None:
        exports = exports_file(state, f"{share} *({RW})")
        async with showing_nfsd(nfsd_setup(state, exports=exports)) as daemon:
            reply = await fetch(page_of(daemon), "/api/status")
        assert reply.headers["Content-Type"] == "application/json"
        assert json.loads(reply.body)["exports"][0]["path"] == str(share)

    run(scenario())
