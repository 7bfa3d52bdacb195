"""Servers and scripted peers for links, on the loopback interface."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from oncrpc.addr import split_uaddr
from oncrpc.aio.link import AioLink, dial
from oncrpc.aio.serve import serve
from oncrpc.aio.server import Server
from oncrpc.rpc.record import RecordReader, encode_record
from support.echo import ECHO_V1, Echo
from support.loops import settle
from support.words import words

SUCCESS = words(1, 0, 0, 0, 0)
LOCALHOST = "127.0.0.1"
NETIDS = {"tcp": LOCALHOST, "udp": LOCALHOST, "tcp6": "::1", "udp6": "::1"}


def port_of(server: Server, netid: str) -> int:
    """The port of one of its netids."""
    return split_uaddr(server.addresses[netid])[1]


@asynccontextmanager
async def echoing(netid: str = "tcp") -> AsyncIterator[tuple[Echo, int]]:
    """A server of the program on the loopback interface, and its port."""
    echo = Echo()
    async with serve(echo, transports=[netid], host=NETIDS[netid]) as server:
        try:
            yield echo, port_of(server, netid)
        finally:
            echo.go.set()


class Peer:
    """The other end of a link, which does what the test says; calls and replies are messages."""

    def __init__(self, netid: str) -> None:
        self.datagram = netid == "udp"
        kind = socket.SOCK_DGRAM if self.datagram else socket.SOCK_STREAM
        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.bind((LOCALHOST, 0))
        self.sock.setblocking(False)
        if not self.datagram:
            self.sock.listen()
        self.port = int(self.sock.getsockname()[1])
        self.link: AioLink | None = None
        self.stream = self.sock
        self.reader = RecordReader()

    async def dial(self, **options: Any) -> AioLink:
        """A link to it."""
        netid = "udp" if self.datagram else "tcp"
        self.link = await dial(netid, LOCALHOST, self.port, **options)
        if not self.datagram:
            self.stream, _ = await asyncio.get_running_loop().sock_accept(self.sock)
        return self.link

    async def call(self) -> bytes:
        """The next call."""
        loop = asyncio.get_running_loop()
        if self.datagram:
            data, self.client = await loop.sock_recvfrom(self.sock, 65536)
            return data
        while not (found := next(self.reader.records(), b"")):
            self.reader.feed(await loop.sock_recv(self.stream, 65536))
        return found

    def send(self, message: bytes) -> None:
        """A message to the link."""
        if self.datagram:
            self.sock.sendto(message, self.client)
        else:
            self.stream.send(encode_record(message))

    def reset(self) -> None:
        """End the connection at once."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        self.stream.close()


@asynccontextmanager
async def peer(netid: str = "tcp") -> AsyncIterator[Peer]:
    """A peer, closed with its link when the test ends."""
    made = Peer(netid)
    try:
        yield made
    finally:
        if made.link is not None:
            made.link.close()
        made.stream.close()
        made.sock.close()
        await settle()


def begin(link: AioLink, argument: bytes = b"") -> asyncio.Task[bytes]:
    """A call under way."""
    return asyncio.ensure_future(link.call(ECHO_V1.ECHO, argument))


def result(call: bytes, value: bytes) -> bytes:
    """The reply to a call: four bytes of opaque data."""
    return call[:4] + SUCCESS + words(4, value)
