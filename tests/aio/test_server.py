"""Serving programs, registering them, and ending cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from helpers import words
from loops import run, settle, until
from oncrpc.addr import split_uaddr, transport
from oncrpc.aio.client import connect, dial
from oncrpc.aio.server import Server, serve
from oncrpc.aio.sockets import listen, listen_local
from oncrpc.aio.stream import Limits
from oncrpc.binder import Binder
from oncrpc.errors import NotRegistered, TransportError
from oncrpc.portmap.registry import SUPERUSER, UNKNOWN, Registry
from oncrpc.portmap.service import Mapper
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock

from .echo import ECHO_V1, Echo, dispatcher, record

LOCALHOST = "127.0.0.1"


@contextlib.asynccontextmanager
async def port_mapper() -> AsyncIterator[tuple[Registry, Binder]]:
    """Our own port mapper on a free port of the loopback interface, and who talks to it."""
    registry = Registry()
    mapper = Mapper(registry)
    server = Server(Dispatcher(mapper.services(), clock=ManualClock(), before=mapper.before))
    server.add(listen(transport("tcp"), LOCALHOST, 0), "tcp")
    server.start()
    _, port = split_uaddr(server.addresses["tcp"])
    try:
        yield registry, Binder(dial, port=port, sockets=())
    finally:
        await server.close()


def listed(registry: Registry) -> list[tuple[str, bytes]]:
    """Netids and addresses that are registered."""
    return [(entry.r_netid.decode(), entry.r_addr) for entry in registry]


def test_a_program_is_registered_while_it_is_served() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, binder):
            async with serve(
                Echo(), netids=["udp", "tcp"], host=LOCALHOST, register=True, registrar=binder
            ) as server:
                addresses = {netid: uaddr.encode() for netid, uaddr in server.addresses.items()}
                assert listed(registry) == list(addresses.items())
                async with connect(LOCALHOST, ECHO_V1.Client, binder=binder) as echo:
                    assert await echo.ECHO(b"hello") == b"hello"
            assert listed(registry) == []

    run(scenario())


def test_a_program_is_not_registered_unless_that_is_asked_for() -> None:
    async def scenario() -> None:
        async with (
            port_mapper() as (registry, binder),
            serve(Echo(), netids=["tcp"], host=LOCALHOST, registrar=binder),
        ):
            assert listed(registry) == []

    run(scenario())


def test_what_a_former_process_left_is_replaced() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, binder):
            registry.set(rpcb(ECHO_V1.prog, 1, b"tcp", b"0.0.0.0.0.1", UNKNOWN))
            async with serve(
                Echo(), netids=["tcp"], host=LOCALHOST, register=True, registrar=binder
            ) as server:
                assert listed(registry) == [("tcp", server.addresses["tcp"].encode())]

    run(scenario())


def test_it_is_taken_back_when_the_server_is_cancelled() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, binder):

            async def serving() -> None:
                async with serve(
                    Echo(), netids=["tcp"], host=LOCALHOST, register=True, registrar=binder
                ):
                    await asyncio.Event().wait()

            task = asyncio.ensure_future(serving())
            await until(lambda: len(registry))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert listed(registry) == []

    run(scenario())


def test_a_refused_registration_is_raised_and_ours_taken_back_theirs_not() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, binder):
            theirs = rpcb(ECHO_V1.prog, 1, b"tcp", b"0.0.0.0.0.1", SUPERUSER)
            registry.set(theirs)
            with pytest.raises(NotRegistered, match="somebody else"):
                async with serve(
                    Echo(), netids=["udp", "tcp"], host=LOCALHOST, register=True, registrar=binder
                ):
                    pass
            assert list(registry) == [theirs]

    run(scenario())


def test_a_server_that_cannot_bind_takes_nothing_back() -> None:
    async def scenario() -> None:
        async with port_mapper() as (registry, binder):
            running = rpcb(ECHO_V1.prog, 1, b"tcp", b"0.0.0.0.0.1", UNKNOWN)
            registry.set(running)
            with (
                listen(transport("tcp"), LOCALHOST, 0) as taken,
                pytest.raises(OSError, match="in use"),
            ):
                async with serve(
                    Echo(),
                    netids=["udp", "tcp"],
                    host=LOCALHOST,
                    port=taken.getsockname()[1],
                    register=True,
                    registrar=binder,
                ):
                    pass
            assert list(registry) == [running]

    run(scenario())


def test_without_a_port_mapper_registration_fails() -> None:
    async def scenario() -> None:
        with socket.socket() as unused:
            unused.bind((LOCALHOST, 0))
            binder = Binder(dial, port=unused.getsockname()[1], sockets=())
            with pytest.raises(TransportError):
                async with serve(
                    Echo(), netids=["tcp"], host=LOCALHOST, register=True, registrar=binder
                ):
                    pass

    run(scenario())


def test_a_port_mapper_that_is_gone_at_the_end_is_no_error() -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            mapper = contextlib.AsyncExitStack()
            _, binder = await mapper.enter_async_context(port_mapper())
            await stack.enter_async_context(
                serve(Echo(), netids=["tcp"], host=LOCALHOST, register=True, registrar=binder)
            )
            await mapper.aclose()

    run(scenario())


def test_every_netid_has_its_address_and_the_first_local_one_stands(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Server(dispatcher(Echo()))
        for name in ("one", "two"):
            server.add(listen_local(str(tmp_path / name)), "local")
        server.add(listen(transport("udp"), LOCALHOST, 0), "udp")
        assert server.addresses["local"] == str(tmp_path / "one")
        assert split_uaddr(server.addresses["udp"])[0] == LOCALHOST
        await server.close()

    run(scenario())


@contextlib.asynccontextmanager
async def started(
    limits: Limits | None = None,
) -> AsyncIterator[tuple[Echo, Server, socket.socket]]:
    """A server on TCP, not yet closed, and a client that is connected to it."""
    echo = Echo()
    server = Server(dispatcher(echo), limits=limits)
    sock = listen(transport("tcp"), LOCALHOST, 0)
    server.add(sock, "tcp")
    server.start()
    with socket.socket() as client:
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, sock.getsockname())
        await until(lambda: server.pools["tcp"].connections)
        yield echo, server, client


def test_calls_under_way_are_answered_before_the_end() -> None:
    async def scenario() -> None:
        async with started() as (echo, server, client):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, record(1, ECHO_V1.LATER, b""))
            await until(lambda: echo.waiting)
            closing = asyncio.ensure_future(server.close(drain=10))
            await settle()
            echo.go.set()
            await closing
            assert (await loop.sock_recv(client, 1000))[4:12] == words(1, 1)
            assert await loop.sock_recv(client, 1000) == b""

    run(scenario())


def test_calls_that_do_not_end_are_cancelled() -> None:
    async def scenario() -> None:
        async with started() as (echo, server, client):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, record(1, ECHO_V1.LATER, b""))
            await until(lambda: echo.waiting)
            await server.close(drain=0)
            await until(lambda: echo.cancelled)
            assert await loop.sock_recv(client, 1000) == b""

    run(scenario())


def test_a_peer_that_never_reads_does_not_keep_the_server() -> None:
    async def scenario() -> None:
        async with started(Limits(unread=1 << 16)) as (_, server, client):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, record(1, ECHO_V1.MUCH, 16 << 20))
            await until(lambda: server.pools["tcp"].not_reading)
            connection = next(iter(server.pools["tcp"].connections))
            await server.close(drain=0)
            assert connection.lost.done()
            assert not server.pools["tcp"].connections

    run(scenario())


def test_a_connection_that_is_just_coming_in_is_ended_too() -> None:
    async def scenario() -> None:
        async with started() as (_, server, _):
            loop = asyncio.get_running_loop()
            address = server.endpoints[0].sock.getsockname()
            with socket.socket() as late:
                late.setblocking(False)
                await loop.sock_connect(late, address)
                await until(lambda: server.pools["tcp"].arriving)
                await server.close()
                assert not server.pools["tcp"].connections
                assert await loop.sock_recv(late, 1) == b""

    run(scenario())


def test_connections_are_swept_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncrpc.aio.server.SWEEP_EVERY", 0.001)

    async def scenario() -> None:
        async with started(Limits(idle_time=0.0)) as (_, server, client):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
            await server.close()

    run(scenario())
