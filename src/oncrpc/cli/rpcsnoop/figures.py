"""The figures of ``--stats`` as text: counts, errors by status, then times.

A row is a procedure, or with ``--by`` a client, a server or a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from oncrpc.snoop.streams.outcome import SUCCESS
from oncrpc.snoop.streams.statistics import (
    OTHER_PROCEDURES,
    CallStatistics,
    Durations,
    Procedure,
    ProcedureFigures,
)
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.names import name_of_program
from oncrpc.snoop.words.programs import KnownPrograms

MILLISECOND = 1_000_000
PARTS = (0.5, 0.9, 0.99)
PROCEDURE = ("program", "vers", "procedure")
COUNTS = (
    "calls", "replies", "errors", "unanswered", "retrans", "duplicates", "call bytes",
    "reply bytes",
)  # fmt: skip
ERRORS = ("status", "count")
TIMES = ("count", "min", "mean", "p50", "p90", "p99", "max")
TEXTS = {"program", "procedure", "status", "client", "server", "file"}
"""Columns that are aligned to the left."""

Names = tuple[str, ...]
Row = tuple[Names, ProcedureFigures]
"""The names of a procedure or a group, and its figures."""


def figure_lines(statistics: CallStatistics, programs: KnownPrograms) -> Iterator[str]:
    """The tables of each procedure."""
    yield from tables(PROCEDURE, rows_of(statistics, programs))


def rows_of(statistics: CallStatistics, programs: KnownPrograms) -> list[Row]:
    """The figures of each procedure with its names."""
    return [(_names(key, programs), each) for key, each in statistics.figures()]


def tables(heads: Names, rows: Sequence[Row]) -> Iterator[str]:
    """Counts, errors, service times, and transfer times of calls of more than a segment."""
    if not rows:
        yield "no calls"
        return
    yield from table((*heads, *COUNTS), [(*names, *_counts(each)) for names, each in rows])
    yield from _errors(heads, rows)
    yield from _times("service", heads, rows, lambda figures: figures.service)
    long = [row for row in rows if row[1].transfer.maximum]  # others fit in a segment
    yield from _times("transfer", heads, long, lambda figures: figures.transfer)


def remarks(tracer: Tracer, statistics: CallStatistics) -> Iterator[str]:
    """Remarks on what is missing in the figures; none if nothing is missing."""
    counts = {
        "replies to calls that were not seen": statistics.unmatched.replies,
        "bytes of connections that were not captured": tracer.lost,
        "messages without a readable header": tracer.unreadable,
        "messages in doubt that were not counted": tracer.matcher.dropped,
        "IP packets of which a fragment is missing": tracer.dissector.given_up,
        "calls that were forgotten before their reply": tracer.matcher.forgotten,
        "connections that were forgotten": tracer.forgotten_flows,
    }
    for text, count in counts.items():
        if count:
            yield f"{count} {text}"


def _names(key: Procedure, programs: KnownPrograms) -> Names:
    if key == OTHER_PROCEDURES:
        return "other", "-", "-"
    prog, vers, proc = key
    name = name_of_program(prog)
    procedure = programs.described(prog, vers, proc)
    shown = procedure.name.rpartition("_")[2] if procedure else "NULL" if proc == 0 else str(proc)
    return str(prog) if name == "?" else name, str(vers), shown


def _counts(figures: ProcedureFigures) -> Names:
    numbers = (
        figures.calls, figures.replies, figures.replies - figures.succeeded, figures.unanswered,
        figures.retransmissions, figures.duplicates, figures.call_bytes, figures.reply_bytes,
    )  # fmt: skip
    return tuple(map(str, numbers))


def _errors(heads: Names, rows: Sequence[Row]) -> Iterator[str]:
    """The table of errors, the most frequent of a row first."""
    lines = [
        (*names, status, str(count))
        for names, figures in rows
        for status, count in sorted(
            figures.outcomes.items(), key=lambda outcome: (-outcome[1], outcome[0])
        )
        if status != SUCCESS
    ]
    if lines:
        yield from ("", "errors by status")
        yield from table((*heads, *ERRORS), lines)


def _times(
    title: str,
    heads: Names,
    rows: Sequence[Row],
    part: Callable[[ProcedureFigures], Durations],
) -> Iterator[str]:
    """The table of one kind of time."""
    lines = [(*names, *_durations(part(figures))) for names, figures in rows if part(figures).count]
    if lines:
        yield from ("", f"{title} time in milliseconds")
        yield from table((*heads, *TIMES), lines)


def _durations(times: Durations) -> Iterator[str]:
    yield str(times.count)
    quantiles = (times.quantile(part) for part in PARTS)
    for value in (times.minimum, times.mean, *quantiles, times.maximum):
        yield f"{value / MILLISECOND:.3f}"


def table(heading: Names, rows: Sequence[Names]) -> Iterator[str]:
    """Columns as wide as needed; all but ``TEXTS`` are numbers."""
    lines = [heading, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    for line in lines:
        cells = (
            f"{cell:<{width}}" if head in TEXTS else f"{cell:>{width}}"
            for head, cell, width in zip(heading, line, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
