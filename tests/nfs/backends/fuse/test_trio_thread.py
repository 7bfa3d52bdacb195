"""``oncrpc.nfs.backends.fuse.trio_thread``."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("trio", reason="not installed: trio")

import trio

from oncrpc.nfs.backends.fuse.trio_thread import TrioThread


async def current() -> threading.Thread:
    await trio.lowlevel.checkpoint()
    return threading.current_thread()


async def failing() -> None:
    raise FileNotFoundError("missing")


def test_calls_run_in_a_loop_of_trio() -> None:
    thread, ended = TrioThread(), list[threading.Thread]()

    async def end() -> None:
        ended.append(await current())

    thread.end = end
    first = asyncio.run(thread.run(current))
    second = asyncio.run(thread.run(current))

    thread.close()
    assert first is second is ended[0] is not threading.current_thread()
    assert not first.is_alive()


def test_waiting_call_does_not_stop_others() -> None:
    thread = TrioThread()

    async def calls() -> None:
        done = trio.Event()

        async def set_done() -> None:
            done.set()

        waiting = asyncio.ensure_future(thread.run(done.wait))
        await thread.run(set_done)
        await waiting

    asyncio.run(calls())
    thread.close()


def test_error_reaches_the_caller() -> None:
    thread = TrioThread()

    with pytest.raises(FileNotFoundError, match="missing"):
        asyncio.run(thread.run(failing))
    thread.close()


def test_caller_that_gives_up_stops_nothing() -> None:
    thread = TrioThread()
    done = trio.Event()

    async def give_up() -> None:
        waiting = asyncio.ensure_future(thread.run(done.wait))
        await thread.run(current)
        waiting.cancel()

    async def set_done() -> None:
        done.set()

    asyncio.run(give_up())
    asyncio.run(thread.run(set_done))
    assert asyncio.run(thread.run(current)).is_alive()
    thread.close()


def test_closed_thread_runs_nothing() -> None:
    thread = TrioThread()
    asyncio.run(thread.run(current))
    thread.close()

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(thread.run(current))
