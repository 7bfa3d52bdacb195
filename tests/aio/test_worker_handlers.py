"""Handlers that run in workers, of a server with connections and datagrams."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oncrpc.aio.client import connect
from oncrpc.aio.serve import serve
from oncrpc.aio.server import Server
from oncrpc.aio.workers import WorkerPool
from oncrpc.errors import AuthError, CallTimeout, SystemFailure
from oncrpc.rpc import Call, DuplicateCache, in_worker
from oncrpc.rpc.prot import accept_stat
from support.blocker import Blocker
from support.echo import ECHO_V1, Echo, record
from support.loopback_peers import LOCALHOST
from support.loops import run, until
from support.streams import receive


class Blocking(Echo):
    """LATER blocks its thread until ``blocker`` is opened; FAIL refuses from a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.blocker = Blocker()
        self.threads: list[int] = []
        self.runs = 0

    @in_worker
    def LATER(self, call: Call, arg: bytes) -> bytes:  # type: ignore[override]  # not a coroutine
        self.runs += 1
        self.threads.append(threading.get_ident())
        self.blocker()
        return arg

    @in_worker
    def FAIL(self, call: Call) -> None:
        raise AuthError(5) if call.caller.datagram else ZeroDivisionError


@asynccontextmanager
async def served(
    *, workers: WorkerPool | None = None, duplicates: DuplicateCache | None = None
) -> AsyncIterator[tuple[Blocking, Server]]:
    service = Blocking()
    async with serve(
        service,
        transports=["tcp", "udp"],
        host=LOCALHOST,
        drain=0.0,
        workers=workers,
        duplicates=duplicates,
    ) as server:
        try:
            yield service, server
        finally:
            service.blocker.go.set()


async def connected(server: Server) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, server.endpoints["tcp"])
    return sock


def test_others_are_answered_while_a_handler_blocks() -> None:
    async def scenario() -> None:
        async with served() as (service, server):
            port = server.endpoints["tcp"][1]
            async with connect(LOCALHOST, ECHO_V1.Client, port=port) as client:
                blocked = asyncio.ensure_future(client.LATER(b"late"))
                await until(service.blocker.begun.is_set)
                assert await client.ECHO(b"early") == b"early"
                service.blocker.go.set()
                assert await blocked == b"late"
                assert threading.get_ident() not in service.threads

    run(scenario())


@pytest.mark.parametrize(("netid", "error"), [("tcp", SystemFailure), ("udp", AuthError)])
def test_errors_in_workers_are_the_same_refusals(netid: str, error: type[Exception]) -> None:
    async def scenario() -> None:
        async with served() as (_, server):
            port = server.endpoints[netid][1]
            async with connect(LOCALHOST, ECHO_V1.Client, transport=netid, port=port) as client:
                with pytest.raises(error):
                    await client.call(ECHO_V1.FAIL)

    run(scenario())


def test_full_workers_stop_the_reading_of_streams() -> None:
    async def scenario() -> None:
        async with served(workers=WorkerPool(threads=1, calls=4)) as (service, server):
            with await connected(server) as client:
                calls = b"".join(record(xid, ECHO_V1.LATER, b"") for xid in range(9))
                await asyncio.get_running_loop().sock_sendall(client, calls)
                (connection,) = await until_connected(server)
                await until(lambda: not connection.stream.reading)
                assert len(connection.calls) == 2
                service.blocker.go.set()
                assert sorted(await receive(client, 9)) == list(range(9))
                assert connection.stream.reading

    run(scenario())


async def until_connected(server: Server) -> list[Any]:
    await until(lambda: server.pools["tcp"].connections)
    return list(server.pools["tcp"].connections)


def test_full_workers_refuse_another_connection() -> None:
    async def scenario() -> None:
        workers = WorkerPool(threads=1, calls=1)
        async with served(workers=workers) as (service, server):
            loop = asyncio.get_running_loop()
            with await connected(server) as first, await connected(server) as second:
                await loop.sock_sendall(first, record(1, ECHO_V1.LATER, b""))
                await until(service.blocker.begun.is_set)
                await loop.sock_sendall(second, record(2, ECHO_V1.LATER, b""))
                refused = await loop.sock_recv(second, 100)
                assert refused[24:28] == accept_stat.SYSTEM_ERR.to_bytes(4, "big")
                assert (workers.in_progress, workers.refused) == (1, 1)
                service.blocker.go.set()
                assert await receive(first, 1) == [1]
            assert service.runs == 1

    run(scenario())


def test_closed_connections_leave_the_pool() -> None:
    async def scenario() -> None:
        workers = WorkerPool(threads=1, calls=4)
        async with served(workers=workers) as (service, server):
            loop = asyncio.get_running_loop()
            with await connected(server) as first:
                await loop.sock_sendall(first, record(1, ECHO_V1.LATER, b""))
                await until(service.blocker.begun.is_set)
                for _ in range(3):
                    with await connected(server) as client:
                        await loop.sock_sendall(client, record(2, ECHO_V1.LATER, b""))
                        await until(lambda: workers.in_progress == 2)
                        client.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0)
                        )
                    await until(lambda: workers.in_progress == 1)
                service.blocker.go.set()
                assert await receive(first, 1) == [1]
            assert (service.runs, workers.refused) == (1, 0)

    run(scenario())


def test_one_source_does_not_fill_the_workers() -> None:
    async def scenario() -> None:
        workers = WorkerPool(threads=1, calls=4)
        async with served(workers=workers) as (service, server):
            loop, calls = asyncio.get_running_loop(), record(1, ECHO_V1.LATER, b"") * 9
            with (
                await connected(server) as greedy,
                await called_from(("127.0.0.9", 0), server) as other,
            ):
                await loop.sock_sendall(greedy, calls)
                await until(lambda: workers.in_progress == 3)
                service.blocker.go.set()
                assert await receive(other, 1) == [1]
                assert await receive(greedy, 9) == [1] * 9
            assert workers.refused == 0

    run(scenario())


def test_full_workers_drop_datagrams() -> None:
    async def scenario() -> None:
        workers = WorkerPool(threads=1, calls=1)
        async with served(workers=workers) as (service, server):
            port = server.endpoints["udp"][1]
            async with connect(LOCALHOST, ECHO_V1.Client, transport="udp", port=port) as client:
                first = asyncio.ensure_future(client.LATER(b"first"))
                await until(service.blocker.begun.is_set)
                with pytest.raises(CallTimeout):
                    await client.with_options(timeout=0.05).LATER(b"dropped")
                assert workers.dropped == 1
                service.blocker.go.set()
                assert await first == b"first"

    run(scenario())


async def called_from(place: tuple[str, int], server: Server) -> socket.socket:
    """A client at that address which has called LATER."""
    loop, sock = asyncio.get_running_loop(), socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(place)
    await loop.sock_connect(sock, server.endpoints["tcp"])
    await loop.sock_sendall(sock, record(1, ECHO_V1.LATER, b"once"))
    return sock


def test_a_lost_connection_leaves_its_reply_cached() -> None:
    async def scenario() -> None:
        cache = DuplicateCache(streams=True)
        async with served(duplicates=cache) as (service, server):
            # An address of its own: no other program of this host takes its port meanwhile.
            with await called_from(("127.0.0.9", 0), server) as client:
                place = client.getsockname()
                await until(service.blocker.begun.is_set)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            await until(lambda: not server.pools["tcp"].connections)
            service.blocker.go.set()
            await until(lambda: len(cache))

            with await called_from(place, server) as again:
                assert await receive(again, 1) == [1]
            assert service.runs == 1

    run(scenario())


def test_a_server_ends_though_a_handler_blocks() -> None:
    async def scenario() -> None:
        async with served() as (service, server):
            with await connected(server) as client:
                await asyncio.get_running_loop().sock_sendall(client, record(1, ECHO_V1.LATER, b""))
                await until(service.blocker.begun.is_set)
                await server.close(drain=0)
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""

    run(scenario())
