"""Limits per source: calls in progress of each source of datagrams."""

from __future__ import annotations

import asyncio

import pytest

from oncrpc.aio.limits import Limits
from oncrpc.rpc import Caller
from oncrpc.rpc.per_source import CallsPerSource
from support.loops import run, settle


def caller(host: str, *, port: int = 700, loopback: bool = False) -> Caller:
    return Caller("udp", (host, port, 0), datagram=True, loopback=loopback)


HERE, THERE = caller("192.0.2.1"), caller("192.0.2.2")


async def soon(reply: asyncio.Future[bytes], calls: CallsPerSource, who: Caller) -> bytes:
    return await calls.counted(who, reply)


@pytest.mark.parametrize("ends", ["by an answer", "by a failure", "cancelled"])
def test_a_source_is_full_until_calls_end(ends: str) -> None:
    async def scenario() -> None:
        calls, reply = CallsPerSource(most=2), asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(soon(reply, calls, HERE)) for _ in range(2)]
        assert not calls.full(HERE)
        await settle()
        assert calls.full(HERE)
        assert not calls.full(THERE)

        if ends == "by an answer":
            reply.set_result(b"")
        elif ends == "by a failure":
            reply.set_exception(ZeroDivisionError())
        else:
            tasks[0].cancel()
            tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert not calls.full(HERE)
        assert calls.in_progress == {}

    run(scenario())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (HERE, caller("192.0.2.1", port=701), True),
        (HERE, THERE, False),
        (caller("2001:db8::1"), caller("2001:db8::ffff:2"), True),
        (caller("2001:db8::1"), caller("2001:db8:0:1::1"), False),
        (caller("::1", loopback=True), caller("::2"), False),
    ],
)
def test_a_source_is_an_address_or_network(one: Caller, other: Caller, *, same: bool) -> None:
    async def scenario() -> None:
        calls = CallsPerSource(most=1)
        task = asyncio.create_task(soon(asyncio.Future(), calls, one))
        await settle()
        assert calls.full(other) is same
        task.cancel()
        await settle()

    run(scenario())


def test_four_sources_are_needed_to_fill_an_endpoint() -> None:
    assert 4 * Limits().datagram_calls_per_source <= Limits().datagram_calls
