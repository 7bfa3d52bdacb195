"""``oncrpc.nfs.answers``: results of back ends, at once or later."""

from __future__ import annotations

import asyncio
import inspect

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import Answer
from oncrpc.rpc.eager import eager


async def with_timeout() -> bytes:
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    return b"later"


def test_plain_answer_needs_no_event_loop() -> None:
    assert eager(settled(b"now")) == b"now"


def test_coroutine_of_a_back_end_may_use_timeouts() -> None:
    async def main() -> bytes:
        answer: Answer[bytes] = with_timeout()
        rest = eager(settled(answer))
        assert inspect.isawaitable(rest)
        return await rest

    assert asyncio.run(main()) == b"later"
