"""The HTTP server of a daemon: static files, metrics, a health check, JSON, and events.

Everything is read-only, and there are no users. ``guard`` says which requests are refused, and why.
A connection carries one request, within a few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from oncrpc.daemon.web.content import StaticFile, WebContent
from oncrpc.daemon.web.feed import Feed
from oncrpc.daemon.web.guard import METHODS, asked_by_others, is_known
from oncrpc.daemon.web.metrics import TEXT, MetricsText

log = logging.getLogger("oncrpc.daemon.web")
"""Also the log of the HTTP library: for mistakes of ours, not those of clients."""

MAX_CONNECTIONS = 64
"""Connections to the web page; one more is closed."""

MAX_LINE = 4096
"""Bytes of the first line of a request, and of each header."""

OPTIONS: dict[str, Any] = {
    "logger": log,
    "access_log": None,
    "max_line_size": MAX_LINE,
    "max_field_size": MAX_LINE,
    "lingering_time": 0,
}
"""Of every connection."""

PATIENCE = 10.0
"""Seconds for a request to arrive and its response to be read; event streams have no limit."""

CLOSING = 0.1
"""Seconds for responses under way when the daemon ends."""

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
        self._watching: set[web.RequestHandler] = set()

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
        await self._http.shutdown(CLOSING)

    def _connected(self) -> asyncio.BaseProtocol:
        """Who answers a new connection, in the time that there is for the request."""
        if len(self._http.connections) >= MAX_CONNECTIONS:
            return _Refusing()
        loop = asyncio.get_running_loop()
        made = _Connection(self._http, loop=loop, **OPTIONS)
        loop.call_later(PATIENCE, self._end_if_late, made)
        return made

    def _end_if_late(self, connection: web.RequestHandler) -> None:
        """End a connection whose request is not there yet, or whose answer is not read."""
        if connection not in self._watching and connection.transport is not None:
            connection.transport.abort()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = self._refusal(request)
        if refused is not None:
            return refused
        route = self._routes.get(request.path)
        if route is None:
            return answer("there is no such page\n", status=404)
        return await route(request)

    def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        """What is answered to a request that is none of those that are answered."""
        if request.method not in METHODS:
            return answer("there is nothing to do here but to read\n", status=405, allow=METHODS)
        transport, host = request.transport, request.headers.get("Host", "")
        here = transport.get_extra_info("sockname")[0] if transport is not None else ""
        if not is_known(host, here=here, names=self.content.host_names()):
            return answer("this host is not known here; name it in web.names\n", status=421)
        if asked_by_others(request.headers):
            return answer("other sites' pages may not read this\n", status=403)
        return None

    async def _metrics(self, _request: web.BaseRequest) -> web.Response:
        return answer(self._metrics_text.text(), kind=TEXT)

    async def _health(self, _request: web.BaseRequest) -> web.Response:
        found = "; ".join(self.content.faults())
        return answer(f"{found or 'ok'}\n", status=503 if found else 200)

    async def _events(self, request: web.BaseRequest, *, feed: Feed) -> web.StreamResponse:
        """Send events for as long as the client reads them."""
        transport = request.transport
        if request.method == "HEAD" or transport is None:
            return answer(b"", kind=EVENTS)
        viewer = await feed.join(transport.abort)
        if viewer is None:
            return answer("too many viewers; try again later\n", status=503)
        try:
            self._watching.add(request.protocol)
            response = web.StreamResponse(headers={**HEADERS, "Content-Type": EVENTS})
            response.force_close()
            await response.prepare(request)
            with suppress(ConnectionError):
                while True:
                    await response.write(await viewer.next())
            return response
        finally:
            self._watching.discard(request.protocol)
            feed.leave(viewer)


class _Connection(web.RequestHandler):
    """Answers what is no request as everything else, and says nothing of what answers."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # which logs, and ends what was begun
        return answer(f"{HTTPStatus(status).phrase.lower()}\n", status=status)


class _Refusing(asyncio.Protocol):
    """Ends a connection that there is no room for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()  # uvloop's is none by its class


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
