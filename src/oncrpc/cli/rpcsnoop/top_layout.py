"""The lines of ``rpcsnoop top`` for the size of a terminal, and its JSON.

Procedures come first, with the most frequent one on top, then clients, which scroll.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oncrpc.cli.daemons.top_lines import Line, Scroll, fitted, head_line
from oncrpc.cli.rpcsnoop.figures import MILLISECOND, PROCEDURE, Names, Row
from oncrpc.cli.rpcsnoop.top_figures import TopFigures, errors_of
from oncrpc.snoop.streams.outcome import SUCCESS
from oncrpc.snoop.streams.statistics import ProcedureFigures

FIGURES = ("calls/s", "errors/s", "retrans/s", "mean ms", "p99 ms", "max ms", "bytes/s")
RIGHT = frozenset({*FIGURES, "vers"})
LEFT_OUT = ("max ms", "retrans/s", "bytes/s")
CLIENT = "client"

FEWEST_CLIENTS = 4
"""Lines reserved for clients, if there are that many."""

MAX_ERRORS = 3
"""Kinds of errors shown in the line above the tables."""


def picture(status: TopFigures, scroll: Scroll, *, columns: int, lines: int) -> list[Line]:
    """The lines for a terminal of that size."""
    above = [head_line(_head(status), columns), Line(_errors(status))]
    clients = min(len(status.clients), FEWEST_CLIENTS)
    room = max(lines - len(above) - clients - 4, 0)
    above += _table(PROCEDURE, status.procedures[:room], status.seconds, columns)
    page = lines - len(above) - 2
    scroll.fit(len(status.clients), page)
    title, *rows = _table((CLIENT,), status.clients, status.seconds, columns)[1:]
    body = [Line(""), title, *rows[scroll.shown]]
    return [line._replace(text=line.text[:columns]) for line in [*above, *body][:lines]]


def _head(status: TopFigures) -> str:
    calls = sum(figures.calls for _, figures in status.procedures)
    rate = f"{_rate(calls, status.seconds)} calls/s, {status.calls:,} in all"
    return f"rpcsnoop: {status.source}, {rate}, {status.dropped:,} frames dropped"


def _errors(status: TopFigures) -> str:
    """The most frequent errors."""
    counts: dict[str, int] = {}
    for _, figures in status.procedures:
        for name, count in figures.outcomes.items():
            if name != SUCCESS:
                counts[name] = counts.get(name, 0) + count
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_ERRORS]
    shown = (f"{name} {_rate(counts[name], status.seconds)}/s" for name in frequent)
    return f"errors: {', '.join(shown) or 'none'}"


def _table(heads: Sequence[str], rows: Sequence[Row], seconds: float, columns: int) -> list[Line]:
    """An empty line, the heads and the rows."""
    cells = [(*names, *_cells(figures, seconds)) for names, figures in rows]
    title, *texts = fitted((*heads, *FIGURES), cells, columns, left_out=LEFT_OUT, right=RIGHT)
    return [Line(""), Line(title, title=True), *map(Line, texts)]


def _cells(figures: ProcedureFigures, seconds: float) -> tuple[str, ...]:
    times = figures.service
    known = (times.mean, times.quantile(0.99), times.maximum) if times.count else ()
    shown = [f"{value / MILLISECOND:.2f}" for value in known] or ["-"] * 3
    return (
        _rate(figures.calls, seconds),
        _rate(errors_of(figures), seconds),
        _rate(figures.retransmissions, seconds),
        *shown,
        f"{(figures.call_bytes + figures.reply_bytes) / seconds:,.0f}" if seconds else "-",
    )


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.1f}" if seconds > 0 else "-"


def object_of_figures(status: TopFigures) -> dict[str, Any]:
    """The figures for JSON: counts in the interval, and times in seconds."""
    return {
        "source": status.source,
        "seconds": status.seconds,
        "calls": status.calls,
        "dropped": status.dropped,
        "procedures": [
            {**_procedure(names), **_object(figures)} for names, figures in status.procedures
        ],
        "clients": [{CLIENT: names[0], **_object(figures)} for names, figures in status.clients],
    }


def _procedure(names: Names) -> dict[str, Any]:
    program, vers, procedure = names
    number = int(vers) if vers.isdecimal() else None
    return {"program": program, "vers": number, "procedure": procedure}


def _object(figures: ProcedureFigures) -> dict[str, Any]:
    times = figures.service
    errors = {name: count for name, count in figures.outcomes.items() if name != SUCCESS}
    return {
        "calls": figures.calls,
        "replies": figures.replies,
        "errors": errors,
        "retransmissions": figures.retransmissions,
        "call_bytes": figures.call_bytes,
        "reply_bytes": figures.reply_bytes,
        "service_mean": times.mean / 1e9,
        "service_p99": times.quantile(0.99) / 1e9,
        "service_max": times.maximum / 1e9,
    }
