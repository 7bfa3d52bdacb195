"""The HTTP server of a daemon: static files, metrics, a health check, JSON, and events.

Everything is read-only, and there are no users. ``guard`` says which requests are refused, and why.
A connection carries one request, within a few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from oncrpc.daemon.web.content import StaticFile, WebContent
from oncrpc.daemon.web.feed import Feed
from oncrpc.daemon.web.guard import METHODS, is_cross_site, is_known_host
from oncrpc.daemon.web.metrics import TEXT, MetricsText
from oncrpc.daemon.web.room import Room, client_source
from oncrpc.rpc.program import Origin

log = logging.getLogger("oncrpc.daemon.web")
"""Also the log of the HTTP library: for mistakes of ours, not those of clients."""

MAX_CONNECTIONS = 64
"""Connections, event streams not counted; one more closes the oldest of the source with most."""

MAX_REQUESTS_PER_SOURCE = 32
"""Connections of one source; one more closes its oldest."""

MAX_HEADER_LINE = 4096
"""Bytes of the first line of a request, and of each header."""

OPTIONS: dict[str, Any] = {
    "logger": log,
    "access_log": None,
    "max_line_size": MAX_HEADER_LINE,
    "max_field_size": MAX_HEADER_LINE,
    "lingering_time": 0,
}
"""Of every connection."""

HEADER_TIME = 5.0
"""Seconds for a request to arrive."""

RESPONSE_TIME = 10.0
"""Seconds for a request to arrive and its response to be read; event streams have no limit."""

HTTP_CLOSE_TIME = 0.1
"""Seconds for responses under way when the daemon ends."""

RESET = struct.pack("@2i", 1, 0)
"""The value of SO_LINGER that makes a close a reset."""

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Server": "oncrpc",
}
Answer = Awaitable[web.StreamResponse]


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


log.addFilter(_is_ours)


class WebServer:
    """Answers on a socket from ``start`` to ``close``."""

    def __init__(self, content: WebContent) -> None:
        self.content, self._metrics_text = content, MetricsText(content.metrics)
        self.feed = None if content.events is None else Feed(content.events)
        self._routes: Mapping[str, Callable[[web.BaseRequest], Answer]] = {
            "/metrics": self._metrics,
            "/healthz": self._health,
            **({} if self.feed is None else {"/api/events": partial(self._events, feed=self.feed)}),
            **{path: partial(_json, made=made) for path, made in content.routes.items()},
            **{path: partial(_file, file=file) for path, file in content.files.items()},
        }
        self.connections: Room[HttpConnection] = Room(
            most=MAX_CONNECTIONS, per_source=MAX_REQUESTS_PER_SOURCE
        )

    async def start(self, sock: socket.socket) -> None:
        """Begin to answer."""
        self._http = web.Server(self._answer, handler_cancellation=True)
        self._server = await asyncio.get_running_loop().create_server(self._connected, sock=sock)
        host, port = sock.getsockname()[:2]
        log.info("web pages on http://%s:%d/", f"[{host}]" if ":" in host else host, port)

    async def close(self) -> None:
        """End all connections."""
        self._server.close()
        if self.feed is not None:
            await self.feed.close()
        await self._http.shutdown(HTTP_CLOSE_TIME)

    def _connected(self) -> HttpConnection:
        return HttpConnection(self, self._http)

    def entered(self, connection: HttpConnection) -> None:
        """Enter a new connection; if there is no room, end another one."""
        crowded = self.connections.crowded(connection.source)
        if crowded is not None:
            self.connections.oldest(crowded).end()
        self.connections.enter(connection.source, connection)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(HttpConnection, request.protocol)
        connection.asked = True
        self.connections.enter(connection.source, connection)
        refused = self._refusal(request)
        if refused is not None:
            return refused
        route = self._routes.get(request.path)
        if route is None:
            return answer("page not found\n", status=404)
        return await route(request)

    def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        """The error response, or None if the request is acceptable."""
        if request.version.major != 1:
            return answer("this server speaks HTTP/1.1\n", status=505)
        if request.method not in METHODS:
            return answer("everything here is read-only\n", status=405, allow=METHODS)
        if request.body_exists:  # it would be read and discarded for as long as it is sent
            return answer("a request here has no body\n", status=400)
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1:  # RFC 9112 §3.2
            return answer("a request needs one Host header\n", status=400)
        # RFC 9112 §3.2.2: the host of an absolute target takes the place of the header's.
        host = hosts[0] if request.raw_path.startswith("/") else request.host
        transport = request.transport
        here = transport.get_extra_info("sockname")[0] if transport is not None else ""
        if not is_known_host(host, here=here, names=self.content.host_names()):
            return answer("unknown host name; add it to web.names\n", status=421)
        if is_cross_site(request.headers):
            return answer("pages of other sites may not read this\n", status=403)
        return None

    async def _metrics(self, _request: web.BaseRequest) -> web.Response:
        return answer(self._metrics_text.text(), kind=TEXT)

    async def _health(self, _request: web.BaseRequest) -> web.Response:
        found = "; ".join(self.content.faults())
        return answer(f"{found or 'ok'}\n", status=503 if found else 200)

    async def _events(self, request: web.BaseRequest, *, feed: Feed) -> web.StreamResponse:
        """Send events for as long as the client reads them."""
        connection = cast(HttpConnection, request.protocol)
        if request.method == "HEAD":
            return answer(b"", kind=EVENTS)
        viewer = await feed.join(connection.source, connection.end)
        if viewer is None:
            return answer("too many viewers; try again later\n", status=503)
        try:
            connection.streaming = True
            self.connections.leave(connection.source, connection)
            response = web.StreamResponse(headers={**HEADERS, "Content-Type": EVENTS})
            response.force_close()
            await response.prepare(request)
            with suppress(ConnectionError):
                while True:
                    await response.write(await viewer.next())
            return response
        finally:
            feed.leave(viewer)


class HttpConnection(web.RequestHandler):
    """A connection of one request: ``asked`` once that is complete."""

    __slots__ = ("_server", "_timers", "asked", "source", "streaming")

    def __init__(self, server: WebServer, http: web.Server) -> None:
        super().__init__(http, loop=asyncio.get_running_loop(), **OPTIONS)
        self._server, self.source = server, cast(Origin, None)
        self.asked = self.streaming = False
        self._timers: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.source = client_source(transport.get_extra_info("peername"))
        self._server.entered(self)
        later = asyncio.get_running_loop().call_later
        self._timers = [
            later(HEADER_TIME, self._end_unless, lambda: self.asked),
            later(RESPONSE_TIME, self._end_unless, lambda: self.streaming),
        ]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.connections.leave(self.source, self)
        for timer in self._timers:
            timer.cancel()
        super().connection_lost(exc)

    def _end_unless(self, fine: Callable[[], bool]) -> None:
        if not fine():
            self.end()

    def end(self) -> None:
        """End the connection now, and forget what is unread."""
        self._server.connections.leave(self.source, self)
        if self.transport is None or self.transport.is_closing():
            return
        # Otherwise the kernel keeps what it has to send for as long as the peer is silent.
        with suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, RESET
            )
        self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer an invalid request without naming the HTTP library."""
        super().handle_error(request, status, exc, message)  # which logs, and ends what was begun
        return answer(f"{HTTPStatus(status).phrase.lower()}\n", status=status)


async def _file(_request: web.BaseRequest, *, file: StaticFile) -> web.Response:
    return answer(file.body, kind=file.kind)


async def _json(_request: web.BaseRequest, *, made: Callable[[], Awaitable[bytes]]) -> web.Response:
    return answer(await made(), kind=JSON)


def answer(
    body: bytes | str, *, status: int = 200, kind: str = PLAIN, allow: Sequence[str] = ()
) -> web.Response:
    """A response that ends its connection."""
    headers = {**HEADERS, "Content-Type": kind} | ({"Allow": ", ".join(allow)} if allow else {})
    data = body.encode() if isinstance(body, str) else body
    made = web.Response(body=data, status=status, headers=headers)
    made.force_close()
    return made
