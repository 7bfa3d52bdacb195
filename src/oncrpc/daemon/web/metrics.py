"""The metrics of a daemon, in the text format of Prometheus.

They are read from a snapshot when they are asked for. Labels have few values: none of them is a
name or number that a caller could think of.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from oncrpc.daemon.control.outcomes import BOUNDS, SUCCESS, Observed, Outcomes, Procedure
from oncrpc.portmap.report import VERSIONS, snapshot
from oncrpc.portmap.status import Status
from oncrpc.portmap.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from oncrpc.portmap.daemon import Daemon

TEXT = "text/plain; version=0.0.4; charset=utf-8"
NUMBERS = {
    (version.vers, VOCABULARY.name(procedure)): number
    for version in VERSIONS
    for number, procedure in version.procedures.items()
}
"""The number of each procedure by version and name."""

CALLS = (
    "Calls of the port mapper by what was answered; an address that is not found is a success too."
)
ASTRAY = "Calls that came to no procedure, by what was answered."
SECONDS = (
    "Time to answer calls that were worked out; the many answers that are given from memory,"
    " in some microseconds, are not in it."
)
Values = Mapping[str, float]


class DaemonCollector(Collector):
    """Reads a daemon anew for every collection."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._netids: tuple[int, Counter[str]] = (-1, Counter())

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        status = snapshot(self.daemon, listed=0)
        yield _gauge(
            "portmap_build_info",
            "The version of the port mapper and of its interpreter; always 1.",
            ("version", "python"),
            [((status.version, platform.python_version()), 1)],
        )
        dispatcher = self.daemon.server.dispatcher
        if isinstance(dispatcher, Observed):
            yield from _of_calls(status, dispatcher.outcomes)
        yield _by("portmap_registrations", "Registrations by netid.", "netid", self._registered())
        yield from _of_changes(status)
        yield from _of_traffic(status)
        yield from _of_store(status)
        yield from _of_life(status)

    def _registered(self) -> Values:
        """Counted once for every generation of the registry: it may be large."""
        registry = self.daemon.registry
        generation, counts = self._netids
        if generation != registry.generation:
            counts = Counter(entry.r_netid.lower().decode() for entry in registry)
            self._netids = registry.generation, counts
        return counts


class Metrics:
    """The text of a daemon's metrics, and of the process that it is."""

    def __init__(self, daemon: Daemon) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(DaemonCollector(daemon))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """As it is now."""
        return generate_latest(self._registry)


def _of_calls(status: Status, outcomes: Outcomes) -> Iterator[Metric]:
    calls = CounterMetricFamily("portmap_calls", CALLS, labels=("version", "procedure", "outcome"))
    for each in status.calls.procedures:
        procedure = Procedure(each.version, NUMBERS[each.version, each.procedure])
        labels = str(each.version), each.procedure
        calls.add_metric((*labels, SUCCESS), outcomes.successes(procedure, each.calls))
        for (failed, outcome), count in outcomes.failures.items():
            if failed == procedure:
                calls.add_metric((*labels, outcome), count)
    yield calls
    yield _by("portmap_calls_astray", ASTRAY, "outcome", outcomes.astray, counter=True)
    limits = [*map(str, BOUNDS), "+Inf"]
    yield HistogramMetricFamily(
        "portmap_call_duration_seconds",
        SECONDS,
        buckets=list(zip(limits, accumulate(outcomes.times), strict=True)),
        sum_value=outcomes.seconds,
    )


def _of_changes(status: Status) -> Iterator[Metric]:
    sets = {str(each.version): each.set for each in status.changes}
    unsets = {str(each.version): each.unset for each in status.changes}
    yield _by("portmap_sets", "SETs that were successes.", "version", sets, counter=True)
    yield _by("portmap_unsets", "UNSETs that were successes.", "version", unsets, counter=True)


def _of_traffic(status: Status) -> Iterator[Metric]:
    drops = {name: getattr(status.drops, name) for name in status.drops.__struct_fields__}
    yield _by(
        "portmap_refusals", "Calls that were not carried out, by cause.", "cause", status.refusals,
        counter=True,
    )  # fmt: skip
    yield _by(
        "portmap_drops", "Datagrams not answered, or not with what was asked, by cause.", "cause",
        drops, counter=True,
    )  # fmt: skip
    netids = dict.fromkeys((each.netid for each in status.sockets if each.netid[:3] != "udp"), 0)
    yield _by(
        "portmap_connections", "Open connections by netid.", "netid", netids | status.connections
    )
    pending = GaugeMetricFamily("portmap_forwards_pending", "Forwarded calls under way.")
    pending.add_metric((), status.forwarding.pending)
    yield pending


def _of_store(status: Status) -> Iterator[Metric]:
    if status.state is None:
        return
    size = GaugeMetricFamily(
        "portmap_store_journal_bytes", "Size of the journal of the registry on disk."
    )
    size.add_metric((), status.state.journal)
    yield size
    yield _count("portmap_store_appends", "Changes written to the journal.", status.state.appends)
    yield _count(
        "portmap_store_failures", "Attempts to write that failed; changes were refused.",
        status.state.failures,
    )  # fmt: skip


def _of_life(status: Status) -> Iterator[Metric]:
    checks = status.liveness
    yield _count(
        "portmap_liveness_checks", "Looks at all registrations for their servers.", checks.checks
    )
    yield _count(
        "portmap_liveness_drops", "Registrations dropped as their servers had gone.", checks.dropped
    )
    yield _by(
        "portmap_reloads", "Readings of the policy file again.", "outcome", status.reloads,
        counter=True,
    )  # fmt: skip


def _count(name: str, text: str, value: float) -> Metric:
    made = CounterMetricFamily(name, text)
    made.add_metric((), value)
    return made


def _by(name: str, text: str, label: str, values: Values, *, counter: bool = False) -> Metric:
    """A metric with one label."""
    family = CounterMetricFamily if counter else GaugeMetricFamily
    made = family(name, text, labels=(label,))
    for key, value in values.items():
        made.add_metric((key,), value)
    return made


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    made = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values:
        made.add_metric(key, value)
    return made
