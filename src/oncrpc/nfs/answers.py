"""Answers of back ends, which may come later."""

from __future__ import annotations

import asyncio
import inspect
from typing import TypeVar

from oncrpc.nfs.filesystem import Answer

R = TypeVar("R")


async def settled(answer: Answer[R]) -> R:
    """The answer, awaited if it has to be.

    A coroutine becomes a task of its own: it may use ``asyncio.timeout``, and this coroutine may
    have begun outside of any task (``oncrpc.rpc.eager``).
    """
    if inspect.isawaitable(answer):
        return await asyncio.ensure_future(answer)
    return answer
