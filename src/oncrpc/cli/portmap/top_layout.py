"""The lines of ``portmap top`` on a terminal of some size.

Names and addresses are what an administrator looks for, so they are kept whole: on a narrow
terminal other columns are left out first. On a low one, the lines that rarely change are left out
(``portmap status`` has them), and the registrations scroll.
"""

from __future__ import annotations

from oncrpc.cli.daemons.text import CALLS, RIGHT, call_row, called
from oncrpc.cli.daemons.top_lines import Line, Scroll, fitted, head_line
from oncrpc.cli.portmap.status import registration_row, summary_lines
from oncrpc.portmap.status import Registered, Status

REGISTRATIONS = ("program", "name", "vers", "netid", "address", "owner", "age", "endpoint")
RIGHT_ALIGNED = RIGHT | {"vers"}
LEFT_OUT = ("age", "owner", "endpoint", "vers", "netid")
"""Columns that may be left out, the first one first."""

ALWAYS = ("connections", "calls", "refused", "dropped")
"""Lines of the summary that also a low terminal has."""

HIGH = 40
"""Lines of a terminal that has room for the whole summary."""

FEW_CALLS, MANY_CALLS = 4, 10
"""Rows of the table of calls on a low terminal, and on a high one."""

FEWEST_SHOWN = 3
"""Registrations that a low terminal has room for before it shows calls."""


def picture(status: Status, scroll: Scroll, *, columns: int, lines: int) -> list[Line]:
    """The lines for a terminal of that size."""
    above = [head_line(next(summary_lines(status)), columns), *_summary(status, lines)]
    found = status.registrations
    above += _calls(status, lines, room=lines - len(above) - 2 - min(len(found), FEWEST_SHOWN))
    page = lines - len(above) - 2
    scroll.fit(len(found), page)
    title, *rows = fitted(
        REGISTRATIONS, [_row(each) for each in found], columns,
        left_out=LEFT_OUT, right=RIGHT_ALIGNED,
    )  # fmt: skip
    body = [
        Line(text, state=each.endpoint)
        for text, each in zip(rows[scroll.shown], found[scroll.shown], strict=True)
    ]
    made = [*above, Line(_range(status, scroll, page)), Line(title, title=True), *body]
    return [line._replace(text=line.text[:columns]) for line in made[:lines]]


def _summary(status: Status, lines: int) -> list[Line]:
    _, *found = summary_lines(status)
    return [Line(text) for text in found if lines >= HIGH or text.startswith(ALWAYS)]


def _calls(status: Status, lines: int, *, room: int) -> list[Line]:
    most = min(MANY_CALLS if lines >= HIGH else FEW_CALLS, room - 2)
    rows = [call_row(each, status.calls) for each in called(status)[: max(most, 0)]]
    if not rows:
        return []
    title, *texts = fitted(CALLS, rows, 1 << 16, right=RIGHT_ALIGNED)
    return [Line(""), Line(title, title=True), *map(Line, texts)]


def _range(status: Status, scroll: Scroll, page: int) -> str:
    """Which registrations are shown, of how many."""
    total = len(status.registrations)
    if not total:
        return "no registrations"
    if page < 1:
        return f"registrations 0 of {total}"
    until = min(scroll.first + scroll.page, total)
    more = f"; {status.registered} in all" if status.registered > total else ""
    return f"registrations {scroll.first + 1} to {until} of {total}{more}"


def _row(each: Registered) -> tuple[str, ...]:
    return registration_row(each, units=1)
