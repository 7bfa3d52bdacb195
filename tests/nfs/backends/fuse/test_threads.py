"""``oncrpc.nfs.backends.fuse.threads``."""

from __future__ import annotations

import asyncio
import threading

import pytest

from oncrpc.nfs.backends.fuse.threads import AsyncioThread


async def current() -> threading.Thread:
    return threading.current_thread()


async def failing() -> None:
    raise FileNotFoundError("missing")


def test_calls_run_in_one_other_thread() -> None:
    thread, ended = AsyncioThread(), list[threading.Thread]()

    async def end() -> None:
        ended.append(threading.current_thread())

    thread.end = end

    async def calls() -> list[threading.Thread]:
        return [await thread.run(current), await thread.run(current)]

    first, second = asyncio.run(calls())
    thread.close()
    assert first is second is ended[0] is not threading.current_thread()
    assert not first.is_alive()


def test_error_reaches_the_caller() -> None:
    thread = AsyncioThread()

    with pytest.raises(FileNotFoundError, match="missing"):
        asyncio.run(thread.run(failing))
    thread.close()


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt])
def test_exit_of_an_object_ends_no_thread(ending: type[BaseException]) -> None:
    thread = AsyncioThread()

    async def leaving() -> None:
        raise ending

    async def calls() -> threading.Thread:
        with pytest.raises(RuntimeError, match=f"raised {ending.__name__}"):
            await thread.run(leaving)
        return await thread.run(current)

    assert asyncio.run(calls()).name == "fuse"
    thread.close()


def test_object_that_fails_to_start_is_reported() -> None:
    thread = AsyncioThread()
    thread.begin = failing

    for _ in range(2):
        with pytest.raises(RuntimeError, match="could not be started") as raised:
            asyncio.run(thread.run(current))
        assert isinstance(raised.value.__cause__, FileNotFoundError)
    thread.close()


def test_closed_thread_runs_nothing() -> None:
    thread = AsyncioThread()
    thread.close()

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(thread.run(current))
