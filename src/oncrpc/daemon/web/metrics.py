"""Metrics in the text format of Prometheus: those that every daemon has, and how others are made.

Labels have few values. No label is a name or a number that a caller can choose freely.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from oncrpc.daemon.control.outcomes import BOUNDS, SUCCESS, Outcomes, ProcedureId
from oncrpc.numbers import program_name

TEXT = "text/plain; version=0.0.4; charset=utf-8"
TEXT_TIME = 1.0
"""Seconds for which the text of the metrics is kept."""

SECONDS = (
    "Time to answer a call. Calls answered from the reply cache, in some microseconds, are not"
    " in it."
)
LabelledValues = Mapping[str, float]


class ProcedureCount(NamedTuple):
    """The calls of a procedure so far, whether they succeeded or not."""

    procedure: ProcedureId
    name: str
    calls: int


class Families:
    """Makes metrics whose names begin with ``name`` and an underscore."""

    def __init__(self, name: str) -> None:
        self.name = name

    def count(self, name: str, text: str, value: float) -> Metric:
        """A counter without labels."""
        made = CounterMetricFamily(f"{self.name}_{name}", text)
        made.add_metric((), value)
        return made

    def gauge(self, name: str, text: str, value: float) -> Metric:
        """A gauge without labels."""
        return GaugeMetricFamily(f"{self.name}_{name}", text, value=value)

    def counts(self, name: str, text: str, label: str, values: LabelledValues) -> Metric:
        """Counters by the value of one label."""
        return _labelled(CounterMetricFamily(f"{self.name}_{name}", text, labels=(label,)), values)

    def gauges(self, name: str, text: str, label: str, values: LabelledValues) -> Metric:
        """Gauges by the value of one label."""
        return _labelled(GaugeMetricFamily(f"{self.name}_{name}", text, labels=(label,)), values)

    def build(self, version: str) -> Metric:
        """The versions of the daemon and of Python, as labels."""
        made = GaugeMetricFamily(
            f"{self.name}_build_info",
            "The versions of the daemon and of Python; always 1.",
            labels=("version", "python"),
        )
        made.add_metric((version, platform.python_version()), 1)
        return made

    def calls(self, counted: Iterable[ProcedureCount], outcomes: Outcomes) -> Iterator[Metric]:
        """Calls by version, procedure and outcome, and how long they took.

        If there are several programs, by program too.
        """
        counted = list(counted)
        several = len({each.procedure.program for each in counted}) > 1
        calls = CounterMetricFamily(
            f"{self.name}_calls",
            "Calls by outcome. A look-up that finds nothing is a success too.",
            labels=(*("program",) * several, "version", "procedure", "outcome"),
        )
        for each in counted:
            program = program_name(each.procedure.program) or str(each.procedure.program)
            labels = (*(program,) * several, str(each.procedure.version), each.name)
            calls.add_metric((*labels, SUCCESS), outcomes.successes(each.procedure, each.calls))
            for (failed, outcome), count in outcomes.failures.items():
                if failed == each.procedure:
                    calls.add_metric((*labels, outcome), count)
        yield calls
        yield self.counts(
            "calls_astray", "Calls of no known procedure, by outcome.", "outcome", outcomes.astray
        )
        limits = [*map(str, BOUNDS), "+Inf"]
        yield HistogramMetricFamily(
            f"{self.name}_call_duration_seconds",
            SECONDS,
            buckets=list(zip(limits, accumulate(outcomes.times), strict=True)),
            sum_value=outcomes.seconds,
        )

    def traffic(
        self, *, refusals: LabelledValues, drops: LabelledValues, connections: LabelledValues
    ) -> Iterator[Metric]:
        """Refusals and drops by cause, and open connections by netid."""
        yield self.counts("refusals", "Calls refused, by cause.", "cause", refusals)
        yield self.counts(
            "drops",
            "Datagrams not answered, or answered with an error, by cause.",
            "cause",
            drops,
        )
        yield self.gauges("connections", "Open connections by netid.", "netid", connections)

    def reloads(self, counted: LabelledValues) -> Metric:
        """How often the configuration was read again."""
        return self.counts(
            "reloads", "Readings of the configuration file by outcome.", "outcome", counted
        )


def _labelled(made: CounterMetricFamily | GaugeMetricFamily, values: LabelledValues) -> Metric:
    for key, value in values.items():
        made.add_metric((key,), value)
    return made


class MetricsText:
    """The text of an application's metrics, and of the process.

    The text is kept for ``TEXT_TIME`` seconds: making it takes milliseconds, which a client that
    asks in a loop would take from the callers of the daemon.
    """

    def __init__(
        self,
        metrics: Callable[[], Iterable[Metric]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._clock = CollectorRegistry(), clock
        self._registry.register(_Collected(metrics))
        ProcessCollector(registry=self._registry)
        self._text, self._until = b"", -math.inf

    def text(self) -> bytes:
        """The text as of now, or of up to ``TEXT_TIME`` seconds ago."""
        now = self._clock()
        if now >= self._until:
            self._text, self._until = generate_latest(self._registry), now + TEXT_TIME
        return self._text


class _Collected(Collector):
    def __init__(self, metrics: Callable[[], Iterable[Metric]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics()
