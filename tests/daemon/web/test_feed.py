"""The viewers of server-sent events."""

from __future__ import annotations

import asyncio

import pytest

from oncrpc.daemon.web import feed as module
from oncrpc.daemon.web.content import event
from oncrpc.daemon.web.feed import MAX_VIEWERS, MAX_WAITING, RECONNECT, Feed, Viewer
from support.loops import run, settle
from support.web_serving import CountedEvents, SomeContent, fetch, served, watching


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll the source continuously."""
    monkeypatch.setattr(module, "TICK", 0.005)


def ignore() -> None:
    """Do not end a connection."""


async def joined(feed: Feed) -> Viewer:
    viewer = await feed.join("192.0.2.1", ignore)
    assert viewer is not None
    return viewer


def test_the_first_event_is_the_snapshot() -> None:
    async def scenario() -> bytes:
        feed = Feed(CountedEvents())
        viewer = await joined(feed)
        first = await viewer.next()
        await feed.close()
        return first

    assert run(scenario()) == RECONNECT + event("snapshot", 0)


def test_every_viewer_gets_every_later_event() -> None:
    async def scenario() -> list[bytes]:
        source = CountedEvents()
        feed = Feed(source)
        viewers = [await joined(feed), await joined(feed)]
        for each in viewers:
            await each.next()
        source.waiting = [b"1", b"2"]
        found = [await each.next() for each in viewers for _ in range(2)]
        await feed.close()
        return found

    assert run(scenario()) == [b"1", b"2", b"1", b"2"]


def test_changes_before_a_snapshot_go_to_others() -> None:
    async def scenario() -> None:
        source = CountedEvents()
        feed = Feed(source)
        before = await joined(feed)
        await before.next()
        source.waiting = [b"added"]
        after = await joined(feed)
        assert await before.next() == b"added"
        assert (await after.next()).startswith(RECONNECT + b"event: snapshot")
        source.waiting = [b"later"]
        assert await after.next() == b"later"
        await feed.close()

    run(scenario())


def test_source_is_idle_without_viewers() -> None:
    async def scenario() -> None:
        source = CountedEvents()
        feed = Feed(source)
        viewer = await joined(feed)
        assert feed.running
        feed.leave(viewer)
        feed.leave(viewer)
        await settle()
        assert (len(feed), feed.running) == (0, False)
        await joined(feed)
        assert (feed.running, source.begun) == (True, 2)
        await feed.close()

    run(scenario())


def test_too_many_viewers_are_refused() -> None:
    async def scenario() -> None:
        async with served() as place, asyncio.TaskGroup() as group:
            entered, leave = asyncio.Semaphore(0), asyncio.Event()

            async def watch(number: int) -> None:
                async with watching(place, source=f"127.0.0.{1 + number % 4}") as viewer:
                    await viewer.next("snapshot")
                    entered.release()
                    await leave.wait()

            for number in range(MAX_VIEWERS):
                group.create_task(watch(number))
            for _ in range(MAX_VIEWERS):
                await entered.acquire()
            assert (await fetch(place, "/api/events")).status == 503
            leave.set()

    run(scenario())


def test_slow_viewer_is_dropped() -> None:
    dropped: list[bool] = []
    viewer = Viewer(lambda: dropped.append(True))

    for _ in range(MAX_WAITING):
        viewer.send(b"")
    assert not dropped

    viewer.send(b"")
    assert dropped


def test_leaving_viewer_makes_room() -> None:
    async def scenario() -> None:
        async with served() as place:
            for _ in range(MAX_VIEWERS + 2):
                async with watching(place) as viewer:
                    await viewer.next("snapshot")

    run(scenario())


def test_viewers_end_with_the_server() -> None:
    async def scenario() -> bool:
        async with served(SomeContent()) as place:
            opened = watching(place)
            viewer = await opened.__aenter__()
            await viewer.next("snapshot")
        ended = await viewer.ended()
        viewer.writer.close()
        return ended

    assert run(scenario())
