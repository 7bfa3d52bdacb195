"""UDP endpoints on the loopback interface, and clients that send to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.addr import transport
from oncrpc.aio.guard import Guard
from oncrpc.aio.limits import Limits
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.net.sockets import listen
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.reply_cache import ReplyCache
from oncrpc.testing import ManualClock
from support.echo import Echo, dispatcher
from support.loops import settle


@asynccontextmanager
async def endpoint(
    netid: str = "udp", host: str = "0.0.0.0", *, limits: Limits | None = None
) -> AsyncIterator[tuple[Echo, UdpEndpoint, int]]:
    """An endpoint that serves, its service, and its port."""
    echo = Echo()
    sock = listen(transport(netid), host, 0)
    made = UdpEndpoint(sock, netid, dispatcher(echo), limits=limits)
    made.start()
    try:
        yield echo, made, made.sock.getsockname()[1]
    finally:
        made.close()
        await settle()


class Client:
    """A UDP socket that sends to an address and sees from which one the reply came."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    async def ask(self, message: bytes, *to: object) -> tuple[bytes, str]:
        """Send, and wait for a reply: its bytes and where it came from."""
        self.sock.sendto(message, to)
        return await self.reply()

    async def reply(self) -> tuple[bytes, str]:
        """Wait for a reply."""
        loop = asyncio.get_running_loop()
        data, source = await loop.sock_recvfrom(self.sock, 65536)
        return data, source[0]


@asynccontextmanager
async def guarded(guard: Guard, cache: ReplyCache | None = None) -> AsyncIterator[UdpEndpoint]:
    """An endpoint with a guard, and if given a reply cache."""
    answering = Dispatcher([Echo()], clock=ManualClock(), reply_cache=cache)
    made = UdpEndpoint(listen(transport("udp"), "127.0.0.1", 0), "udp", answering, guard)
    made.start()
    try:
        yield made
    finally:
        made.close()
        await settle()


class Subject:
    """The mutable state from which the replies are computed."""

    generation = 0
