"""The share that each source of datagrams has of the calls under way."""

from __future__ import annotations

import asyncio

import pytest

from oncrpc.aio.udp import MAX_WAITING
from oncrpc.rpc import Call, Caller
from oncrpc.rpc.per_source import MAX_PER_SOURCE, Shares
from support.answering import TCP, Odd, called, serving
from support.loops import run, settle
from support.words import words


def caller(host: str, *, port: int = 700, loopback: bool = False) -> Caller:
    return Caller("udp", (host, port, 0), datagram=True, loopback=loopback)


HERE, THERE = caller("192.0.2.1"), caller("192.0.2.2")


async def soon(reply: asyncio.Future[bytes], shares: Shares, who: Caller) -> bytes:
    return await shares.counted(who, reply)


@pytest.mark.parametrize("ends", ["by an answer", "by a failure", "cancelled"])
def test_a_share_is_spent_while_so_many_calls_are_under_way(ends: str) -> None:
    async def scenario() -> None:
        shares, reply = Shares(most=2), asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(soon(reply, shares, HERE)) for _ in range(2)]
        assert not shares.spent(HERE)
        await settle()
        assert shares.spent(HERE)
        assert not shares.spent(THERE)

        if ends == "by an answer":
            reply.set_result(b"")
        elif ends == "by a failure":
            reply.set_exception(ZeroDivisionError())
        else:
            tasks[0].cancel()
            tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert not shares.spent(HERE)
        assert shares.under_way == {}

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
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(
    one: Caller, other: Caller, *, same: bool
) -> None:
    async def scenario() -> None:
        shares = Shares(most=1)
        task = asyncio.create_task(soon(asyncio.Future(), shares, one))
        await settle()
        assert shares.spent(other) is same
        task.cancel()
        await settle()

    run(scenario())


def test_four_sources_are_needed_to_have_all_calls_under_way() -> None:
    assert 4 * MAX_PER_SOURCE <= MAX_WAITING


def test_of_one_source_only_its_share_of_slow_calls_begins_and_others_are_served() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def slow(call: Call, arg: int) -> int:
            await go.wait()
            return arg

        dispatcher = serving(Odd(slow))

        def begin(who: Caller, argument: int) -> list[asyncio.Future[bytes | None]]:
            reply = dispatcher.handle(called(1, words(argument)), who)
            return [] if isinstance(reply, bytes | None) else [asyncio.ensure_future(reply)]

        greedy = [call for number in range(1000) for call in begin(HERE, number)]
        assert len(greedy) == MAX_PER_SOURCE
        others = [call for who in (THERE, TCP) for call in begin(who, 1)]
        go.set()
        replies = await asyncio.gather(*others)
        assert [reply and reply[-4:] for reply in replies] == [words(1), words(1)]
        await asyncio.wait(greedy)
        assert [await call for call in begin(HERE, 7)] != []

    run(scenario())
