"""The terminal of ``top``; the only module that needs rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from oncrpc.cli.daemons.top_lines import Line, Picture, Scroll

T = TypeVar("T")
STYLES = {"alive": "green", "gone": "red"}


@contextmanager
def screen(
    scroll: Scroll, picture: Picture[T], console: Console | None = None
) -> Iterator[Callable[[T], None]]:
    """The whole terminal, until the context ends; called with a status, it shows that."""
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(status: T) -> None:
            columns, lines = live.console.size
            found = picture(status, scroll, columns=columns, lines=lines)
            live.update(Group(*map(_text, found)), refresh=True)

        yield show


def _text(line: Line) -> Text:
    made = Text(line.text, style="bold" if line.title else "", no_wrap=True, overflow="crop")
    if line.state in STYLES:
        made.highlight_regex(rf"\b{line.state}$", STYLES[line.state])
    return made
