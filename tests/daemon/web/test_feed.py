"""The events: everything first, then the differences, and how many calls there were."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oncrpc.aio.link import dial
from oncrpc.daemon.web import feed as events
from oncrpc.daemon.web.feed import MAX_VIEWERS, MAX_WAITING, Feed, Viewer, event
from oncrpc.portmap.daemon import Daemon
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from support.loops import run
from support.serving import serving, stateful
from support.web_serving import fetch, showing, watching

NFS = rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens is told at once."""
    monkeypatch.setattr(events, "TICK", 0.005)
    monkeypatch.setattr(events, "SECOND", 0.02)
    monkeypatch.setattr(events, "LOOK", 0.02)


def test_whoever_watches_is_told_of_everything_and_then_of_differences(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            assert b"Content-Type: text/event-stream" in viewer.head
            told = await viewer.next("registry")
            assert told["registered"] == len(told["registrations"]) == len(made.registry)
            made.registry.set(NFS)
            (added,) = await viewer.next("added")
            assert (added["program"], added["name"], added["netid"]) == (100003, "nfs", "tcp")
            made.registry.drop(NFS)
            assert await viewer.next("removed") == [
                {"program": 100003, "name": "nfs", "version": 3, "netid": "tcp"}
            ]

    run(scenario())


def test_another_address_is_a_change(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made:
            made.registry.set(NFS)
            async with watching(made) as viewer:
                await viewer.next("registry")
                made.registry.drop(NFS)
                made.registry.set(rpcb(100003, 3, b"tcp", b"0.0.0.0.8.2", b"superuser"))
                (changed,) = await viewer.next("changed")
                assert changed["address"] == "0.0.0.0.8.2"

    run(scenario())


def test_what_was_called_is_told_every_second(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            await viewer.next("registry")
            (path, *_) = made.config.sockets
            link = await dial("local", path, 0)
            await RPCBVERS4.Client(link).RPCBPROC_GETTIME()
            while not (told := await viewer.next("rates"))["procedures"]:
                assert told["calls"] == 0
            link.close()
            (called,) = told["procedures"]
            assert (called["version"], called["procedure"]) == (4, "GETTIME")
            assert told["calls"] == called["rate"] > 0
            assert (told["connections"], told["registered"]) == (1, len(made.registry))

    run(scenario())


def test_nothing_is_worked_out_while_nobody_watches(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)) as made:
            feed = Feed(made)
            viewer = await feed.join(lambda: None)
            assert viewer is not None
            task = feed._task
            assert task is not None
            feed.leave(viewer)
            feed.leave(viewer)
            await asyncio.wait([task])
            assert task.cancelled()
            assert len(feed) == 0
            again = await feed.join(lambda: None)
            assert again is not None
            assert feed._task is not task
            await feed.close()

    run(scenario())


def test_the_list_is_worked_out_once_a_second_unless_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with serving(stateful(tmp_path)) as made:
            feed = Feed(made)
            first = feed.listing()
            assert feed.listing() is first
            made.registry.set(NFS)
            second = feed.listing()
            assert second != first
            monkeypatch.setattr(events, "SECOND", 0.0)
            made.registry.drop(NFS)
            assert feed.listing() is not feed.listing()

    monkeypatch.setattr(events, "SECOND", 60.0)
    run(scenario())


def test_more_than_so_many_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made, asyncio.TaskGroup() as group:
            entered, leave = asyncio.Semaphore(0), asyncio.Event()

            async def watch() -> None:
                async with watching(made) as viewer:
                    await viewer.next("registry")
                    entered.release()
                    await leave.wait()

            for _ in range(MAX_VIEWERS):
                group.create_task(watch())
            for _ in range(MAX_VIEWERS):
                await entered.acquire()
            assert (await fetch(made, "/api/events")).status == 503
            leave.set()

    run(scenario())


def test_who_reads_too_slowly_is_dropped() -> None:
    dropped: list[bool] = []
    viewer = Viewer(lambda: dropped.append(True))

    for _ in range(MAX_WAITING):
        viewer.tell(b"")
    assert not dropped

    viewer.tell(b"")
    assert dropped


def test_who_goes_makes_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made:
            for _ in range(MAX_VIEWERS + 2):
                async with watching(made) as viewer:
                    await viewer.next("registry")

    run(scenario())


def test_the_end_of_the_daemon_is_the_end_of_the_events(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with showing(tmp_path) as made:
            opened = watching(made)
            viewer = await opened.__aenter__()
            await viewer.next("registry")
        try:
            while await viewer.reader.readline():
                pass
        except ConnectionResetError:
            pass
        viewer.writer.close()

    run(scenario())


def test_an_event_is_one_line_of_data_whatever_it_says() -> None:
    assert event("added", ["a\r\nevent: b\n\n"]) == (
        b'event: added\ndata: ["a\\r\\nevent: b\\n\\n"]\n\n'
    )


def test_a_name_that_is_markup_is_only_text(tmp_path: Path) -> None:
    """The page makes text of it; here it is only not a reason to fail."""

    def named(made: Daemon) -> rpcb:
        return rpcb(400001, 1, b"local", b"<script>alert(1)</script>", b"1000")

    async def scenario() -> None:
        async with showing(tmp_path) as made, watching(made) as viewer:
            await viewer.next("registry")
            assert made.registry.set(named(made))
            (added,) = await viewer.next("added")
            assert added["address"] == "<script>alert(1)</script>"

    run(scenario())
