"""Handlers that are coroutines, but seldom have to wait.

A procedure over a file system is one coroutine, whether the file system answers at once or later.
``eager`` runs it until it waits for something. If it never waits, ``eager`` returns the result, and
no task is made. Otherwise ``eager`` returns an awaitable, which runs the rest.

The first part runs without a task. Code that needs one, such as ``asyncio.timeout``, must be
awaited as a task inside the coroutine (``asyncio.ensure_future``).
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
    """Run a coroutine until it waits: its result if it ended, else an awaitable, to await once."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    return _Rest(coroutine, waits_for)
