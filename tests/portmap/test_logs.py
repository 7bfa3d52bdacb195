"""One line a second for each cause, to stderr or to syslog."""

from __future__ import annotations

import logging
import syslog
from collections.abc import Iterator

import pytest

from oncrpc.portmap import logs
from oncrpc.portmap.logs import MAX_CAUSES, OncePerSecond, SyslogHandler, set_up
from oncrpc.testing import ManualClock


class Clock:
    """In place of the module time."""

    def __init__(self, clock: ManualClock) -> None:
        self.monotonic = clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    made = ManualClock(now=0.5)
    monkeypatch.setattr(logs, "time", Clock(made))
    return made


def record(message: str, *arguments: object, name: str = "oncrpc.portmap") -> logging.LogRecord:
    """A message as it comes to a filter."""
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, arguments, None)


def test_a_cause_is_let_through_once_a_second(clock: ManualClock) -> None:
    once = OncePerSecond()

    assert once.filter(record("refused %s", "192.0.2.1"))
    clock.advance(0.9)
    assert not once.filter(record("refused %s", "192.0.2.2"))
    clock.advance(0.1)
    assert once.filter(record("refused %s", "192.0.2.3"))


def test_what_was_held_back_is_counted_with_the_next(clock: ManualClock) -> None:
    once = OncePerSecond()
    for last in range(4):
        once.filter(record("refused %s", f"192.0.2.{last}"))
    clock.advance(1)
    following = record("refused %s", "192.0.2.9")

    once.filter(following)

    assert following.getMessage() == "refused 192.0.2.9 (3 more like it)"


def test_other_causes_and_other_loggers_are_not_held_back(clock: ManualClock) -> None:
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


@pytest.fixture
def loggers() -> Iterator[None]:
    """The loggers are as before when the test has ended."""
    names = ("oncrpc", "oncrpc.aio", "oncrpc.rpc", "oncrpc.portmap", "oncrpc.calls")
    kept = []
    for name in names:
        logger = logging.getLogger(name)
        state = (list(logger.handlers), list(logger.filters), logger.level, logger.propagate)
        kept.append((logger, state))
    yield
    for logger, (handlers, filters, level, propagate) in kept:
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.mark.usefixtures("loggers")
def test_in_the_foreground_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(to_syslog=False, verbose=False, debug=False)

    logging.getLogger("oncrpc.portmap").info("ready")
    logging.getLogger("oncrpc.portmap").debug("details")
    logging.getLogger("oncrpc.calls").info("connect from 192.0.2.1")

    assert capsys.readouterr().err == "portmap: ready\n"


@pytest.mark.usefixtures("loggers")
def test_verbose_and_debug_add_calls_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(to_syslog=False, verbose=True, debug=True)

    logging.getLogger("oncrpc.aio").debug("details")
    for _ in range(2):
        logging.getLogger("oncrpc.calls").info("connect from %s", "192.0.2.1")

    lines = capsys.readouterr().err.splitlines()
    assert lines == ["portmap: details", *["portmap: connect from 192.0.2.1"] * 2]


@pytest.mark.usefixtures("loggers")
def test_in_the_background_messages_go_to_syslog(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "openlog", lambda *_: None)
    monkeypatch.setattr(syslog, "syslog", lambda at, text: written.append((at, text)))
    set_up(to_syslog=True, verbose=False, debug=False)

    logging.getLogger("oncrpc.portmap").error("cannot write %s", "/run/one")
    SyslogHandler().handle(logging.LogRecord("x", 35, "", 1, "between the levels", (), None))

    assert written == [
        (syslog.LOG_ERR, "cannot write /run/one"),
        (syslog.LOG_INFO, "between the levels"),
    ]
