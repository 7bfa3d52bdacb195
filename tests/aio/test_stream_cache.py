"""Calls on streams that are answered from the reply cache: same bytes, same counts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.rpc import Call, pure
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.rpc.reply_cache import CallCounter, ReplyCache
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, call
from support.loops import run
from support.streams import send, serving
from support.words import words


class Ledger(ECHO_V1.Service):
    """ECHO is pure, counts its calls, and also returns how often MUCH was called."""

    def __init__(self) -> None:
        self.counter = CallCounter()
        self.generation = 0

    @pure
    def ECHO(self, call: Call, arg: bytes) -> bytes:
        call.count(self.counter)
        return self.generation.to_bytes(4, "big") + arg

    def MUCH(self, call: Call, arg: int) -> bytes:  # of the interface
        self.generation += 1
        return b""


ASKS = call(0, ECHO_V1.ECHO, b"hello")[4:]
CHANGES = call(0, ECHO_V1.MUCH, 0)[4:]
MESSAGES = [
    ASKS, ASKS, CHANGES, call(0, ECHO_V1.NULL)[4:], call(0, ECHO_V1.FAIL)[4:],
    *(call(0, ECHO_V1.ECHO, text)[4:] for text in (b"", b"l" * 600, b"t" * 20_000)),
]  # fmt: skip


async def answers(bursts: Sequence[Sequence[bytes]], *, caching: bool) -> tuple[list[bytes], int]:
    """The replies to calls that are sent in bursts, and what was counted."""
    ledger = Ledger()
    cache = ReplyCache(ledger)
    answering = Dispatcher([ledger], clock=ManualClock(), reply_cache=cache if caching else None)
    found = list[bytes]()
    async with serving(answering=answering) as server:
        client = await server.connect()
        for number, burst in enumerate(bursts):
            calls = [words(number << 8 | at) + message for at, message in enumerate(burst)]
            await send(client, b"".join(map(encode_record, calls)))
            found += await records(client, len(calls))
    cache.settle()
    return found, ledger.counter.count


async def records(client: socket.socket, count: int) -> list[bytes]:
    """The next records."""
    loop, reader, found = asyncio.get_running_loop(), RecordReader(), list[bytes]()
    while len(found) < count:
        reader.feed(await loop.sock_recv(client, 1 << 20))
        found += reader.records()
    return found


@pytest.mark.slow
@given(st.lists(st.lists(st.sampled_from(MESSAGES), max_size=50), max_size=4))
def test_cached_replies_are_those_of_the_service(
    bursts: Sequence[Sequence[bytes]],
) -> None:
    async def scenario() -> None:
        cached = await answers(bursts, caching=True)
        assert cached == await answers(bursts, caching=False)

    run(scenario())


def test_later_calls_of_a_burst_see_a_change() -> None:
    async def scenario() -> None:
        found, _ = await answers([[ASKS], [ASKS, CHANGES, ASKS, ASKS]], caching=True)
        told = [int.from_bytes(reply[28:32], "big") for reply in found if len(reply) > 28]
        assert told == [0, 0, 1, 1]

    run(scenario())
