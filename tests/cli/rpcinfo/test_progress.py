from __future__ import annotations

import io
import sys

import pytest

from oncrpc.cli.rpcinfo.progress import progress


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, file: io.StringIO, *, wanted: bool = True) -> str:
    """What a scan of 200 hosts shows."""
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setenv("TERM", "xterm")
    with progress(200, shown=wanted) as step:
        for done in range(1, 201):
            step(done, done // 2)
    return file.getvalue()


def test_bar_is_shown_on_a_terminal_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")

    text = shown(monkeypatch, Terminal())

    assert "200/200" in text
    assert "100 answered" in text
    assert text.endswith("\x1b[2K")


def test_without_rich_there_is_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.progress", None)

    text = shown(monkeypatch, Terminal())

    first, *_, last, blank, end = text.split("\r")[1:]
    assert first == "0 of 200 hosts, 0 answered"
    assert last == "200 of 200 hosts, 100 answered"
    assert (blank.strip(), end) == ("", "")
    assert text.count("\r") < 105


def test_without_terminal_no_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO()) == ""


def test_nothing_is_shown_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), wanted=False) == ""
