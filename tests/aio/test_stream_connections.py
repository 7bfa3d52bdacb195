"""Record-marked connections: how they are accepted, and which are let go and when."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest

from oncrpc.addr import transport
from oncrpc.aio.connections import Carried
from oncrpc.aio.limits import Limits
from oncrpc.aio.stream import ACCEPT_BATCH, Connection
from oncrpc.net.sockets import accept, listen
from oncrpc.rpc import Caller
from support.echo import ECHO_V1, record
from support.loops import run, settle, until
from support.streams import Serving, answered, connect_from, ended, receive, send, serving
from support.words import words


def overdue(connection: Connection, server: Serving, seconds: float) -> str | None:
    """Why the connection is to end after some more seconds."""
    return connection.overdue(server.clock() + seconds)


def test_a_silent_connection_is_idle_in_time() -> None:
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


def test_a_record_must_arrive_in_its_time() -> None:
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


def test_next_record_gets_a_new_deadline() -> None:
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


def test_a_peer_that_never_reads_is_ended() -> None:
    async def scenario() -> None:
        async with serving(Limits(unread=1 << 16, write_time=30)) as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.MUCH, 16 << 20))
            await until(lambda: server.connection().blocked)
            assert overdue(server.connection(), server, 30) is None
            assert overdue(server.connection(), server, 31) == "does not read"

    run(scenario())


def test_a_peer_at_its_end_must_read_too() -> None:
    async def scenario() -> None:
        async with serving(Limits(unread=64 << 20, write_time=30, idle_time=None)) as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.MUCH, 16 << 20))
            client.shutdown(socket.SHUT_WR)
            await until(lambda: server.connection().stream.closing)
            assert overdue(server.connection(), server, 30) is None
            assert overdue(server.connection(), server, 31) == "does not read"

    run(scenario())


def test_a_host_that_vanishes_is_found_out() -> None:
    async def scenario() -> None:
        async with serving() as server:
            await server.connect()
            accepted = server.connection().stream.sock
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60

    run(scenario())


def test_calls_in_progress_keep_a_connection() -> None:
    async def scenario() -> None:
        async with serving(Limits(calls=1)) as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.LATER, b"") + record(2, ECHO_V1.NULL)[:9])
            await until(lambda: server.echo.waiting)
            assert overdue(server.connection(), server, 1000) is None

    run(scenario())


def test_a_long_call_does_not_count_as_silence() -> None:
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


def test_a_new_connection_replaces_the_longest_silent() -> None:
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


def test_a_burst_of_connections_stays_within_limits() -> None:
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
                assert len(server.pool.connections) <= most
            assert len(server.pool.connections) == most

    assert 2 * most <= ACCEPT_BATCH
    run(scenario())


class Exhausted:
    """A listening socket whose next accepts fail."""

    def __init__(self, sock: socket.socket, *failures: OSError) -> None:
        self.sock, self.failures = sock, list(failures)

    def __getattr__(self, name: str) -> object:
        return getattr(self.sock, name)

    def _accept(self) -> object:
        if self.failures:
            raise self.failures.pop(0)
        return accept(self.sock)


def test_accepting_goes_on_after_descriptors_run_out(
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
            server.listener.accept_waiting()
            assert server.listener.paused

    run(scenario())


def test_a_connection_gone_before_accept_is_skipped() -> None:
    async def scenario() -> None:
        async with serving() as server:
            exhausted = Exhausted(server.listener.sock, ConnectionAbortedError())
            server.listener.sock = exhausted  # type: ignore[assignment]  # it is like a socket
            client = await server.connect()
            await send(client, record(1, ECHO_V1.NULL))
            assert await receive(client, 1) == [1]

    run(scenario())


def test_a_carried_connection_without_peer_is_ended() -> None:
    async def scenario() -> None:
        async with serving() as server:
            gone = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            server.listener.adopt(Carried(gone.detach(), "tcp", b"", b"", 0.0, 0.0))
            await until(lambda: not server.pool.connections)

    run(scenario())


def test_over_ipv6_the_scope_is_kept() -> None:
    async def scenario() -> None:
        async with serving() as server:
            with listen(transport("tcp6"), "::1", 0) as listening:
                client = socket.create_connection(listening.getsockname()[:2])
                accepted, source = listening.accept()
                with client, accepted:
                    caller = server.listener.caller(accepted, source)
                    assert caller.source == ("::1", client.getsockname()[1], 0)
                    assert caller.loopback

    run(scenario())


def test_a_full_source_loses_its_own_connection() -> None:
    async def scenario() -> None:
        async with serving(Limits(per_source=2)) as server:
            other = await connect_from(server, "127.0.0.2")
            first, second = await server.connect(), await server.connect()
            await answered(first)
            third = await server.connect()
            assert await ended(second)
            assert await answered(other, first, third)

    run(scenario())


def test_a_busy_source_gets_no_more_connections() -> None:
    async def scenario() -> None:
        async with serving(Limits(per_source=1)) as server:
            other = await connect_from(server, "127.0.0.2")
            busy = await server.connect()
            await send(busy, record(1, ECHO_V1.LATER, b""))
            await until(lambda: server.echo.waiting)
            refused = server.client()
            await asyncio.get_running_loop().sock_connect(refused, server.address)
            assert await ended(refused)
            assert await answered(other)
            server.echo.go.set()
            assert await receive(busy, 1) == [1]

    run(scenario())


def test_nothing_is_kept_of_a_gone_source() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await connect_from(server, "127.0.0.2")
            assert list(server.pool.sources) == ["127.0.0.2"]
            client.close()
            await until(lambda: not server.pool.connections)
            assert server.pool.sources == {}

    run(scenario())


def test_local_users_are_sources(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(Limits(per_source=1), str(tmp_path / "sock")) as server:
            first, second = await server.connect(), await server.connect()
            assert await ended(first)
            assert await answered(second)
            assert list(server.pool.sources) == [os.geteuid()]

    run(scenario())


def test_a_call_is_cancelled_when_its_connection_breaks() -> None:
    async def scenario() -> None:
        async with serving() as server:
            client = await server.connect()
            await send(client, record(1, ECHO_V1.LATER, b"") + words(0xFFFFFFFF))

            assert await ended(client)
            await until(lambda: server.echo.cancelled == 1)

    run(scenario())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_a_source_is_an_address_or_network(one: str, other: str, *, same: bool) -> None:
    found = [Caller("tcp", (host, 700, 0)).origin for host in (one, other)]

    assert (found[0] == found[1]) is same


def test_at_a_local_socket_it_is_the_user() -> None:
    assert Caller("local", uid=1000, loopback=True).origin == 1000
