"""Connections that one server accepts and another one serves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.addr import transport
from oncrpc.aio.connections import Carried
from oncrpc.aio.server import Server
from oncrpc.net.sockets import listen
from support.echo import ECHO_V1, Echo, dispatcher, record
from support.loops import run, until
from support.streams import receive, send


class Other:
    """A deputy in the same process, which gives connections to a second server."""

    def __init__(self) -> None:
        self.server = Server(dispatcher(Echo()))
        self.receiver = self.server.receive("tcp", socket.AF_INET)
        self.hosts: list[str] = []
        self.thawed = 0

    def take(self, sock: socket.SocketType, host: str, netid: str, carried: Carried | None) -> None:
        """Serve a connection."""
        assert netid == "tcp"
        self.hosts.append(host)
        if carried is None:
            self.receiver.receive(sock.detach())
        else:
            self.receiver.adopt(carried._replace(descriptor=sock.detach()))

    async def freeze(self) -> list[Carried]:
        """The connections of the second server."""
        return await self.server.freeze()

    def thaw(self) -> None:
        """Go on in the second server."""
        self.thawed += 1
        self.server.thaw()


class Both:
    """A server whose connections another one serves, and a client."""

    def __init__(self) -> None:
        self.other, self.echo = Other(), Echo()
        self.listening = listen(transport("tcp"), "127.0.0.1", 0)
        self.server = Server(dispatcher(self.echo), deputy=self.other)
        self.server.add(self.listening, "tcp")
        self.client = socket.socket()
        self.client.setblocking(False)


@asynccontextmanager
async def both() -> AsyncIterator[Both]:
    made = Both()
    made.server.start()
    made.other.server.start()
    await asyncio.get_running_loop().sock_connect(made.client, made.listening.getsockname())
    yield made
    made.client.close()
    await made.server.close()
    await made.other.server.close()


def test_other_server_answers_an_accepted_connection() -> None:
    async def scenario() -> None:
        async with both() as made:
            await send(made.client, record(1, ECHO_V1.NULL))

            assert await receive(made.client, 1) == [1]
            assert made.other.hosts == ["127.0.0.1"]
            assert not made.server.pools["tcp"].connections

    run(scenario())


def test_frozen_connection_can_be_carried_on() -> None:
    async def scenario() -> None:
        async with both() as made:
            await until(lambda: made.other.server.pools["tcp"].connections)
            [carried] = await made.server.freeze(drain=0.0)
            made.server.thaw()
            await send(made.client, record(2, ECHO_V1.NULL))

            assert carried.netid == "tcp"
            assert await receive(made.client, 1) == [2]
            assert made.other.thawed == 1

    run(scenario())


def test_connection_of_a_lost_client_is_closed() -> None:
    async def scenario() -> None:
        other = Other()
        unconnected = socket.socket()
        other.receiver.receive(unconnected.detach())

        assert not other.server.pools["tcp"].connections
        await other.server.close()

    run(scenario())
