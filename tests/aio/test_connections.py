"""The connections of a server together: whose memory is taken back, and who makes room for whom."""

from __future__ import annotations

import asyncio
import socket

import pytest

from oncrpc.aio.limits import Limits
from support.echo import ECHO_V1, record
from support.loops import run, settle, until
from support.streams import Serving, answered, connect_from, ended, receive, send, serving

KIB = 1 << 10
GREEDY = "127.0.0.2"
"""The address of a peer that takes what it can."""


def half(size: int) -> bytes:
    """So many bytes of a record that is twice as long."""
    return record(1, ECHO_V1.ECHO, bytes(2 * size))[:size]


async def hold(server: Serving, client: socket.socket, size: int) -> None:
    """Have the server hold so many bytes of a record of the client's, and no more of it arrive."""
    connection = next(
        c for c in server.pool.connections if c.caller.port == client.getsockname()[1]
    )
    await send(client, half(size))
    await until(lambda: connection.unanswered == size or connection.is_lost)


async def keep_busy(server: Serving, client: socket.socket) -> None:
    """Have a call under way that ends when the test says so."""
    before = server.echo.waiting
    await send(client, record(1, ECHO_V1.LATER, b""))
    await until(lambda: server.echo.waiting > before)


async def refused(server: Serving) -> bool:
    """Whether a new connection is ended at once."""
    client = server.client()
    await asyncio.get_running_loop().sock_connect(client, server.address)
    return await ended(client)


def test_the_greediest_connection_is_ended() -> None:
    async def scenario() -> None:
        async with serving(Limits(unanswered_by_all=100 * KIB)) as server:
            honest = await server.connect()
            await hold(server, honest, 30 * KIB)
            greedy = [await connect_from(server, GREEDY) for _ in range(3)]
            await hold(server, greedy[0], 25 * KIB)
            await hold(server, greedy[1], 20 * KIB)
            await hold(server, greedy[2], 24 * KIB)
            assert len(server.pool.connections) == 4
            await send(greedy[2], bytes(2 * KIB))

            assert await ended(greedy[2])
            assert len(server.pool.connections) == 3
            await send(honest, record(1, ECHO_V1.ECHO, bytes(60 * KIB))[30 * KIB :])
            assert await receive(honest, 1) == [1]

    run(scenario())


def test_many_small_pieces_spare_a_long_record() -> None:
    async def scenario() -> None:
        async with serving(Limits(unanswered_by_all=100 * KIB)) as server:
            honest = await server.connect()
            await hold(server, honest, 40 * KIB)
            for _ in range(30):
                await hold(server, await connect_from(server, GREEDY), 4 * KIB)
            await settle()

            assert sum(server.pool.unanswered.values()) <= 100 * KIB
            assert len(server.pool.connections) == 1 + 15
            await send(honest, record(1, ECHO_V1.ECHO, bytes(80 * KIB))[40 * KIB :])
            assert await receive(honest, 1) == [1]

    run(scenario())


def test_a_single_connection_has_its_own_limits() -> None:
    async def scenario() -> None:
        async with serving(Limits(unanswered_by_all=1 * KIB)) as server:
            client = await server.connect()
            await hold(server, client, 30 * KIB)
            await send(client, record(1, ECHO_V1.ECHO, bytes(60 * KIB))[30 * KIB :])
            assert await receive(client, 1) == [1]

    run(scenario())


@pytest.mark.parametrize("size", [0, 200 * KIB])
def test_of_calls_that_were_answered_nothing_is_held(size: int) -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.ECHO, bytes(size)))
            assert await receive(client, 1) == [1]
            await settle()
            assert server.connection().reader.held == 0
            assert server.pool.unanswered == {}

    run(scenario())


def test_an_ended_connection_is_not_counted() -> None:
    async def scenario() -> None:
        async with serving(Limits(unanswered_by_all=50 * KIB)) as server:
            for _ in range(3):
                client = await server.connect()
                await hold(server, client, 40 * KIB)
                client.close()
                await until(lambda: not server.pool.connections)
            assert server.pool.unanswered == {}

    run(scenario())


def test_calls_under_way_count_until_they_are_answered() -> None:
    async def scenario() -> None:
        async with serving(Limits(unanswered_by_all=50 * KIB)) as server:
            greedy = await connect_from(server, GREEDY)
            await send(greedy, record(1, ECHO_V1.LATER, bytes(40 * KIB)))
            await until(lambda: server.echo.waiting)
            assert next(iter(server.pool.unanswered.values())) > 40 * KIB
            await hold(server, await server.connect(), 20 * KIB)

            assert await ended(greedy)
            await until(lambda: server.echo.cancelled == 1)
            server.echo.go.set()
            other = await server.connect()
            await send(other, record(2, ECHO_V1.LATER, b""))
            assert await receive(other, 1) == [2]
            await until(lambda: len(server.pool.unanswered) == 1)

    run(scenario())


def test_large_calls_in_progress_stop_reading() -> None:
    async def scenario() -> None:
        async with serving(Limits(call_bytes=50 * KIB)) as server:
            client = await server.connect()
            long = b"".join(record(xid, ECHO_V1.LATER, bytes(30 * KIB)) for xid in range(5))
            await send(client, long)
            await until(lambda: server.echo.waiting == 2)
            await settle()
            assert server.echo.waiting == 2
            assert not server.connection().stream.reading
            server.echo.go.set()
            assert await receive(client, 5) == [0, 1, 2, 3, 4]

    run(scenario())


def test_a_full_pool_evicts_of_the_largest_source() -> None:
    async def scenario() -> None:
        async with serving(Limits(connections=5)) as server:
            greedy = [await connect_from(server, GREEDY) for _ in range(5)]
            for client in greedy:
                await keep_busy(server, client)
            first, second = await server.connect(), await server.connect()

            assert await ended(greedy[0])
            assert await ended(greedy[1])
            await until(lambda: server.echo.cancelled == 2)
            assert await answered(first, second)
            for client in (first, second):
                await keep_busy(server, client)
            assert await refused(server)

    run(scenario())


def test_the_largest_source_goes_before_silent_ones() -> None:
    async def scenario() -> None:
        async with serving(Limits(connections=4)) as server:
            silent = await server.connect()
            greedy = [await connect_from(server, GREEDY) for _ in range(3)]
            await answered(*greedy)
            newcomer = await connect_from(server, "127.0.0.3")

            assert await ended(greedy[0])
            assert await answered(silent, newcomer, *greedy[1:])

    run(scenario())


def test_endless_calls_lose_their_place_in_time() -> None:
    async def scenario() -> None:
        async with serving(Limits(connections=2, call_time=30)) as server:
            first, second = await server.connect(), await connect_from(server, GREEDY)
            for client in (first, second):
                await keep_busy(server, client)
            server.clock.advance(30)
            assert await refused(server)
            server.clock.advance(0.1)
            third = await server.connect()

            assert await ended(first)
            assert await answered(third)

    run(scenario())


def test_a_full_source_returns_when_calls_are_old() -> None:
    async def scenario() -> None:
        async with serving(Limits(per_source=1, call_time=30)) as server:
            gone = await server.connect()
            await keep_busy(server, gone)
            server.clock.advance(31)
            back = await server.connect()

            assert await ended(gone)
            await until(lambda: server.echo.cancelled == 1)
            assert await answered(back)

    run(scenario())
