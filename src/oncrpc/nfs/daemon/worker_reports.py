"""Reports of worker processes: the growth of their counts, added to those of the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from oncrpc.access.call_lines import Refusal
from oncrpc.daemon.control.outcomes import Observed, Outcomes, ProcedureId
from oncrpc.nfs.daemon import report
from oncrpc.nfs.workers.messages import ListedFile, WorkerReport

if TYPE_CHECKING:
    from oncrpc.nfs.daemon.app import Nfsd

K = TypeVar("K")
N = TypeVar("N", int, float)


class WorkerTotals(NamedTuple):
    """The counts of a process since its start; the fields are those of ``WorkerReport``."""

    calls: Mapping[str, int] = {}
    counts: Mapping[ProcedureId, int] = {}
    failures: Mapping[tuple[ProcedureId, str], int] = {}
    astray: Mapping[str, int] = {}
    took: Mapping[ProcedureId, float] = {}
    times: Mapping[int, int] = {}
    seconds: float = 0.0
    refusals: Mapping[str, int] = {}


def totals_of(app: Nfsd) -> WorkerTotals:
    """The counts so far."""
    rows = app.calls()  # first: it counts the calls that were answered at once
    found, refusals = _outcomes(app), app.daemon.call_log.counts
    return WorkerTotals(
        calls=app.clients.totals(),
        counts={
            ProcedureId(version.prog, version.vers, number): calls
            for version, row in zip(app.versions, rows, strict=True)
            for number, calls in enumerate(row)
        },
        failures=dict(found.failures),
        astray=dict(found.astray),
        took=dict(found.seconds_of),
        times=dict(enumerate(found.times)),
        seconds=found.seconds,
        refusals={kind.name: number for kind, number in refusals.items()},
    )


def report_of(app: Nfsd, now: WorkerTotals, before: WorkerTotals) -> WorkerReport:
    """The report of a worker."""
    pools = app.daemon.server.pools.values()
    connections = [each for pool in pools for each in pool.connections]
    files = report.open_files(app)
    times = growth(now.times, before.times)
    failures = growth(now.failures, before.failures)
    return WorkerReport(
        calls=growth(now.calls, before.calls),
        counts=[*growth(now.counts, before.counts).items()],
        failures=[(*key, number) for key, number in failures.items()],
        astray=growth(now.astray, before.astray),
        took=[*growth(now.took, before.took).items()],
        times=[times.get(each, 0) for each in range(len(now.times))],
        seconds=now.seconds - before.seconds,
        refusals=growth(now.refusals, before.refusals),
        connections=Counter(each.listener.netid for each in connections),
        hosts=Counter(each.caller.host for each in connections),
        duplicates=len(app.nfs_duplicates),
        files=[ListedFile(f.path, f.client, f.age, f.idle, f.unsynced) for f in files.listed],
        open_files=files.number,
        cached_files=files.cached,
        unsynced=files.unsynced,
    )


def growth(now: Mapping[K, N], before: Mapping[K, N]) -> dict[K, N]:
    """The growth of each number, without those that did not grow."""
    grown = {key: number - before.get(key, 0) for key, number in now.items()}
    return {key: number for key, number in grown.items() if number}


def add_report(app: Nfsd, found: WorkerReport) -> None:
    """Add the counts of a worker to those of the server."""
    procedures = {
        ProcedureId.of(procedure): procedure
        for version in app.versions
        for procedure in version.procedures.values()
    }
    for key, calls in found.counts:
        app.counts.add(procedures[ProcedureId(*key)], calls)
    for host, calls in found.calls.items():
        app.clients.count(host, calls)
        app.mounts.touch(host)
    for name, number in found.refusals.items():
        app.daemon.call_log.counts[Refusal[name]] += number
    outcomes = _outcomes(app)
    for key, outcome, number in found.failures:
        outcomes.failures[ProcedureId(*key), outcome] += number
    for key, seconds in found.took:
        outcomes.seconds_of[ProcedureId(*key)] += seconds
    outcomes.astray.update(found.astray)
    outcomes.times = [a + b for a, b in zip(outcomes.times, found.times, strict=True)]
    outcomes.seconds += found.seconds


def _outcomes(app: Nfsd) -> Outcomes:
    dispatcher = app.daemon.server.dispatcher
    assert isinstance(dispatcher, Observed), "nfsd counts outcomes"
    return dispatcher.outcomes
