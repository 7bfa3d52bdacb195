"""``oncrpc.rpc.eager``: coroutines that need no task when they do not wait."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable

import pytest

from oncrpc.rpc.eager import eager


async def at_once(value: int) -> int:
    return value


async def later(value: int) -> int:
    for _ in range(3):
        await asyncio.sleep(0)
    return value


async def failing(*, waits: bool) -> None:
    if waits:
        await asyncio.sleep(0)
    raise FileNotFoundError("gone")


def test_coroutine_that_does_not_wait_returns_its_result() -> None:
    assert eager(at_once(7)) == 7


def test_error_before_any_wait_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        eager(failing(waits=False))


def test_coroutine_that_waits_becomes_an_awaitable() -> None:
    async def main() -> int:
        rest = eager(later(7))
        assert inspect.isawaitable(rest)
        return await rest

    assert asyncio.run(main()) == 7


def test_rest_can_be_a_task() -> None:
    async def main() -> list[int]:
        rests = [eager(later(n)) for n in range(3)]
        return await asyncio.gather(*(r for r in rests if inspect.isawaitable(r)))

    assert asyncio.run(main()) == [0, 1, 2]


def test_error_after_a_wait_reaches_the_awaiter() -> None:
    async def main() -> None:
        rest = eager(failing(waits=True))
        assert inspect.isawaitable(rest)
        with pytest.raises(FileNotFoundError):
            await rest

    asyncio.run(main())


def test_cancelled_rest_cancels_the_coroutine() -> None:
    left = []

    async def waiting(never: Awaitable[None]) -> None:
        try:
            await never
        finally:
            left.append("left")

    async def main() -> None:
        rest = eager(waiting(asyncio.get_running_loop().create_future()))
        assert inspect.isawaitable(rest)
        task = asyncio.ensure_future(rest)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert left == ["left"]


def test_rest_that_is_closed_closes_the_coroutine() -> None:
    left = []

    async def waiting(never: Awaitable[None]) -> None:
        try:
            await never
        finally:
            left.append("left")

    async def main() -> None:
        rest = eager(waiting(asyncio.get_running_loop().create_future()))
        assert inspect.isawaitable(rest)
        steps = rest.__await__()
        next(iter(steps))
        steps.close()

    asyncio.run(main())
    assert left == ["left"]
