"""The web content of an application that brings none: the common metrics, and no page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from oncrpc.daemon.common_status import common_status
from oncrpc.daemon.control.outcomes import Observed, ProcedureId
from oncrpc.daemon.web.content import EventSource, StaticFile
from oncrpc.daemon.web.metrics import Families, ProcedureCount

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from oncrpc.daemon.runtime import Runtime


class CommonContent:
    """Implements ``WebContent`` for any daemon."""

    files: Mapping[str, StaticFile] = {}
    routes: Mapping[str, Callable[[], Awaitable[bytes]]] = {}
    events: EventSource | None = None

    def __init__(self, daemon: Runtime[Any]) -> None:
        self.daemon = daemon
        self._families = Families(daemon.app.name)

    def host_names(self) -> Collection[str]:
        """The names of the configuration."""
        names: Collection[str] = self.daemon.config.web.names
        return names

    def faults(self) -> Iterable[str]:
        """The faults of the application, and whether the daemon ends."""
        if self.daemon.ended.is_set():
            yield "the daemon is ending"
        yield from self.daemon.app.faults()

    def metrics(self) -> Iterator[Metric]:
        """Version, calls, refusals, drops, connections, reloads."""
        status, families = common_status(self.daemon), self._families
        yield families.build(status.version)
        dispatcher = self.daemon.server.dispatcher
        if isinstance(dispatcher, Observed):
            yield from families.calls(self._counted(), dispatcher.outcomes)
        yield from families.traffic(
            refusals=status.refusals,
            drops={name: getattr(status.drops, name) for name in status.drops.__struct_fields__},
            connections=status.connections,
        )
        yield families.reloads(status.reloads)

    def _counted(self) -> Iterator[ProcedureCount]:
        app = self.daemon.app
        for version, row in zip(app.versions, app.calls(), strict=True):
            for number, procedure in sorted(version.procedures.items()):
                name = app.vocabulary.name(procedure)
                yield ProcedureCount(ProcedureId.of(procedure), name, row[number])
