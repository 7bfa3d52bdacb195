"""Progress on standard error, if it is a terminal, from the second second on.

A transfer of a known size is a bar by rich, if that is installed. Everything else is a line that is
overwritten.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from oncrpc.cli.nfs.listing import human_size

PATIENCE = 1.0
"""Seconds before progress is shown."""

INTERVAL = 0.2
"""Seconds between two lines."""

ERASE = "\r\x1b[K"
"""Go to the beginning of the line, and erase it (ECMA-48)."""

Step = Callable[[int], None]
"""Takes a number of bytes that were transferred."""


class ProgressLine:
    """Counts, and shows the count. ``shown``: the line is on the terminal."""

    def __init__(
        self,
        program: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.program, self.clock = program, clock
        self.enabled = self.stream.isatty()
        self.shown = False
        self.count = 0
        self._due = clock() + PATIENCE

    def step(self, unit: str, count: int = 1) -> None:
        """Count more; ``unit`` is what is counted, such as ``entries``."""
        self.count += count
        if self.enabled and self.clock() >= self._due:
            self._show(f"{self.count:,} {unit}")

    def bytes(self, count: int) -> None:
        """Count more bytes."""
        self.count += count
        if self.enabled and self.clock() >= self._due:
            self._show(f"{human_size(self.count)}B")

    def _show(self, text: str) -> None:
        self._due, self.shown = self.clock() + INTERVAL, True
        self._write(f"{ERASE}{self.program}: {text}")

    def erase(self) -> None:
        """Remove the line before other text is written to the terminal."""
        if self.shown:
            self.shown = False
            self._write(ERASE)

    def _write(self, text: str) -> None:
        with suppress(OSError):  # as all messages
            self.stream.write(text)
            self.stream.flush()


@contextmanager
def transfer(line: ProgressLine, total: int) -> Iterator[Step]:
    """Show the progress of a transfer of ``total`` bytes while the context lasts."""
    if line.enabled:
        with suppress(ImportError):
            bar = _Bar(total, line.clock)
            try:
                yield bar.step
            finally:
                bar.close()
            return
    yield line.bytes


class _Bar:
    """A bar by rich, which appears after ``PATIENCE``."""

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
        self.shown = Progress(
            *columns, console=Console(stderr=True), transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self.task = self.shown.add_task("", total=total or None)
        self.clock, self.due = clock, clock() + PATIENCE
        self.started = False

    def step(self, count: int) -> None:
        self.shown.advance(self.task, count)
        if not self.started and self.clock() >= self.due:
            self.started = True
            self.shown.start()

    def close(self) -> None:
        self.shown.stop()
