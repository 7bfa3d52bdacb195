"""``oncrpc.cli.nfs.progress``: a count or a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from itertools import count

import pytest

from oncrpc.cli.nfs.output import ErrorReport
from oncrpc.cli.nfs.progress import ERASE, ProgressLine, transfer


class TerminalText(io.StringIO):
    """A terminal, or not."""

    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def ticking(step: float) -> Callable[[], float]:
    """A clock that advances by this time with each look at it."""
    ticks = count(0)
    return lambda: next(ticks) * step


def test_count_is_shown_and_erased() -> None:
    output = TerminalText()
    line = ProgressLine("nfs find", output, ticking(0.6))

    for _ in range(1000):
        line.step("entries")
    line.erase()
    line.erase()

    texts = output.getvalue().split(ERASE)
    assert texts[1] == "nfs find: 2 entries"
    assert texts[-2:] == ["nfs find: 1,000 entries", ""]


@pytest.mark.parametrize(("terminal", "step"), [(False, 1.0), (True, 0.0)])
def test_nothing_is_shown_elsewhere_or_early(terminal: bool, step: float) -> None:
    output = TerminalText(terminal=terminal)
    line = ProgressLine("nfs find", output, ticking(step))

    line.step("entries")
    line.bytes(5)
    line.erase()

    assert output.getvalue() == ""


def test_error_replaces_the_line() -> None:
    output = TerminalText()
    line = ProgressLine("nfs rm", output, ticking(1.0))
    line.step("removed")

    with redirect_stderr(output):
        ErrorReport("nfs rm", line).line("/a: refused")

    assert output.getvalue() == f"{ERASE}nfs rm: 1 removed{ERASE}nfs rm: /a: refused\n"


def test_bytes_are_shown_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    output = TerminalText()
    line = ProgressLine("nfs cat", output, ticking(1.0))

    with transfer(line, 4096) as step:
        step(2048)
    line.erase()

    assert output.getvalue() == f"{ERASE}nfs cat: 2.0KB{ERASE}"


def test_bar_appears_with_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    output = TerminalText()
    line = ProgressLine("nfs cat", output, ticking(1.0))

    with redirect_stderr(output), transfer(line, 4096) as step:
        step(2048)

    assert "2.0/4.1 kB" in output.getvalue()


def test_fast_transfer_has_no_bar() -> None:
    output = TerminalText()
    line = ProgressLine("nfs cat", output, ticking(0.0))

    with redirect_stderr(output), transfer(line, 4096) as step:
        step(4096)

    assert output.getvalue() == ""
