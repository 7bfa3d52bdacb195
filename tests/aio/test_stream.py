"""Record-marked connections: what they answer, and what is under way at once."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.aio.connections import SLICE, Turns
from oncrpc.aio.limits import Limits
from oncrpc.aio.stream import Connection
from oncrpc.rpc.record import MAX_FRAGMENTS, encode_record
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, call, record
from support.loops import run, settle, until
from support.streams import ended, receive, send, serving
from support.words import words


def test_a_call_is_answered_in_a_record() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(7, ECHO_V1.ECHO, b"hello"))
            data = await asyncio.get_running_loop().sock_recv(client, 1000)
            assert data == words(0x80000000 | 36, 7, 1, 0, 0, 0, 0, 5, b"hello\0\0\0")

    run(scenario())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3 * 60), max_size=12), st.lists(st.integers(0, 60), max_size=6))
def test_any_cutting_of_records_gives_the_same_replies(cuts: list[int], at: list[int]) -> None:
    message = call(1, ECHO_V1.ECHO, b"twelve bytes")
    places = sorted({place for place in at if place <= len(message)})
    pieces = [message[i:j] for i, j in zip([0, *places], [*places, len(message)], strict=True)]
    fragments = b"".join(words(len(piece), piece) for piece in pieces[:-1])
    wire = fragments + encode_record(pieces[-1]) + record(2, ECHO_V1.NULL)
    ends = sorted({end for end in cuts if end < len(wire)})

    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i, j in zip([0, *ends], [*ends, len(wire)], strict=True):
                await send(client, wire[i:j])
                await settle(3)
            assert await receive(client, 2) == [1, 2]

    run(scenario())


def test_pipelined_calls_are_answered_as_they_finish() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.LATER, b"") + record(2, ECHO_V1.NULL))
            assert await receive(client, 1) == [2]
            server.echo.go.set()
            assert await receive(client, 1) == [1]

    run(scenario())


def test_many_pipelined_calls_are_all_answered_and_others_in_between() -> None:
    async def scenario() -> None:
        async with serving() as server:
            busy, other = await server.connect(), await server.connect()
            many = 300
            await send(busy, b"".join(record(xid, ECHO_V1.NULL) for xid in range(many)))
            await send(other, record(1, ECHO_V1.NULL))
            assert await receive(other, 1) == [1]
            assert await receive(busy, many) == list(range(many))

    run(scenario())


def test_records_of_many_small_fragments_are_a_turn_each() -> None:
    small = words(0) * (MAX_FRAGMENTS - 1) + record(1, ECHO_V1.NULL)

    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            connection = server.connection()
            connection.data_received(small * 3)
            assert connection.waiting
            assert connection.reader.joined == MAX_FRAGMENTS
            assert await receive(client, 3) == [1, 1, 1]

    run(scenario())


class Busy:
    """A connection that always has one more call, which takes a while."""

    def __init__(self, clock: ManualClock, calls: int, source: str) -> None:
        self.clock, self.calls, self.turns = clock, calls, 0
        self.source = source

    def take_turn(self) -> bool:
        """One call."""
        self.turns += 1
        self.clock.advance(0.001)
        return self.turns < self.calls


def test_connections_take_turns_a_call_each_and_stop_after_a_slice_of_time() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        turns = Turns(clock)
        busy, brief = Busy(clock, 100, "192.0.2.1"), Busy(clock, 1, "192.0.2.1")
        turns.add(cast(Connection, busy))
        turns.add(cast(Connection, brief))

        await asyncio.sleep(0)

        assert brief.turns == 1
        assert busy.turns + brief.turns == pytest.approx(SLICE / 0.001, abs=1.1)
        while busy.turns < 100:
            await asyncio.sleep(0)

    run(scenario())


def test_a_turn_is_a_sources_however_many_connections_it_has() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        turns = Turns(clock)
        greedy = [Busy(clock, 2, "192.0.2.1") for _ in range(50)]
        brief = Busy(clock, 2, "192.0.2.2")
        for connection in (*greedy, brief):
            turns.add(cast(Connection, connection))

        await asyncio.sleep(0)

        assert brief.turns == 2
        assert sum(connection.turns for connection in greedy) < 5
        while sum(connection.turns for connection in greedy) < 100:
            await asyncio.sleep(0)
        assert {connection.turns for connection in greedy} == {2}

    run(scenario())


def test_a_connection_that_ends_while_it_waits_for_its_turn_has_none_and_keeps_nothing() -> None:
    async def scenario() -> None:
        async with serving() as server:
            await server.connect()
            connection, other = server.connection(), await server.connect()
            server.pool.turns.hold()
            connection.data_received(record(1, ECHO_V1.ECHO, bytes(1000)))
            await send(other, record(2, ECHO_V1.NULL))
            assert connection.waiting
            connection.end("for the test")
            assert connection.reader.held == 0
            server.pool.turns.go_on()
            assert await receive(other, 1) == [2]
            assert server.echo.callers == []

    run(scenario())


def test_a_client_that_has_sent_all_still_gets_its_replies() -> None:
    async def scenario() -> None:
        async with serving(Limits(calls=64)) as server:
            client = await server.connect()
            calls = b"".join(record(xid, ECHO_V1.LATER, b"") for xid in range(200))
            await send(client, calls)
            client.shutdown(socket.SHUT_WR)
            await until(lambda: server.echo.waiting == 64)
            await settle()
            assert server.echo.waiting == 64
            server.echo.go.set()
            assert sorted(await receive(client, 200)) == list(range(200))
            assert await ended(client)
            await until(lambda: not server.pool.connections)

    run(scenario())


def test_a_client_that_has_sent_all_and_waits_for_nothing_is_let_go() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.NULL))
            client.shutdown(socket.SHUT_WR)
            assert await receive(client, 1) == [1]
            assert await ended(client)

    run(scenario())


@pytest.mark.parametrize(
    "wire",
    [
        words(0x80000000 | 1001),
        words(600) + bytes(600) + words(0x80000000 | 401),
        words(0) * 1025,
        encode_record(b"abc"),
        encode_record(words(1, 1, 0, 0, 0, 0)),
    ],
    ids=["one-fragment", "two-fragments", "many-fragments", "short", "reply"],
)
def test_what_is_no_record_or_no_call_ends_the_connection_alone(wire: bytes) -> None:
    async def scenario() -> None:
        async with serving(Limits(record=1000)) as server:
            bad, good = await server.connect(), await server.connect()
            await send(bad, wire)
            assert await ended(bad)
            await send(good, record(1, ECHO_V1.NULL))
            assert await receive(good, 1) == [1]

    run(scenario())


def test_a_bug_in_a_handler_does_not_end_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.FAIL) + record(2, ECHO_V1.NULL))
            assert await receive(client, 2) == [1, 2]

    run(scenario())
    assert "FAIL failed" in caplog.text


def test_calls_under_way_are_bounded() -> None:
    async def scenario() -> None:
        async with serving(Limits(calls=2)) as server:
            client = await server.connect()
            await send(client, b"".join(record(xid, ECHO_V1.LATER, b"") for xid in range(5)))
            await until(lambda: server.echo.waiting == 2)
            await settle()
            assert server.echo.waiting == 2
            assert not server.connection().stream.reading
            server.echo.go.set()
            assert await receive(client, 5) == [0, 1, 2, 3, 4]
            await until(lambda: server.connection().stream.reading)

    run(scenario())


def test_a_client_that_does_not_read_is_not_read_from_until_it_does() -> None:
    async def scenario() -> None:
        async with serving(Limits(unread=1 << 16)) as server:
            client = await server.connect()
            calls = b"".join(record(xid, ECHO_V1.MUCH, 1 << 20) for xid in range(12))
            await send(client, calls)
            await until(lambda: server.connection().blocked)
            assert not server.connection().stream.reading
            assert len(server.connection().stream.unsent) < 2 << 20
            assert list(server.pool.not_reading) == [server.connection()]
            assert await receive(client, 12) == list(range(12))
            assert not server.pool.not_reading
            assert server.connection().stream.reading

    run(scenario())


def test_of_those_that_do_not_read_the_first_goes_when_the_replies_are_too_many() -> None:
    async def scenario() -> None:
        async with serving(Limits(unread=1 << 16, unread_by_all=20 << 20)) as server:
            clients = [await server.connect() for _ in range(2)]
            first, second = list(server.pool.connections)
            await send(clients[0], record(1, ECHO_V1.MUCH, 18 << 20))
            await until(lambda: first.blocked)
            assert not first.lost.done()
            await send(clients[1], record(1, ECHO_V1.MUCH, 18 << 20))
            await until(lambda: first.lost.done())
            assert list(server.pool.connections) == [second]
            assert second.blocked

    run(scenario())


def test_a_reset_while_replies_are_on_their_way_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, b"".join(record(xid, ECHO_V1.LATER, b"") for xid in range(20)))
            await until(lambda: server.echo.waiting == 20)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            client.close()
            await until(lambda: not server.pool.connections)
            await until(lambda: server.echo.cancelled == 20)

    run(scenario())
    assert caplog.messages == []


def test_a_reset_is_seen_though_nothing_is_read_since_so_many_calls_are_under_way() -> None:
    async def scenario() -> None:
        async with serving(Limits(calls=2)) as server:
            client = await server.connect()
            await send(client, b"".join(record(xid, ECHO_V1.LATER, b"") for xid in range(4)))
            await until(lambda: server.echo.waiting == 2)
            await settle()
            assert not server.connection().stream.reading
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            client.close()
            await until(lambda: not server.pool.connections)
            await until(lambda: server.echo.cancelled == 2)

    run(scenario())


def test_after_a_failed_write_no_further_call_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            connection = server.connection()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            client.close()
            calls = b"".join(
                record(xid, ECHO_V1.ECHO, b"") for xid in range(4 * Limits().batch_calls)
            )
            connection.data_received(calls)
            assert len(server.echo.callers) <= 2 * Limits().batch_calls
            await until(lambda: connection.lost.done())

    run(scenario())
    assert caplog.messages == []


def test_a_reply_that_is_ready_when_the_connection_is_over_is_not_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            connection = server.connection()
            connection.end("for the test")
            for _ in range(10):
                connection._send([bytes(28)])
            assert await ended(client)

    run(scenario())
    assert caplog.messages == []


def test_replies_too_few_to_be_counted_are_within_the_bound_of_all_together() -> None:
    limits = Limits()

    assert limits.connections * limits.unread <= limits.unread_by_all
