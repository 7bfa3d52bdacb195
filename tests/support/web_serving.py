"""Web servers on the loopback interface, and clients that write requests byte by byte.

``served`` serves any content, by default ``SomeContent``; ``showing`` runs a whole port mapper.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oncrpc.daemon.config.values import web_address_of
from oncrpc.daemon.web.content import StaticFile, WebContent, event
from oncrpc.daemon.web.open import opened, web_server
from oncrpc.portmap.app import PortMapper
from support.daemons import LOCALHOST, Daemon, listening, stateful

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Address = tuple[str, int]


@asynccontextmanager
async def showing(tmp_path: Path, **options: object) -> AsyncIterator[Daemon]:
    """A running port mapper with its web page."""
    setup = stateful(tmp_path, **options)
    with listening(setup) as listeners:
        listeners.web = opened(web_address_of(f"{LOCALHOST}:0"), modules=PortMapper.web_modules)
        made = setup.daemon(listeners)
        async with web_server(listeners.web, made.content):
            made.start()
            try:
                yield made
            finally:
                await made.close()


class CountedEvents:
    """A source of events that counts how often it was asked; ``waiting`` is sent at the next."""

    def __init__(self) -> None:
        self.begun = self.ticks = 0
        self.waiting: list[bytes] = []

    async def begin(self) -> None:
        """Count it."""
        self.begun += 1

    def snapshot(self) -> bytes:
        """The number of ticks so far."""
        return event("snapshot", self.ticks)

    async def tick(self) -> Sequence[bytes]:
        """Requests that wait."""
        self.ticks += 1
        waiting, self.waiting = self.waiting, []
        return waiting


async def nothing() -> bytes:
    """An empty document."""
    return b"{}"


@dataclass
class SomeContent:
    """Content that tests change."""

    files: Mapping[str, StaticFile] = field(
        default_factory=lambda: {"/": StaticFile(b"<p>hello", "text/html; charset=utf-8")}
    )
    routes: Mapping[str, Any] = field(default_factory=lambda: {"/api/nothing": nothing})
    events: CountedEvents | None = field(default_factory=CountedEvents)
    names: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    measured: list[Metric] = field(default_factory=list)

    def host_names(self) -> Sequence[str]:
        """``names``."""
        return self.names

    def metrics(self) -> Iterable[Metric]:
        """``measured``."""
        return self.measured

    def faults(self) -> Iterable[str]:
        """``wrong``."""
        return self.wrong


@asynccontextmanager
async def served(content: WebContent | None = None) -> AsyncIterator[Address]:
    """The address of a web server with this content."""
    sock = opened(web_address_of(f"{LOCALHOST}:0"))
    assert sock is not None
    with sock:
        host, port = sock.getsockname()
        async with web_server(sock, lambda: content or SomeContent()):
            yield host, port


class Reply(NamedTuple):
    """A response of HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def address_of(made: Daemon | Address) -> Address:
    """The address of a port mapper's web page."""
    if isinstance(made, tuple):
        return made
    assert made.listeners.web is not None
    host, port = made.listeners.web.getsockname()[:2]
    return host, port


def request(path: str, method: str = "GET", **headers: str) -> bytes:
    """A request; underscores in header names stand for dashes, and Host defaults to localhost."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in ({"Host": "localhost"} | named).items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


async def asked(made: Daemon | Address, sent: bytes, source: str | None = None) -> Reply:
    """The one response to these bytes, read to the end of the connection."""
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(*address_of(made), local_addr=local)
    writer.write(sent)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(int(first.split()[1]), headers, body)


async def fetch(made: Daemon | Address, path: str, method: str = "GET", **headers: str) -> Reply:
    """The response to a request."""
    return await asked(made, request(path, method, **headers))


class Watching:
    """A client that reads events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = b""

    async def next(self, kind: str) -> Any:
        """The data of the next event of a kind."""
        while True:
            told = dict[str, str]()
            while line := (await self.reader.readline()).decode().strip():
                if ": " in line:
                    name, _, value = line.partition(": ")
                    told[name] = value
            if told.get("event") == kind:
                return json.loads(told["data"])
            assert not self.reader.at_eof(), "no more events"

    async def ended(self) -> bool:
        """Read to the end of the connection."""
        try:
            while await self.reader.readline():
                pass
        except ConnectionResetError:
            pass
        return True


@asynccontextmanager
async def watching(
    made: Daemon | Address, source: str | None = None, path: str = "/api/events"
) -> AsyncIterator[Watching]:
    """A connection to the events, past the head of the response."""
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(
        *address_of(made), limit=1 << 22, local_addr=local
    )
    writer.write(request(path))
    found = Watching(reader, writer)
    found.head = await reader.readuntil(b"\r\n\r\n")
    try:
        yield found
    finally:
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
