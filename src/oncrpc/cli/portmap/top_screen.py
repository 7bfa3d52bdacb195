"""How ``portmap top`` looks; the only module that needs rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from oncrpc.cli.portmap.status import (
    CALLS,
    REGISTRATIONS,
    RIGHT,
    call_row,
    called,
    registration_row,
    summary,
)
from oncrpc.portmap.status import Status

STYLES = {"alive": "green", "gone": "red"}
HINT = "q ends"


def drawn(status: Status) -> RenderableType:
    """The screen of a status."""
    head, *lines = summary(status)
    calls = _table(CALLS, [call_row(each) for each in called(status)])
    found = _table(REGISTRATIONS, [registration_row(each) for each in status.registrations])
    first = Text(f"{head}   {HINT}", style="bold", no_wrap=True)
    said = [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]
    return Group(first, *said, Text(), calls, Text(), found)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        made.add_column(head, justify="right" if head in RIGHT else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    return made


@contextmanager
def screen(console: Console | None = None) -> Iterator[Callable[[Status], None]]:
    """The whole terminal, until the context ends; called with a status it shows that."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda status: live.update(drawn(status), refresh=True)
