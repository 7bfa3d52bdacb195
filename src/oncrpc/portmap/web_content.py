"""The port mapper on the web: its page, its registrations as JSON, its events and metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from oncrpc.daemon.web.content import read_files
from oncrpc.daemon.web.pages import SHARED_FILES
from oncrpc.portmap.health import faults
from oncrpc.portmap.metrics import PortmapMetrics
from oncrpc.portmap.web_events import RegistryEvents

if TYPE_CHECKING:
    from oncrpc.portmap.app import PortMapper

PAGE = Path(__file__).with_name("page")
PAGE_FILES = SHARED_FILES | read_files(
    PAGE, ("index.html", "page.js", "table.js", "registrations.css")
)


class PortmapContent:
    """The content that ``daemon.web`` serves for a port mapper (``WebContent``)."""

    files = PAGE_FILES

    def __init__(self, app: PortMapper) -> None:
        self.app = app
        self.events = RegistryEvents(app)
        self.metrics = PortmapMetrics(app)
        self.routes = {"/api/registrations": self.events.registrations}

    def host_names(self) -> Collection[str]:
        """The names of the configuration."""
        return self.app.daemon.config.web.names

    def faults(self) -> Iterable[str]:
        """The faults of the port mapper."""
        return faults(self.app)
