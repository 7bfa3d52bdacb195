"""Record-marked connections: what they answer, and what is under way at once."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.aio.connections import SLICE, FairQueue
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


def test_others_are_served_between_many_pipelined_calls() -> None:
    async def scenario() -> None:
        async with serving() as server:
            busy, other = await server.connect(), await server.connect()
            many = 300
            await send(busy, b"".join(record(xid, ECHO_V1.NULL) for xid in range(many)))
            await send(other, record(1, ECHO_V1.NULL))
            assert await receive(other, 1) == [1]
            assert await receive(busy, many) == list(range(many))

    run(scenario())


def test_records_of_many_fragments_fill_a_batch() -> None:
    small = words(0) * (MAX_FRAGMENTS - 1) + record(1, ECHO_V1.NULL)

    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            connection = server.connection()
            connection.data_received(small * 3)
            assert connection.queued
            assert connection.reader.joined == MAX_FRAGMENTS
            assert await receive(client, 3) == [1, 1, 1]

    run(scenario())


class Busy:
    """A connection that always has one more call, which takes a while."""

    def __init__(self, clock: ManualClock, calls: int, source: str) -> None:
        self.clock, self.calls, self.served = clock, calls, 0
        self.source = source

    def answer_some(self) -> bool:
        """One call."""
        self.served += 1
        self.clock.advance(0.001)
        return self.served < self.calls


def test_connections_alternate_until_the_slice_is_over() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        queue = FairQueue(clock)
        busy, brief = Busy(clock, 100, "192.0.2.1"), Busy(clock, 1, "192.0.2.1")
        queue.add(cast(Connection, busy))
        queue.add(cast(Connection, brief))

        await asyncio.sleep(0)

        assert brief.served == 1
        assert busy.served + brief.served == pytest.approx(SLICE / 0.001, abs=1.1)
        while busy.served < 100:
            await asyncio.sleep(0)

    run(scenario())


def test_sources_alternate_however_many_connections_they_have() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        queue = FairQueue(clock)
        greedy = [Busy(clock, 2, "192.0.2.1") for _ in range(50)]
        brief = Busy(clock, 2, "192.0.2.2")
        for connection in (*greedy, brief):
            queue.add(cast(Connection, connection))

        await asyncio.sleep(0)

        assert brief.served == 2
        assert sum(connection.served for connection in greedy) < 5
        while sum(connection.served for connection in greedy) < 100:
            await asyncio.sleep(0)
        assert {connection.served for connection in greedy} == {2}

    run(scenario())


def test_a_queued_connection_that_ends_is_not_served() -> None:
    async def scenario() -> None:
        async with serving() as server:
            await server.connect()
            connection, other = server.connection(), await server.connect()
            server.pool.queue.hold()
            connection.data_received(record(1, ECHO_V1.ECHO, bytes(1000)))
            await send(other, record(2, ECHO_V1.NULL))
            assert connection.queued
            connection.end("for the test")
            assert connection.reader.held == 0
            server.pool.queue.go_on()
            assert await receive(other, 1) == [2]
            assert server.echo.callers == []

    run(scenario())


def test_a_client_at_its_end_gets_replies() -> None:
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


def test_a_client_at_its_end_is_closed() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.NULL))
            client.shutdown(socket.SHUT_WR)
            assert await receive(client, 1) == [1]
            assert await ended(client)

    run(scenario())


def test_caller_knows_whether_its_connection_is_open() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client, other = await server.connect(), await server.connect()
            callers = [each.caller for each in server.pool.connections]
            assert [caller.connected() for caller in callers] == [True, True]
            client.close()
            assert [caller.connected() for caller in callers] == [False, True]
            other.shutdown(socket.SHUT_WR)
            assert [caller.connected() for caller in callers] == [False, False]

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
def test_malformed_bytes_end_only_their_connection(wire: bytes) -> None:
    async def scenario() -> None:
        async with serving(Limits(record=1000)) as server:
            bad, good = await server.connect(), await server.connect()
            await send(bad, wire)
            assert await ended(bad)
            await send(good, record(1, ECHO_V1.NULL))
            assert await receive(good, 1) == [1]

    run(scenario())


def test_a_bug_in_a_handler_keeps_the_connection(caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_client_that_does_not_read_is_paused() -> None:
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


def test_too_many_unread_replies_end_the_first_connection() -> None:
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


def test_a_reset_during_replies_is_not_an_error(
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


def test_a_reset_is_seen_while_nothing_is_read() -> None:
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


def test_a_failed_write_stops_answering(
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


def test_uncounted_replies_stay_within_the_common_bound() -> None:
    limits = Limits()

    assert limits.connections * limits.unread <= limits.unread_by_all
