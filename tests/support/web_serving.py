"""A daemon with web pages on the loopback interface, and whoever asks for them byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from oncrpc.daemon.web.address import place_of
from oncrpc.daemon.web.open import opened, shown
from oncrpc.portmap.daemon import Daemon
from support.listeners import LOCALHOST, listening
from support.serving import stateful


@asynccontextmanager
async def showing(tmp_path: Path, **options: object) -> AsyncIterator[Daemon]:
    """The daemon, started, with its pages."""
    with listening(stateful(tmp_path, **options)) as listeners:
        listeners.web = opened(place_of(f"{LOCALHOST}:0"))
        made = Daemon(listeners=listeners, config=stateful(tmp_path, **options))
        async with shown(made):
            made.start()
            try:
                yield made
            finally:
                await made.close()


class Reply(NamedTuple):
    """A response of HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def address_of(made: Daemon) -> tuple[str, int]:
    """Where the pages are."""
    assert made.listeners.web is not None
    host, port = made.listeners.web.getsockname()[:2]
    return host, port


def request(path: str, method: str = "GET", **headers: str) -> bytes:
    """A request; a header's name has underscores for dashes, and Host is localhost if not said."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in ({"Host": "localhost"} | named).items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


async def asked(made: Daemon, sent: bytes) -> Reply:
    """What is answered to bytes, up to the end of the connection."""
    reader, writer = await asyncio.open_connection(*address_of(made))
    writer.write(sent)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(int(first.split()[1]), headers, body)


async def fetch(made: Daemon, path: str, method: str = "GET", **headers: str) -> Reply:
    """What is answered to a request."""
    return await asked(made, request(path, method, **headers))


class Watching:
    """Somebody who reads the events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = b""

    async def next(self, kind: str) -> Any:
        """What the next event of a kind says."""
        while True:
            told = dict[str, str]()
            while line := (await self.reader.readline()).decode().strip():
                if ": " in line:
                    name, _, value = line.partition(": ")
                    told[name] = value
            if told.get("event") == kind:
                return json.loads(told["data"])
            assert not self.reader.at_eof(), "no more events"


@asynccontextmanager
async def watching(made: Daemon) -> AsyncIterator[Watching]:
    """A connection to the events, past the head of the response."""
    reader, writer = await asyncio.open_connection(*address_of(made), limit=1 << 22)
    writer.write(request("/api/events"))
    found = Watching(reader, writer)
    found.head = await reader.readuntil(b"\r\n\r\n")
    try:
        yield found
    finally:
        writer.close()
        await writer.wait_closed()
