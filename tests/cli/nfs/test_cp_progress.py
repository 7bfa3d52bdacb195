"""The progress of ``nfs cp``: a line or bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from itertools import count

import pytest

from oncrpc.cli.nfs.cp_progress import CopyProgress
from oncrpc.cli.nfs.progress import ERASE
from oncrpc.nfs.client.copy_report import CopyReport

MIB = 1 << 20


class Screen(io.StringIO):
    """A terminal, or not."""

    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def ticking() -> Callable[[], float]:
    ticks = count(0)
    return lambda: float(next(ticks))


def shown(screen: Screen) -> str:
    """What is written while 3 files are copied, and a part of a big one."""
    report = CopyReport()
    progress = CopyProgress("nfs cp", report, screen, ticking())
    report.files = 3
    with report.copying("small", 5, 0), report.copying("x" * 50 + "/\x1bbig", 16 * MIB, 0) as moved:
        moved(4 * MIB)
        for _ in range(3):
            progress.refresh()
        progress.erase()
    progress.refresh()
    progress.erase()
    return screen.getvalue()


def test_line_has_counts_rate_and_big_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)

    first = shown(Screen()).split(ERASE)[1]

    assert first.startswith("nfs cp: 3 files, 4.0MB, ")
    assert first.endswith("B/s, ..." + "x" * 29 + "/\\x1bbig 25 %")


def test_bars_are_shown_for_big_files() -> None:
    pytest.importorskip("rich")

    text = shown(Screen())

    assert "nfs cp: 3 files, 4.0MB" in text
    assert "/\\x1bbig" in text
    assert "4.2/16.8 MB" in text
    assert "small" not in text


def test_nothing_is_written_to_a_pipe() -> None:
    assert shown(Screen(terminal=False)) == ""
