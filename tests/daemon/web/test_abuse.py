"""Clients that hold connections, send invalid requests, or do not read."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from oncrpc.daemon.web import feed, server
from oncrpc.daemon.web.content import event
from oncrpc.daemon.web.feed import MAX_VIEWERS
from support.loops import LOOPS, run, until
from support.web_serving import (
    Address,
    CountedEvents,
    SomeContent,
    asked,
    fetch,
    request,
    served,
    watching,
)

OTHER = "127.0.0.2"


@contextlib.asynccontextmanager
async def holding(
    place: Address, count: int, sent: bytes = b"", sources: Sequence[str] = ("127.0.0.1",)
) -> AsyncIterator[list[socket.socket]]:
    """Open connections that send these bytes and wait."""
    loop = asyncio.get_running_loop()
    made = [socket.socket() for _ in range(count)]
    try:
        for each, source in zip(made, itertools.cycle(sources), strict=False):
            each.setblocking(False)
            each.bind((source, 0))
            await loop.sock_connect(each, place)
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(each, sent)
        yield made
    finally:
        for each in made:
            each.close()


async def ended(connection: socket.socket) -> bool:
    """True if the connection ends without a response."""
    try:
        return await asyncio.get_running_loop().sock_recv(connection, 1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("source", ["127.0.0.1", OTHER])
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x"])
def test_idle_connections_keep_nobody_out(loop: str, source: str, sent: bytes) -> None:
    async def scenario() -> int:
        async with served() as place, holding(place, 300, sent):
            return (await asked(place, request("/healthz"), source)).status

    assert run(scenario(), on=loop) == 200


async def error_of(connection: socket.socket) -> int:
    """The error that ends a connection from which nothing is read."""
    found: list[int] = []

    def failed() -> bool:
        found.append(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return bool(found[-1])

    await until(failed)
    return found[-1]


def is_open(connection: socket.socket) -> bool:
    """True while the server keeps the connection open."""
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_are_bounded(loop: str) -> None:
    sources = [f"127.0.0.{number}" for number in range(1, 6)]

    async def scenario() -> int:
        async with served() as place, holding(place, 300, sources=sources) as held:
            assert (await fetch(place, "/healthz")).status == 200
            return sum(map(is_open, held))

    assert run(scenario(), on=loop) <= server.MAX_CONNECTIONS


def test_source_has_a_share_of_connections() -> None:
    async def scenario() -> None:
        async with served() as place, holding(place, server.MAX_REQUESTS_PER_SOURCE + 1) as held:
            assert await ended(held[0])
            assert is_open(held[1])

    run(scenario())


def test_late_header_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_TIME", 0.02)

    async def scenario() -> None:
        async with served() as place, watching(place) as viewer:
            async with holding(place, 1, b"GET / HT") as (silent,):
                assert await ended(silent)
            assert not viewer.reader.at_eof()

    run(scenario())


def test_unread_response_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RESPONSE_TIME", 0.05)

    async def large() -> bytes:
        return b"x" * (24 << 20)

    async def scenario() -> int:
        sent = request("/api/large")
        content = SomeContent(routes={"/api/large": large})
        async with served(content) as place, holding(place, 1, sent) as (connection,):
            return await error_of(connection)

    assert run(scenario()) == errno.ECONNRESET


def test_one_source_leaves_event_streams_to_others() -> None:
    async def scenario() -> None:
        async with served() as place, contextlib.AsyncExitStack() as held:
            viewers = [await held.enter_async_context(watching(place)) for _ in range(MAX_VIEWERS)]
            assert (await fetch(place, "/api/events")).status == 503

            other = await held.enter_async_context(watching(place, source=OTHER))
            await other.next("snapshot")
            assert await viewers[0].ended()

    run(scenario())


def test_viewer_that_reads_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "TICK", 0.001)

    class Chatty(CountedEvents):
        async def tick(self) -> list[bytes]:
            return [event("much", "x" * 100_000)]

    async def scenario() -> int:
        sent = request("/api/events")
        content = SomeContent(events=Chatty())
        async with served(content) as place, holding(place, 1, sent) as (connection,):
            return await error_of(connection)

    assert run(scenario()) == errno.ECONNRESET


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nhOST: localhost\r\n\r\n",
        b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n evil: 1\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET\t/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: \x00\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 3\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_odd_requests_are_rejected(sent: bytes) -> None:
    async def scenario() -> int:
        async with served() as place:
            return (await asked(place, sent)).status

    assert 400 <= run(scenario()) < 600


@pytest.mark.parametrize(
    "smuggled",
    [
        request("/healthz") * 2,
        request("/healthz", Content_Length="5")
        + b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        request("/healthz", Transfer_Encoding="chunked") + b"0\r\n\r\n" + request("/metrics"),
        request("/healthz", Connection="keep-alive") + request("/metrics"),
        request("/healthz", Upgrade="websocket", Connection="Upgrade") + request("/metrics"),
        request("/healthz", Expect="100-continue") + request("/metrics"),
    ],
)
def test_connection_carries_one_response(smuggled: bytes) -> None:
    async def scenario() -> bytes:
        async with served() as place:
            reader, writer = await asyncio.open_connection(*place)
            writer.write(smuggled)
            found = await reader.read()
            writer.close()
            return found

    found = run(scenario())
    assert found.count(b"HTTP/1.") == 1
    assert b"process_" not in found
