"""Lists the registrations of a host repeatedly and marks changes (``--watch``).

On a terminal each list replaces the one before; elsewhere they follow each other. The terminal's
modes are not changed, so nothing has to be restored. A failed list does not end the command: users
watch for a port mapper that comes back.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from oncrpc.cli.command import Failure, printable
from oncrpc.cli.rpcinfo.changes import CHANGED, GONE, NEW, History, HistoryRow, age_text
from oncrpc.cli.rpcinfo.listing import (
    check_netid,
    registration_item,
    registrations,
    registrations_text,
)
from oncrpc.cli.rpcinfo.options import INTERVAL, PROGRAM, RpcinfoRequest

TIMEOUT = 10.0
"""Seconds for the reply to a list with ``--watch``."""

MARK_WIDTH = 12
COLOURS = {NEW: "32", CHANGED: "33", GONE: "31"}
HOME, CLEAR, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"


class Snapshot(NamedTuple):
    """A list, or the error of the attempt, with the registrations of the last list."""

    history: History
    listed: int
    seconds: float
    error: str
    taken_at: float


async def watch(request: RpcinfoRequest, *, pause: Callable[[float], None] = time.sleep) -> int:
    """``--watch``: list until Ctrl-C; returns 0 if a list was received."""
    check_netid(request)
    interval = request.interval or INTERVAL
    draw = _drawer(request, interval)
    history, answered = History(), False
    try:
        while True:
            begun = time.monotonic()
            snapshot = await _snapshot(request, history)
            answered = answered or not snapshot.error
            draw(snapshot)
            pause(max(begun + interval - time.monotonic(), 0.0))
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            sys.stdout.write("\n")  # the terminal printed ^C at the cursor
        return 0 if answered else 1


async def _snapshot(request: RpcinfoRequest, history: History) -> Snapshot:
    begun, listed, error = time.monotonic(), 0, ""
    try:
        found = await registrations(request, timeout=TIMEOUT)
    except Failure as failure:
        error = str(failure).removeprefix(f"{PROGRAM}: ").replace(": : ", ": ")
    now = time.monotonic()
    if not error:
        listed = len(found)
        history.take(found, now)
    return Snapshot(history, listed, now - begun, error, now)


def _drawer(request: RpcinfoRequest, interval: float) -> Callable[[Snapshot], None]:
    if request.json:
        return _write_json_line
    host = printable(os.fsencode(request.host or "this host"))
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Screen(host, interval).draw
    return lambda snapshot: _write(snapshot_text(snapshot, host))


def _write(lines: Iterator[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def snapshot_text(snapshot: Snapshot, host: str) -> Iterator[str]:
    """A snapshot without a terminal: a line with the time, the registrations, a blank line."""
    yield f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {snapshot_line(snapshot, host)}"
    if not snapshot.error:
        yield from history_lines(snapshot.history.rows, snapshot.taken_at)
    yield ""


def snapshot_line(snapshot: Snapshot, host: str) -> str:
    """A snapshot summarized in a line."""
    if snapshot.error:
        return f"{host}: {snapshot.error}"
    counts = [(state, snapshot.history.count(state)) for state in COLOURS]
    changes = "".join(f", {count} {state}" for state, count in counts if count)
    took = f"{1000 * snapshot.seconds:.1f} ms"
    return f"{host}: {snapshot.listed} registrations in {took}{changes}"


def history_lines(rows: list[HistoryRow], now: float) -> Iterator[str]:
    """A line for each registration as in a list, with its state and age before it."""
    title, *lines = registrations_text([row.entry for row in rows])
    yield " " * MARK_WIDTH + title if lines else title
    for row, line in zip(rows, lines, strict=True):
        mark = f"{row.state} {age_text(row.age(now))}" if row.state else ""
        yield f"{mark:<{MARK_WIDTH}}{line}"


class Screen:
    """A terminal on which each snapshot replaces the one before."""

    def __init__(self, host: str, interval: float) -> None:
        self.host, self.interval = host, interval
        self.clear = CLEAR
        self.coloured = not os.environ.get("NO_COLOR")

    def draw(self, snapshot: Snapshot) -> None:
        """Show a snapshot, as far as it fits."""
        columns, lines = shutil.get_terminal_size()
        shown = self.picture(snapshot, columns, lines)
        sys.stdout.write(HOME + self.clear)
        sys.stdout.writelines(f"{CLEAR_LINE}{line}\n" for line in shown)
        sys.stdout.write(CLEAR_BELOW)
        sys.stdout.flush()
        self.clear = ""

    def picture(self, snapshot: Snapshot, columns: int, lines: int) -> list[str]:
        """The lines for a terminal of that size, whose last line stays free."""
        when = f"{time.strftime('%H:%M:%S')}, every {self.interval:g} s; Ctrl-C ends"
        rows, room = snapshot.history.rows, max(lines - 4, 1)
        hidden = 0
        if len(rows) > room:
            rows = sorted(rows, key=lambda row: not row.state)[: room - 1]
            hidden = len(snapshot.history.rows) - len(rows)
        shown = [snapshot_line(snapshot, self.host)[:columns], when[:columns]]
        if snapshot.error and not rows:
            return shown
        title, *found = history_lines(rows, snapshot.taken_at)
        shown.append(title[:columns])
        for row, line in zip(rows, found, strict=True):
            shown.append(self._painted(line[:columns], row.state))
        return [*shown, f"... and {hidden} more"[:columns]] if hidden else shown

    def _painted(self, line: str, state: str) -> str:
        colour = COLOURS.get(state) if self.coloured else None
        return f"\x1b[{colour}m{line}\x1b[0m" if colour else line


def _write_json_line(snapshot: Snapshot) -> None:
    import json

    sys.stdout.write(json.dumps(snapshot_item(snapshot)) + "\n")
    sys.stdout.flush()


def snapshot_item(snapshot: Snapshot) -> dict[str, object]:
    """A snapshot for JSON."""
    found = [] if snapshot.error else snapshot.history.rows
    return {
        "time": time.time(),
        "milliseconds": round(1000 * snapshot.seconds, 3),
        "error": snapshot.error or None,
        "registrations": [
            registration_item(row.entry)
            | {"state": row.state or None, "age": round(row.age(snapshot.taken_at), 3)}
            for row in found
        ],
    }
