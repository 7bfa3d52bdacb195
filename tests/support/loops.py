"""Runs coroutines on asyncio, uvloop or a manual clock; waits for conditions without sleeping."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import pytest

from oncrpc.testing import ManualClock

P = ParamSpec("P")
T = TypeVar("T")
LOOPS = ("asyncio", "uvloop")
"""The event loops that the daemon supports, by name."""

DEADLINE = 10.0
"""Real seconds after which a test that waits has failed."""


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers follow a manual clock; sockets work as usual."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        super().__init__()

    def time(self) -> float:
        """The clock's time."""
        return self._clock()


def run_by(clock: ManualClock, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop with that clock."""
    with asyncio.Runner(loop_factory=lambda: ManualLoop(clock)) as runner:
        return runner.run(main)


def run_on(loop: str, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on one of the loops that the daemon runs on; skip the test without it."""
    if loop == "asyncio":
        return asyncio.run(main)
    try:
        from uvloop import new_event_loop
    except ImportError:
        main.close()
        pytest.skip("uvloop is not installed")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


def run(main: Coroutine[Any, Any, T], *, on: str = LOOPS[0]) -> T:
    """Run a coroutine on a loop; fail if it takes too long, or if a callback raised."""

    async def bounded() -> T:
        raised: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: raised.append(context))
        async with asyncio.timeout(DEADLINE):
            result = await main
        assert raised == []
        return result

    return run_on(on, bounded())


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine, which ``run`` runs."""

    @functools.wraps(test)
    def runs(*arguments: P.args, **options: P.kwargs) -> None:
        run(test(*arguments, **options))

    return runs


async def settle(times: int = 10) -> None:
    """Run the callbacks that are ready."""
    for _ in range(times):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Turn the loop until the condition holds."""
    while not condition():
        await asyncio.sleep(0)
