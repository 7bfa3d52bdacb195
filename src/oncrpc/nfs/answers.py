"""Answers of back ends, which may come later."""

from __future__ import annotations

import asyncio
import inspect
from typing import TypeVar

from oncrpc.nfs.filesystem import Answer

R = TypeVar("R")


async def settled(answer: Answer[R]) -> R:
    """The answer, awaited if it has to be.

    An awaitable runs in a task of its own, since this coroutine may run without one
    (``oncrpc.rpc.eager``), and ``asyncio.timeout`` in a back end needs one.
    """
    if inspect.isawaitable(answer):
        return await asyncio.ensure_future(answer)
    return answer
