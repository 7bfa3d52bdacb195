"""Running a conversation to its end without an event loop.

The conversations of this package are coroutines over a link. Over a blocking link, which does its
work within ``await``, such a coroutine never suspends: it ends when it is first resumed.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a conversation over blocking links to its end.

    Raises:
        TypeError: the coroutine waits for something else.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise TypeError("the coroutine awaits something that does not block")
