"""The web content of an application; ``daemon.web.server`` serves it over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from prometheus_client.core import Metric

MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


class StaticFile(NamedTuple):
    """A file that is served unchanged, and its media type."""

    body: bytes
    kind: str


class EventSource(Protocol):
    """Produces server-sent events (made with ``event``), and works only while there are viewers."""

    async def begin(self) -> None:
        """Called when the first viewer joins: note the state before the first ``tick``."""

    def snapshot(self) -> bytes:
        """The first event for a new viewer: the state as of the last ``begin`` or ``tick``."""

    async def tick(self) -> Sequence[bytes]:
        """The events for all viewers since the last ``begin`` or ``tick``.

        Called every ``oncrpc.daemon.web.feed.TICK`` seconds, and before another viewer joins.
        """


class WebContent(Protocol):
    """The web part of an application.

    The metrics named ``process_…`` and the paths ``/metrics`` and ``/healthz`` are always there;
    ``/api/events`` is there if ``events`` is not None.
    """

    @property
    def files(self) -> Mapping[str, StaticFile]:
        """Static files by path (``read_files``)."""

    @property
    def routes(self) -> Mapping[str, Callable[[], Awaitable[bytes]]]:
        """Functions that return JSON, by path."""

    @property
    def events(self) -> EventSource | None:
        """The source of ``/api/events``."""

    def host_names(self) -> Collection[str]:
        """Host names, in lower case, that requests may use besides the address and localhost."""

    def metrics(self) -> Iterable[Metric]:
        """The metrics as they are now."""

    def faults(self) -> Iterable[str]:
        """Reasons why the daemon cannot do its work; empty if it is healthy."""


def read_files(folder: Path, names: Iterable[str]) -> dict[str, StaticFile]:
    """Read static files; ``index.html`` is served as ``/``.

    Call this while a module is imported: the user that the daemon becomes may not be able to read
    the folder.
    """
    return {
        "/" if name == "index.html" else f"/{name}": StaticFile(
            (folder / name).read_bytes(), f"{MEDIA_TYPES[Path(name).suffix]}; charset=utf-8"
        )
        for name in names
    }


def event(name: str, data: object) -> bytes:
    """Encode a server-sent event. JSON contains no line ends, so that the data is one line."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
