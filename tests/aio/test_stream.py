"""Record-marked connections: what they answer, and what they may cost."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import words
from loops import run, settle, until
from oncrpc.addr import transport
from oncrpc.aio.sockets import listen, listen_local
from oncrpc.aio.stream import ACCEPT_BATCH, SLICE, Connection, Limits, Listener, Pool, Turns
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.testing import ManualClock

from .echo import ECHO_V1, Echo, call, dispatcher, record


class Serving:
    """A listener, what it stands on, and clients of it."""

    def __init__(self, limits: Limits, path: str | None) -> None:
        self.clock = ManualClock()
        self.echo = Echo()
        self.pool = Pool(limits, self.clock)
        sock = listen_local(path) if path else listen(transport("tcp"), "127.0.0.1", 0)
        self.address = sock.getsockname()
        self.family = sock.family
        netid = "local" if path else "tcp"
        self.listener = Listener(sock, netid, dispatcher(self.echo), self.pool)
        self.clients: list[socket.socket] = []

    async def connect(self) -> socket.socket:
        """A client that is connected, and known to the pool."""
        before = set(self.pool.connections)
        client = self.client()
        await asyncio.get_running_loop().sock_connect(client, self.address)
        await until(lambda: set(self.pool.connections) - before)
        return client

    def client(self) -> socket.socket:
        """A socket to connect with."""
        client = socket.socket(self.family)
        client.setblocking(False)
        self.clients.append(client)
        return client

    def connection(self) -> Connection:
        """The youngest connection."""
        return next(reversed(self.pool.connections))


@asynccontextmanager
async def serving(limits: Limits | None = None, path: str | None = None) -> AsyncIterator[Serving]:
    """A listener that serves."""
    made = Serving(limits or Limits(), path)
    made.listener.start()
    try:
        yield made
    finally:
        made.listener.close()
        for client in made.clients:
            client.close()
        for connection in list(made.pool.connections):
            connection.transport.abort()
        await settle()


async def send(client: socket.socket, data: bytes) -> None:
    """Send all."""
    await asyncio.get_running_loop().sock_sendall(client, data)


async def receive(client: socket.socket, count: int) -> list[int]:
    """The xids of the next replies."""
    loop, reader, found = asyncio.get_running_loop(), RecordReader(max_record=64 << 20), list[int]()
    while len(found) < count:
        data = await loop.sock_recv(client, 1 << 20)
        assert data, "the connection has ended"
        reader.feed(data)
        found += [int.from_bytes(reply[:4], "big") for reply in reader.records()]
    return found


async def ended(client: socket.socket) -> bool:
    """Whether the server ends the connection before it sends more."""
    try:
        return await asyncio.get_running_loop().sock_recv(client, 1) == b""
    except ConnectionError:
        return True


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


class Busy:
    """A connection that always has one more call, which takes a while."""

    def __init__(self, clock: ManualClock, calls: int) -> None:
        self.clock, self.calls, self.turns = clock, calls, 0

    def take_turn(self) -> bool:
        """One call."""
        self.turns += 1
        self.clock.advance(0.001)
        return self.turns < self.calls


def test_connections_take_turns_a_call_each_and_stop_after_a_slice_of_time() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        turns = Turns(clock)
        busy, brief = Busy(clock, 100), Busy(clock, 1)
        turns.add(cast(Connection, busy))
        turns.add(cast(Connection, brief))

        await asyncio.sleep(0)

        assert brief.turns == 1
        assert busy.turns + brief.turns == pytest.approx(SLICE / 0.001, abs=1.1)
        while busy.turns < 100:
            await asyncio.sleep(0)

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
            assert not server.connection().transport.is_reading()
            server.echo.go.set()
            assert await receive(client, 5) == [0, 1, 2, 3, 4]
            await until(lambda: server.connection().transport.is_reading())

    run(scenario())


def test_a_client_that_does_not_read_is_not_read_from_until_it_does() -> None:
    async def scenario() -> None:
        async with serving(Limits(unread=1 << 16)) as server:
            client = await server.connect()
            calls = b"".join(record(xid, ECHO_V1.MUCH, 1 << 20) for xid in range(12))
            await send(client, calls)
            await until(lambda: server.connection().blocked)
            assert not server.connection().transport.is_reading()
            assert server.connection().transport.get_write_buffer_size() < 2 << 20
            assert list(server.pool.not_reading) == [server.connection()]
            assert await receive(client, 12) == list(range(12))
            assert not server.pool.not_reading
            assert server.connection().transport.is_reading()

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


def overdue(connection: Connection, server: Serving, seconds: float) -> str | None:
    """Why the connection is to end after some more seconds."""
    return connection.overdue(server.clock() + seconds)


def test_a_connection_that_says_nothing_is_idle_after_its_time() -> None:
    async def scenario() -> None:
        async with serving(Limits(idle_time=300)) as server:
            client = await server.connect()
            server.clock.advance(300)
            server.pool.sweep()
            assert server.pool.connections
            server.clock.advance(0.1)
            server.pool.sweep()
            assert not server.pool.connections
            assert await ended(client)

    run(scenario())


def test_a_call_makes_the_connection_young_again() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            server.clock.advance(299)
            await send(client, record(1, ECHO_V1.NULL))
            await receive(client, 1)
            assert overdue(server.connection(), server, 299) is None

    run(scenario())


def test_a_record_has_to_arrive_in_its_time_however_slowly_it_trickles() -> None:
    async def scenario() -> None:
        async with serving(Limits(record_time=30)) as server:
            client = await server.connect()
            wire = record(1, ECHO_V1.NULL)
            for place in range(3):
                await send(client, wire[place : place + 1])
                await until(lambda: server.connection().heard_at == server.clock())
                await settle()
                server.clock.advance(15)
            assert overdue(server.connection(), server, 0) == "a record took too long"

    run(scenario())


def test_the_time_of_the_next_record_starts_anew() -> None:
    async def scenario() -> None:
        async with serving(Limits(record_time=30)) as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.NULL)[:-1])
            await until(lambda: server.connection().reader.within_record)
            server.clock.advance(29)
            await send(client, record(1, ECHO_V1.NULL)[-1:] + record(2, ECHO_V1.NULL)[:-1])
            await receive(client, 1)
            assert overdue(server.connection(), server, 29) is None
            assert overdue(server.connection(), server, 31) == "a record took too long"

    run(scenario())


def test_a_peer_that_does_not_read_is_let_go_after_its_time() -> None:
    async def scenario() -> None:
        async with serving(Limits(unread=1 << 16, write_time=30)) as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.MUCH, 16 << 20))
            await until(lambda: server.connection().blocked)
            assert overdue(server.connection(), server, 30) is None
            assert overdue(server.connection(), server, 31) == "does not read"

    run(scenario())


def test_a_connection_with_calls_under_way_is_never_overdue() -> None:
    async def scenario() -> None:
        async with serving(Limits(calls=1)) as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.LATER, b"") + record(2, ECHO_V1.NULL)[:9])
            await until(lambda: server.echo.waiting)
            assert overdue(server.connection(), server, 1000) is None

    run(scenario())


def test_the_time_of_a_long_call_is_not_held_against_the_peer() -> None:
    async def scenario() -> None:
        async with serving(Limits(calls=1)) as server:
            client = await server.connect()
            wire = record(1, ECHO_V1.LATER, b"") + record(2, ECHO_V1.NULL)
            await send(client, wire[:-1])
            await until(lambda: server.echo.waiting)
            server.clock.advance(400)
            server.echo.go.set()
            await receive(client, 1)
            server.pool.sweep()
            await send(client, wire[-1:])
            assert await receive(client, 1) == [2]

    run(scenario())


def test_local_sockets_may_be_silent_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(Limits(idle_time=None), str(tmp_path / "sock")) as server:
            client = await server.connect()
            server.clock.advance(10**9)
            server.pool.sweep()
            await send(client, record(1, ECHO_V1.WHOAMI))
            assert await receive(client, 1) == [1]
            caller = server.echo.callers[0]
            assert (caller.netid, caller.source, caller.loopback) == ("local", None, True)

    run(scenario())


def test_a_new_connection_takes_the_place_of_the_longest_silent_one() -> None:
    async def scenario() -> None:
        async with serving(Limits(connections=2)) as server:
            first, second = await server.connect(), await server.connect()
            await send(first, record(1, ECHO_V1.NULL))
            await receive(first, 1)
            third = await server.connect()
            assert await ended(second)
            for client in (first, third):
                await send(client, record(1, ECHO_V1.NULL))
                assert await receive(client, 1) == [1]

    run(scenario())


def test_connections_with_calls_under_way_keep_their_place() -> None:
    async def scenario() -> None:
        async with serving(Limits(connections=1)) as server:
            first = await server.connect()
            await send(first, record(1, ECHO_V1.LATER, b""))
            await until(lambda: server.echo.waiting)
            second = server.client()
            await asyncio.get_running_loop().sock_connect(second, server.address)
            assert await ended(second)
            server.echo.go.set()
            assert await receive(first, 1) == [1]

    run(scenario())


def test_a_burst_of_connections_is_never_more_than_the_limit() -> None:
    most = 3

    async def scenario() -> None:
        async with serving(Limits(connections=most)) as server:
            loop = asyncio.get_running_loop()
            server.listener.loop.remove_reader(server.listener.sock.fileno())
            clients = [server.client() for _ in range(2 * most)]
            for client in clients:
                await loop.sock_connect(client, server.address)
            server.listener.start()
            for _ in range(20):
                await asyncio.sleep(0)
                assert len(server.pool.connections) + len(server.pool.arriving) <= most
                assert len(server.listener.starting) <= most
            assert len(server.pool.connections) == most

    assert 2 * most <= ACCEPT_BATCH
    run(scenario())


class Exhausted:
    """A listening socket whose next accepts fail."""

    def __init__(self, sock: socket.socket, *failures: OSError) -> None:
        self.sock, self.failures = sock, list(failures)

    def __getattr__(self, name: str) -> object:
        return getattr(self.sock, name)

    def accept(self) -> object:
        if self.failures:
            raise self.failures.pop(0)
        return self.sock.accept()


def test_without_descriptors_room_is_made_and_accepting_goes_on_later(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncrpc.aio.stream.ACCEPT_PAUSE", 0.001)

    async def scenario() -> None:
        async with serving() as server:
            first = await server.connect()
            failure = OSError(errno.EMFILE, "Too many open files")
            exhausted = Exhausted(server.listener.sock, failure)
            server.listener.sock = exhausted  # type: ignore[assignment]  # it is like a socket
            second = server.client()
            await asyncio.get_running_loop().sock_connect(second, server.address)
            assert await ended(first)
            await send(second, record(1, ECHO_V1.NULL))
            assert await receive(second, 1) == [1]

    run(scenario())
    assert "cannot accept: Too many open files" in caplog.text


def test_a_listener_that_pauses_can_be_closed() -> None:
    async def scenario() -> None:
        async with serving() as server:
            failure = OSError(errno.EPERM, "Operation not permitted")
            exhausted = Exhausted(server.listener.sock, failure)
            server.listener.sock = exhausted  # type: ignore[assignment]  # it is like a socket
            server.listener._accept()
            assert server.listener._paused is not None

    run(scenario())


def test_a_connection_that_is_gone_before_it_is_accepted_is_passed_over() -> None:
    async def scenario() -> None:
        async with serving() as server:
            exhausted = Exhausted(server.listener.sock, ConnectionAbortedError())
            server.listener.sock = exhausted  # type: ignore[assignment]  # it is like a socket
            client = await server.connect()
            await send(client, record(1, ECHO_V1.NULL))
            assert await receive(client, 1) == [1]

    run(scenario())


def test_a_peer_that_is_gone_when_it_is_asked_for_has_no_address() -> None:
    class Gone(socket.socket):
        def getpeername(self) -> object:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    async def scenario() -> None:
        async with serving() as server:
            with Gone(socket.AF_INET, socket.SOCK_STREAM) as gone:
                caller = server.listener.caller(gone)
                assert caller.source == ("", 0, 0)
                assert not caller.loopback

    run(scenario())


def test_over_ipv6_the_scope_is_kept() -> None:
    async def scenario() -> None:
        async with serving() as server:
            with listen(transport("tcp6"), "::1", 0) as listening:
                client = socket.create_connection(listening.getsockname()[:2])
                accepted, _ = listening.accept()
                with client, accepted:
                    caller = server.listener.caller(accepted)
                    assert caller.source == ("::1", client.getsockname()[1], 0)
                    assert caller.loopback

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


def test_after_a_failed_write_no_further_call_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            connection = server.connection()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            client.close()
            connection.data_received(b"".join(record(xid, ECHO_V1.ECHO, b"") for xid in range(20)))
            assert len(server.echo.callers) <= 2
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
                connection._write(bytes(28))
            assert await ended(client)

    run(scenario())
    assert caplog.messages == []
