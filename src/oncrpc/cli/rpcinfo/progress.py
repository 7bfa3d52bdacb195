"""The progress of a scan on a terminal: a bar by rich if that is installed, else a count.

It is shown on standard error, so that the output can be redirected.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Step = Callable[[int, int], None]
"""Takes the number of hosts that are done, and how many of them answered."""


def progress(total: int, *, shown: bool = True) -> AbstractContextManager[Step]:
    """Show progress while the context lasts, if standard error is a terminal."""
    if not shown or not sys.stderr.isatty():
        return nullcontext(lambda *_: None)
    try:
        import rich.progress  # noqa: F401
    except ImportError:
        return _count(total)
    return _bar(total)


@contextmanager
def _bar(total: int) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[answered]} answered"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as shown:
        task = shown.add_task("", total=total, answered=0)
        yield lambda done, answered: shown.update(task, completed=done, answered=answered)


@contextmanager
def _count(total: int) -> Iterator[Step]:
    """A line that is overwritten for each percent, and blanked at the end."""
    width, every = 0, max(total // 100, 1)

    def step(done: int, answered: int) -> None:
        nonlocal width
        if done % every == 0:
            line = f"{done} of {total} hosts, {answered} answered"
            width = max(width, len(line))
            sys.stderr.write(f"\r{line:<{width}}")
            sys.stderr.flush()

    try:
        step(0, 0)
        yield step
    finally:
        sys.stderr.write(f"\r{'':<{width}}\r")
        sys.stderr.flush()
