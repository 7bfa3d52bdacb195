"""The metrics of the port mapper, read from a snapshot of its status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from oncrpc.daemon.common_status import common_status
from oncrpc.daemon.control.outcomes import Observed, ProcedureId
from oncrpc.daemon.web.metrics import Families, ProcedureCount
from oncrpc.portmap.status import Status
from oncrpc.portmap.vocabulary import VERSIONS, VOCABULARY
from oncrpc.programs.rpcb import RPCBPROG

if TYPE_CHECKING:
    from oncrpc.portmap.app import PortMapper

METRICS = Families("portmap")
NUMBERS = {
    (version.vers, VOCABULARY.name(procedure)): number
    for version in VERSIONS
    for number, procedure in version.procedures.items()
}
"""The number of each procedure by version and name."""


class PortmapMetrics:
    """Reads a port mapper each time it is called."""

    def __init__(self, app: PortMapper) -> None:
        self.app = app
        self._netids: tuple[int, Counter[str]] = (-1, Counter())

    def __call__(self) -> Iterator[Metric]:
        """All metrics."""
        status = self.app.report(common_status(self.app.daemon), listed=0)
        yield METRICS.build(status.version)
        dispatcher = self.app.daemon.server.dispatcher
        if isinstance(dispatcher, Observed):
            yield from METRICS.calls(_counted(status), dispatcher.outcomes)
        yield METRICS.gauges(
            "registrations", "Registrations by netid.", "netid", self._registered()
        )
        yield from _of_changes(status)
        yield from _of_traffic(status)
        yield from _of_store(status)
        yield from _of_liveness(status)
        yield METRICS.reloads(status.reloads)

    def _registered(self) -> Mapping[str, int]:
        """Registrations by netid, counted once for every generation of the registry."""
        registry = self.app.registry
        generation, counts = self._netids
        if generation != registry.generation:
            counts = Counter(entry.r_netid.lower().decode() for entry in registry)
            self._netids = registry.generation, counts
        return counts


def _counted(status: Status) -> Iterator[ProcedureCount]:
    for each in status.calls.procedures:
        procedure = ProcedureId(RPCBPROG, each.version, NUMBERS[each.version, each.procedure])
        yield ProcedureCount(procedure, each.procedure, each.calls)


def _of_changes(status: Status) -> Iterator[Metric]:
    sets = {str(each.version): each.set for each in status.changes}
    unsets = {str(each.version): each.unset for each in status.changes}
    yield METRICS.counts("sets", "SETs that succeeded.", "version", sets)
    yield METRICS.counts("unsets", "UNSETs that succeeded.", "version", unsets)


def _of_traffic(status: Status) -> Iterator[Metric]:
    netids = dict.fromkeys((each.netid for each in status.sockets if each.netid[:3] != "udp"), 0)
    yield from METRICS.traffic(
        refusals=status.refusals,
        drops={name: getattr(status.drops, name) for name in status.drops.__struct_fields__},
        connections=netids | status.connections,
    )
    yield METRICS.gauge("forwards_pending", "Forwarded calls under way.", status.forwarding.pending)


def _of_store(status: Status) -> Iterator[Metric]:
    if status.state is None:
        return
    yield METRICS.gauge(
        "store_journal_bytes", "Size of the journal of the registry on disk.", status.state.journal
    )
    yield METRICS.count("store_appends", "Changes written to the journal.", status.state.appends)
    yield METRICS.count(
        "store_failures",
        "Attempts to write that failed; the changes were refused.",
        status.state.failures,
    )


def _of_liveness(status: Status) -> Iterator[Metric]:
    checks = status.liveness
    yield METRICS.count(
        "liveness_checks", "Checks of all registrations for their servers.", checks.checks
    )
    yield METRICS.count(
        "liveness_drops", "Registrations dropped because their servers ended.", checks.dropped
    )
