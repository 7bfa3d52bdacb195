"""Handlers written as coroutines that mostly need not wait.

A procedure over a file system is written once, as a coroutine, whether the file system answers at
once or later. If it answers at once, the coroutine ends when it is first resumed, and no task is
made: ``eager`` returns the result. Otherwise it returns an awaitable of the rest.

The first part runs outside of any task, so a coroutine that needs one, say for ``asyncio.timeout``,
has to be awaited as a task within it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

R = TypeVar("R")


class _Rest(Awaitable[R]):
    """The rest of a coroutine that has begun, and the object that it waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, R], waits_for: Any) -> None:
        self._coroutine, self._waits_for = coroutine, waits_for

    def __await__(self) -> Generator[Any, Any, R]:
        coroutine, waits_for = self._coroutine, self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:
                    waits_for = coroutine.throw(error)
                else:
                    waits_for = coroutine.send(sent)
        except StopIteration as end:
            result: R = end.value
            return result


def eager(coroutine: Coroutine[Any, Any, R]) -> R | Awaitable[R]:
    """Begin a coroutine: its result if it has ended, else an awaitable, to be awaited once."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    return _Rest(coroutine, waits_for)
