"""A listener for record-marked connections, and its clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.addr import transport
from oncrpc.aio.connections import Pool
from oncrpc.aio.epoll import Poller
from oncrpc.aio.limits import Limits
from oncrpc.aio.stream import Connection, Listener
from oncrpc.net.sockets import listen, listen_local
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, Echo, dispatcher, record
from support.loops import settle, until


class Serving:
    """A listener, what it stands on, and clients of it."""

    def __init__(self, limits: Limits, path: str | None, answering: Dispatcher | None) -> None:
        self.clock = ManualClock()
        self.echo = Echo()
        self.pool = Pool(limits, self.clock, poller=Poller(asyncio.get_running_loop()))
        sock = listen_local(path) if path else listen(transport("tcp"), "127.0.0.1", 0)
        self.address = sock.getsockname()
        self.family = sock.family
        netid = "local" if path else "tcp"
        answering = dispatcher(self.echo) if answering is None else answering
        self.listener = Listener(sock, netid, dispatcher=answering, pool=self.pool)
        self.clients: list[socket.socket] = []

    async def connect(self) -> socket.socket:
        """A connected client that the pool has accepted."""
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
async def serving(
    limits: Limits | None = None, path: str | None = None, answering: Dispatcher | None = None
) -> AsyncIterator[Serving]:
    """A listener that serves, ``answering`` or an echo."""
    made = Serving(limits or Limits(), path, answering)
    made.listener.start()
    try:
        yield made
    finally:
        made.listener.close()
        for client in made.clients:
            client.close()
        for connection in list(made.pool.connections):
            connection.stream.abort()
        made.pool.poller.close()
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
    """True if the server ends the connection before it sends more."""
    try:
        return await asyncio.get_running_loop().sock_recv(client, 1) == b""
    except ConnectionError:
        return True


async def connect_from(server: Serving, host: str) -> socket.socket:
    """A client with an address of its own, known to the pool."""
    client = server.client()
    client.bind((host, 0))
    before = set(server.pool.connections)
    await asyncio.get_running_loop().sock_connect(client, server.address)
    await until(lambda: set(server.pool.connections) - before)
    return client


async def answered(*clients: socket.socket) -> bool:
    """True if each of them is still served."""
    for client in clients:
        await send(client, record(1, ECHO_V1.NULL))
        assert await receive(client, 1) == [1]
    return True
