"""One line a second for each cause, to stderr or to syslog."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path

import pytest

from oncrpc.daemon.log import setup as logs
from oncrpc.daemon.log.setup import (
    FORMS,
    MAX_CAUSES,
    MAX_TEXT,
    OncePerSecond,
    json_lines,
    named_lines,
    set_up,
    text_lines,
    to_journal,
)
from oncrpc.testing import ManualClock
from support.fake_syslog import FakeSyslog


class Clock:
    """A fake module ``time``."""

    def __init__(self, clock: ManualClock) -> None:
        self.monotonic = clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    made = ManualClock(now=0.5)
    monkeypatch.setattr(logs, "time", Clock(made))
    return made


def record(message: str, *arguments: object, name: str = "oncrpc.portmap") -> logging.LogRecord:
    """A log record as a filter receives it."""
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, arguments, None)


def test_a_cause_is_let_through_once_a_second(clock: ManualClock) -> None:
    once = OncePerSecond()

    assert once.filter(record("refused %s", "192.0.2.1"))
    clock.advance(0.9)
    assert not once.filter(record("refused %s", "192.0.2.2"))
    clock.advance(0.1)
    assert once.filter(record("refused %s", "192.0.2.3"))


def test_next_line_counts_the_suppressed_ones(clock: ManualClock) -> None:
    once = OncePerSecond()
    for last in range(4):
        once.filter(record("refused %s", f"192.0.2.{last}"))
    clock.advance(1)
    following = record("refused %s", "192.0.2.9")

    once.filter(following)

    assert following.getMessage() == "refused 192.0.2.9 (3 more like it)"


def test_other_causes_and_loggers_are_not_suppressed(clock: ManualClock) -> None:
    once = OncePerSecond()

    assert once.filter(record("one"))
    assert once.filter(record("two"))
    assert once.filter(record("one", name="oncrpc.aio"))


def test_causes_are_forgotten_when_they_are_many(clock: ManualClock) -> None:
    once = OncePerSecond()
    for number in range(MAX_CAUSES):
        assert once.filter(record(f"cause {number}"))
    assert not once.filter(record("cause 1"))

    assert once.filter(record("one more"))

    assert once.filter(record("cause 1"))


@pytest.mark.usefixtures("loggers")
def test_in_the_foreground_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("portmap", to_syslog=False, verbose=False, debug=False)

    logging.getLogger("oncrpc.portmap").info("ready")
    logging.getLogger("oncrpc.portmap").debug("details")
    logging.getLogger("oncrpc.calls").info("connect from 192.0.2.1")

    assert capsys.readouterr().err == "portmap: ready\n"


@pytest.mark.usefixtures("loggers")
def test_verbose_and_debug_add_calls_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("portmap", to_syslog=False, verbose=True, debug=True)

    logging.getLogger("oncrpc.aio").debug("details")
    for _ in range(2):
        logging.getLogger("oncrpc.calls").info("connect from %s", "192.0.2.1")

    lines = capsys.readouterr().err.splitlines()
    assert lines == ["portmap: details", *["portmap: connect from 192.0.2.1"] * 2]


@pytest.mark.usefixtures("loggers")
def test_in_the_background_messages_go_to_syslog(tmp_path: Path) -> None:
    log = FakeSyslog(tmp_path / "log")
    set_up("portmap", to_syslog=True, verbose=False, debug=False, place=str(log.path))

    logging.getLogger("oncrpc.portmap").error("cannot write %s", "/run/one")
    logging.getLogger("oncrpc.access").info("connect from 192.0.2.1")

    first, second = log.lines()
    assert re.fullmatch(r"<27>.* portmap\[\d+\]: cannot write /run/one", first)
    assert re.fullmatch(r"<38>.* portmap\[\d+\]: connect from 192.0.2.1", second)
    logging.getLogger("oncrpc").handlers[0].close()
    log.stop()


@pytest.mark.usefixtures("loggers")
def test_journal_line_begins_with_severity_not_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up("portmap", to_syslog=False, verbose=False, debug=False, journal=lambda: True)

    logging.getLogger("oncrpc.portmap").warning("one")
    logging.getLogger("oncrpc.portmap").error("two")

    assert capsys.readouterr().err == "<4>one\n<3>two\n"


def test_journal_is_used_if_environment_names_stderr(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as file:
        status = os.fstat(file.fileno())
        named = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

        assert to_journal(named, file.fileno())
        assert not to_journal({"JOURNAL_STREAM": "1:2"}, file.fileno())
        assert not to_journal({}, file.fileno())
    assert not to_journal(named, -1)


def failed() -> logging.LogRecord:
    """A record of an exception."""
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        made = record("a handler failed")
        made.exc_info = sys.exc_info()
        return made


def test_a_traceback_is_lines_that_follow() -> None:
    lines = list(named_lines("portmap")(failed()))

    assert lines[:2] == [
        "portmap: a handler failed",
        "portmap: Traceback (most recent call last):",
    ]
    assert lines[-2:] == ["portmap: ValueError: one", "portmap: two"]


def test_json_has_the_traceback_in_the_same_object() -> None:
    (line,) = json_lines(failed())

    found = json.loads(line)
    assert found["event"] == "a handler failed"
    assert found["traceback"][-2:] == ["ValueError: one", "two"]


def test_json_says_when_and_how_grave() -> None:
    made = record("one %d", 1)
    made.created = 1_700_000_000.25

    assert [json.loads(line) for line in json_lines(made)] == [
        {"time": "2023-11-14T22:13:20.250+00:00", "level": "warning", "event": "one 1"}
    ]


@pytest.mark.parametrize("form", FORMS)
def test_text_cannot_end_lines_or_control_terminals(form: str) -> None:
    (line,) = FORMS[form](record("of %s", "a\nportmap: b\x1b[2J\udc80é"))

    assert line.isprintable()
    assert "é" in line


def test_a_long_text_is_cut() -> None:
    (line,) = text_lines(record("x" * (MAX_TEXT + 1)))

    assert line == "x" * MAX_TEXT + "..."


def test_an_error_without_an_exception_has_no_traceback() -> None:
    made = record("one")
    made.exc_info = (None, None, None)

    assert list(text_lines(made)) == ["one"]


@pytest.mark.usefixtures("loggers")
def test_missing_stderr_is_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        set_up("portmap", to_syslog=False, verbose=False, debug=False)

    logging.getLogger("oncrpc.portmap").error("nobody reads this")
