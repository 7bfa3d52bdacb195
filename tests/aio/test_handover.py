"""A server that is frozen, and goes on: in the same process image, or in another one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.addr import transport
from oncrpc.aio.connections import Carried
from oncrpc.aio.limits import Limits
from oncrpc.aio.server import Server
from oncrpc.net.sockets import listen
from support.echo import ECHO_V1, Echo, call, dispatcher, record
from support.loops import run, settle, until
from support.streams import ended, receive, send

SIZE = 4 << 20
"""Of a reply that no socket buffer holds."""


class Images:
    """Two servers of the same sockets, as two images of a program are; clients of them."""

    def __init__(self) -> None:
        self.echo = Echo()
        self.stream = listen(transport("tcp"), "127.0.0.1", 0)
        self.datagrams = listen(transport("udp"), "127.0.0.1", 0)
        self.old, self.new = self._server(), self._server()
        self.clients: list[socket.socket] = []

    def _server(self) -> Server:
        server = Server(dispatcher(self.echo), limits=Limits(record=1 << 16, unread=1 << 16))
        server.add(self.stream.dup(), "tcp")
        server.add(self.datagrams.dup(), "udp")
        return server

    async def connect(self) -> socket.socket:
        """A client whose connection the old server has."""
        pool = self.old.pools["tcp"]
        before = len(pool.connections)
        client = socket.socket()
        self.clients.append(client)
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(client, self.stream.getsockname())
        await until(lambda: len(pool.connections) > before)
        return client

    async def replace(self) -> list[Carried]:
        """Have the new server go on for the old one, whose descriptors close as execve(2) does."""
        carried = await self.old.freeze(drain=0.05)
        kept = [
            Carried(os.dup(c.descriptor), c.netid, c.unread, c.unsent, c.heard_at, c.record_at)
            for c in carried
        ]
        self.new.start()
        self.new.adopt(kept)
        for connection in list(self.old.pools["tcp"].connections):
            connection.stream.abort()
        await settle()
        return kept


@asynccontextmanager
async def images() -> AsyncIterator[Images]:
    """Two images, of which the old one serves."""
    made = Images()
    made.old.start()
    try:
        yield made
    finally:
        for server in (made.old, made.new):
            await server.close(drain=0)
        for sock in (made.stream, made.datagrams, *made.clients):
            sock.close()


async def taken(client: socket.socket) -> bytes:
    """What has arrived at a client, after the servers had their turn; nothing if that is all."""
    await settle()
    try:
        return client.recv(1 << 16)
    except BlockingIOError:
        return b""


def test_thawed_endpoint_answers_calls_queued_while_frozen() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            await made.old.freeze(drain=0)
            await send(client, record(1, ECHO_V1.ECHO, b""))
            late = socket.create_connection(made.stream.getsockname())
            late.setblocking(False)
            made.clients.append(late)
            await send(late, record(2, ECHO_V1.ECHO, b""))
            await settle()
            assert made.echo.callers == []
            made.old.thaw()
            assert await receive(client, 1) == [1]
            assert await receive(late, 1) == [2]

    run(scenario())


def test_a_waiting_datagram_is_answered_after_the_restart() -> None:
    async def scenario() -> None:
        async with images() as made:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect(made.datagrams.getsockname())
                await made.replace()
                client.send(call(7, ECHO_V1.NULL))
                reply = await asyncio.get_running_loop().sock_recv(client, 100)
                assert reply[:4] == b"\0\0\0\7"

    run(scenario())


def test_a_record_goes_on_where_it_was_left() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            whole = record(1, ECHO_V1.ECHO, b"x" * 100)
            (connection,) = made.old.pools["tcp"].connections
            await send(client, whole[:50])
            await until(lambda: connection.reader.within_record)
            (carried,) = await made.replace()
            assert carried.unread == whole[:50]
            await send(client, whole[50:])
            assert await receive(client, 1) == [1]

    run(scenario())


def test_unsent_replies_are_sent_after_the_restart() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            (connection,) = made.old.pools["tcp"].connections
            for xid in (1, 2):
                await send(client, record(xid, ECHO_V1.MUCH, SIZE))
            await until(lambda: connection.blocked)
            (carried,) = await made.replace()
            assert 0 < len(carried.unsent) <= SIZE + 64
            assert await receive(client, 2) == [1, 2]

    run(scenario())


def test_carried_bytes_are_not_sent_twice() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            (connection,) = made.old.pools["tcp"].connections
            await send(client, record(1, ECHO_V1.MUCH, SIZE))
            await until(lambda: connection.unread_since is not None)
            (carried,) = await made.old.freeze(drain=0)
            read = 0
            while part := await taken(client):
                read += len(part)
            assert carried.unsent == bytes(connection.stream.unsent)
            made.old.thaw()
            while read < SIZE:
                read += len(await asyncio.get_running_loop().sock_recv(client, 1 << 16))

    run(scenario())


def test_sent_replies_are_not_kept() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            (connection,) = made.old.pools["tcp"].connections
            await send(client, record(1, ECHO_V1.MUCH, SIZE))
            await receive(client, 1)
            carried = connection.carried()
            assert carried is not None
            assert carried.unsent == b""

    run(scenario())


def test_a_connection_with_a_call_is_not_carried() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            await send(client, record(1, ECHO_V1.LATER, b""))
            await until(lambda: made.echo.waiting)
            assert await made.replace() == []
            assert await ended(client)

    run(scenario())


def test_a_call_that_ends_in_time_is_answered() -> None:
    async def scenario() -> None:
        async with images() as made:
            client = await made.connect()
            await send(client, record(1, ECHO_V1.LATER, b""))
            await until(lambda: made.echo.waiting)
            freezing = asyncio.ensure_future(made.old.freeze(drain=10))
            await settle()
            made.echo.go.set()
            assert len(await freezing) == 1
            assert await receive(client, 1) == [1]

    run(scenario())


def test_a_connection_of_an_unserved_netid_is_closed() -> None:
    async def scenario() -> None:
        async with images() as made:
            ours, theirs = socket.socketpair()
            made.new.adopt([Carried(ours.detach(), "tcp6", b"", b"", 0.0, 0.0)])
            with theirs:
                assert theirs.recv(1) == b""

    run(scenario())
