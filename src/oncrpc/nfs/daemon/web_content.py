"""``nfsd`` on the web: its page, its status as JSON, its events and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, Metric

from oncrpc.daemon.common_content import CommonContent
from oncrpc.daemon.control.outcomes import Observed
from oncrpc.daemon.web.content import read_files
from oncrpc.daemon.web.metrics import Families
from oncrpc.daemon.web.pages import SHARED_FILES
from oncrpc.nfs.daemon.config import NAME
from oncrpc.nfs.daemon.lock_metrics import lock_metrics
from oncrpc.nfs.daemon.report import every_open_file
from oncrpc.nfs.daemon.web_events import NfsdEvents
from oncrpc.numbers import program_name

if TYPE_CHECKING:
    from oncrpc.nfs.daemon.app import Nfsd

PAGE = Path(__file__).with_name("page")
PAGE_FILES = SHARED_FILES | read_files(PAGE, ("index.html", "page.js", "nfsd.css"))
METRICS = Families(NAME)


class NfsdContent(CommonContent):
    """The content that ``daemon.web`` serves for an NFS server (``WebContent``)."""

    files = PAGE_FILES

    def __init__(self, app: Nfsd) -> None:
        super().__init__(app.daemon)
        self.app = app
        live = NfsdEvents(app)
        self.events = live
        self.routes = {"/api/status": live.status}

    def metrics(self) -> Iterator[Metric]:
        """Those of every daemon, the time that calls took, and numbers of the server."""
        yield from super().metrics()
        yield self._seconds()
        app, files = self.app, every_open_file(self.app)
        replies = len(app.nfs_duplicates)
        if app.workers is not None:
            replies += app.workers.total("duplicates")
        numbers = {
            "exports": ("Exports that are served.", len(list(app.shares))),
            "exports_failed": ("Exports that cannot be served.", len(app.exported.failed)),
            "mounts": ("Entries of the mount list.", len(app.mounts)),
            "clients": ("Client addresses that called lately.", len(app.clients)),
            "open_files": ("Files that are kept open.", files.number),
            "cached_files": ("Files that stay open for a moment.", files.cached),
            "unsynced_bytes": (
                "Bytes of open files that may not be on disk yet.",
                files.unsynced,
            ),
            "replies_kept": (
                "Replies that are kept for calls that are sent again.",
                replies,
            ),
        }
        for name, (text, value) in numbers.items():
            yield METRICS.gauge(name, text, value)
        yield from lock_metrics(app, METRICS)

    def _seconds(self) -> Metric:
        made = CounterMetricFamily(
            f"{NAME}_call_seconds",
            "Time that the calls of a procedure took together.",
            labels=("program", "version", "procedure"),
        )
        dispatcher, app = self.daemon.server.dispatcher, self.app
        taken = dispatcher.outcomes.seconds_of if isinstance(dispatcher, Observed) else {}
        for (prog, vers, number), seconds in sorted(taken.items()):
            procedures = next(
                (
                    each.procedures
                    for each in app.versions
                    if (each.prog, each.vers) == (prog, vers)
                ),
                {},
            )
            if number in procedures:
                name = app.vocabulary.name(procedures[number])
                made.add_metric((program_name(prog) or str(prog), str(vers), name), seconds)
        return made
