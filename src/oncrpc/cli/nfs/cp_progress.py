"""The progress of ``nfs cp``: counts, and a bar by rich for each big file in progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from oncrpc.cli.nfs.listing import human_size
from oncrpc.cli.nfs.names import plain
from oncrpc.cli.nfs.progress import INTERVAL, ProgressLine
from oncrpc.nfs.client.copy_report import ActiveFile, CopyReport

BIG = 8 << 20
"""Bytes of a file whose progress is shown by itself."""

LONGEST = 40
"""Characters of the name of a file in progress."""


class CopyProgress(ProgressLine):
    """Shows a report that changes, on a terminal."""

    def __init__(
        self,
        program: str,
        report: CopyReport,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(program, stream, clock)
        self.report, self._begun = report, clock()
        self._bars: _CopyBars | None = None
        if self.enabled:
            with suppress(ImportError):
                self._bars = _CopyBars(self.stream)

    def refresh(self) -> None:
        """Show what has been copied so far."""
        now = self.clock()
        if not self.enabled or now < self._due:
            return
        report = self.report
        rate = report.bytes / max(now - self._begun, 0.001)
        text = f"{report.files:,} files, {human_size(report.bytes)}B, {human_size(int(rate))}B/s"
        big = [active for active in report.active if active.size >= BIG]
        if self._bars is None:
            self._show(", ".join([text, *map(_percentage, big[:1])]))
        else:
            self._bars.show(f"{self.program}: {text}", big)
            self._due, self.shown = now + INTERVAL, True

    def erase(self) -> None:
        """Remove all lines before other text is written to the terminal."""
        if self._bars is None:
            super().erase()
        elif self.shown:
            self.shown = False
            with suppress(OSError):
                self._bars.hide()


def _percentage(active: ActiveFile) -> str:
    return f"{_short(active.name)} {100 * active.done // active.size} %"


def _short(name: str) -> str:
    shown = plain(name)
    return shown if len(shown) <= LONGEST else f"...{shown[3 - LONGEST :]}"


class _CopyBars:
    """A line of text, and a bar by rich for each file below it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
        )
        console = Console(file=stream)
        self._bars = Progress(*columns, console=console, auto_refresh=False)
        self._live = Live(
            console=console, auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._tasks: dict[ActiveFile, TaskID] = {}

    def show(self, text: str, files: Sequence[ActiveFile]) -> None:
        from rich.console import Group
        from rich.text import Text

        for ended in set(self._tasks) - set(files):
            self._bars.remove_task(self._tasks.pop(ended))
        for active in files:
            if active not in self._tasks:
                name = _short(active.name)
                self._tasks[active] = self._bars.add_task(name, total=active.size)
            self._bars.update(self._tasks[active], completed=active.done)
        self._live.start()
        self._live.update(Group(Text(text), self._bars.get_renderable()), refresh=True)

    def hide(self) -> None:
        self._live.stop()
