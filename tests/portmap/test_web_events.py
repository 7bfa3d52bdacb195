"""The events of the web page: all registrations, then changes, and the rates of calls."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from oncrpc.aio.link import dial
from oncrpc.daemon import live_events
from oncrpc.daemon.web import feed
from oncrpc.portmap import web_events as events
from oncrpc.portmap.web_events import RegistryEvents
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from oncrpc.version import __version__
from support.daemons import Daemon, serving, stateful
from support.loops import run
from support.web_serving import showing, watching

NFS = rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every event at once."""
    monkeypatch.setattr(feed, "TICK", 0.005)
    monkeypatch.setattr(live_events, "SECOND", 0.02)
    monkeypatch.setattr(live_events, "LOOK", 0.02)


def test_viewer_gets_all_registrations_then_the_changes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            assert b"Content-Type: text/event-stream" in viewer.head
            told = await viewer.next("registry")
            assert told["registered"] == len(told["registrations"]) == len(made.app.registry)
            made.app.registry.set(NFS)
            (added,) = await viewer.next("added")
            assert (added["program"], added["name"], added["netid"]) == (100003, "nfs", "tcp")
            made.app.registry.drop(NFS)
            assert await viewer.next("removed") == [
                {"program": 100003, "name": "nfs", "version": 3, "netid": "tcp"}
            ]

    run(scenario())


def test_daemon_event_comes_first_and_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            told = await viewer.next("daemon")
            assert (told["host"], told["version"]) == (socket.gethostname(), __version__)
            assert told["policy"]["rules"] == 0
            assert set(told["refusals"]) == {"unauthorized", "declined", "indirect"}
            assert set(told["drops"]) == {"rate", "busy", "malformed", "overlong", "kernel"}
            await viewer.next("registry")
            assert (await viewer.next("daemon"))["uptime"] >= told["uptime"]

    run(scenario())


def test_new_address_is_a_change(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made:
            made.app.registry.set(NFS)
            async with watching(made) as viewer:
                await viewer.next("registry")
                made.app.registry.drop(NFS)
                made.app.registry.set(rpcb(100003, 3, b"tcp", b"0.0.0.0.8.2", b"superuser"))
                (changed,) = await viewer.next("changed")
                assert changed["address"] == "0.0.0.0.8.2"

    run(scenario())


def test_rates_have_the_procedures_called(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            await viewer.next("registry")
            (path, *_) = made.app.sockets
            link = await dial("local", path, 0)
            await RPCBVERS4.Client(link).RPCBPROC_GETTIME()
            while not (told := await viewer.next("rates"))["procedures"]:
                assert told["calls"] == 0
            link.close()
            (called,) = told["procedures"]
            assert (called["version"], called["procedure"]) == (4, "GETTIME")
            assert told["calls"] == called["rate"] > 0
            assert (told["connections"], told["registered"]) == (1, len(made.app.registry))

    run(scenario())


def test_listing_is_kept_until_the_registry_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)) as made:
            source = RegistryEvents(made.app)
            first = source.listing()
            assert source.listing() is first
            made.app.registry.set(NFS)
            second = source.listing()
            assert second != first
            monkeypatch.setattr(events, "LISTED_FOR", 0.0)
            made.app.registry.drop(NFS)
            assert source.listing() is not source.listing()

    monkeypatch.setattr(events, "LISTED_FOR", 60.0)
    run(scenario())


def test_markup_in_an_address_is_text(tmp_path: Path) -> None:
    def named(made: Daemon) -> rpcb:
        return rpcb(400001, 1, b"local", b"<script>alert(1)</script>", b"1000")

    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            await viewer.next("registry")
            assert made.app.registry.set(named(made))
            (added,) = await viewer.next("added")
            assert added["address"] == "<script>alert(1)</script>"

    run(scenario())
