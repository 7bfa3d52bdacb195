"""The figures of ``--stats`` as text: counts of each procedure, then its times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
COUNTS = (
    "program", "vers", "procedure", "calls", "replies", "errors", "unanswered", "retrans",
    "duplicates", "call bytes", "reply bytes",
)  # fmt: skip
TIMES = ("program", "vers", "procedure", "count", "min", "mean", "p50", "p90", "p99", "max")
Row = tuple[Procedure, ProcedureFigures]


def figure_lines(statistics: CallStatistics, programs: KnownPrograms) -> Iterator[str]:
    """The tables: counts, service times, and transfer times of calls of more than a segment."""
    rows = statistics.figures()
    if not rows:
        yield "no calls"
    else:
        yield from _table(COUNTS, [(*_names(key, programs), *_counts(each)) for key, each in rows])
        yield from _times("service", rows, programs, lambda figures: figures.service)
        long = [row for row in rows if row[1].transfer.maximum]  # others fit in a segment
        yield from _times("transfer", long, programs, lambda figures: figures.transfer)


def remarks(tracer: Tracer, statistics: CallStatistics) -> Iterator[str]:
    """What the figures do not contain, as far as there is any of it."""
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


def _names(key: Procedure, programs: KnownPrograms) -> tuple[str, str, str]:
    if key == OTHER_PROCEDURES:
        return "other", "-", "-"
    prog, vers, proc = key
    name = name_of_program(prog)
    procedure = programs.procedure(prog, vers, proc)
    shown = procedure.name.rpartition("_")[2] if procedure else "NULL" if proc == 0 else str(proc)
    return str(prog) if name == "?" else name, str(vers), shown


def _counts(figures: ProcedureFigures) -> tuple[str, ...]:
    numbers = (
        figures.calls, figures.replies, figures.replies - figures.succeeded, figures.unanswered,
        figures.retransmissions, figures.duplicates, figures.call_bytes, figures.reply_bytes,
    )  # fmt: skip
    return tuple(map(str, numbers))


def _times(
    title: str,
    rows: Sequence[Row],
    programs: KnownPrograms,
    part: Callable[[ProcedureFigures], Durations],
) -> Iterator[str]:
    """The table of one kind of time."""
    lines = [
        (*_names(key, programs), *_durations(part(figures)))
        for key, figures in rows
        if part(figures).count
    ]
    if lines:
        yield ""
        yield f"{title} time in milliseconds"
        yield from _table(TIMES, lines)


def _durations(times: Durations) -> Iterator[str]:
    yield str(times.count)
    quantiles = (times.quantile(part) for part in PARTS)
    for value in (times.minimum, times.mean, *quantiles, times.maximum):
        yield f"{value / MILLISECOND:.3f}"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as needed; all but the program and the procedure are numbers."""
    lines = [heading, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    for line in lines:
        cells = (
            f"{cell:<{width}}" if column in (0, 2) else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
