"""Datagrams to /dev/log: their form; none is lost, and none blocks."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.daemon.log import syslog as devlog
from oncrpc.daemon.log.syslog import MAX_KEPT, RETRY, Message, Syslog, severity_of
from oncrpc.testing import ManualClock
from support.fake_syslog import FakeSyslog
from support.loops import run_by, settle

HEADER = rf"[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d portmap\[{os.getpid()}\]: "


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FakeSyslog]:
    made = FakeSyslog(tmp_path / "log")
    yield made
    made.sock.close()


def handler(log: FakeSyslog) -> Syslog:
    """A handler that sends each message as its lines."""
    return Syslog(
        lambda record: record.getMessage().splitlines(),
        private=["oncrpc.access"],
        place=str(log.path),
        tag="portmap",
    )


def say(made: Syslog, text: str, *, level: int = logging.INFO, name: str = "oncrpc") -> None:
    made.handle(logging.LogRecord(name, level, "", 1, text, (), None))


def texts(log: FakeSyslog) -> list[str]:
    """The received texts, without their prefixes."""
    return [re.sub(rf"<\d+>{HEADER}", "", line) for line in log.lines()]


@pytest.mark.parametrize(
    ("level", "name", "priority"),
    [
        (logging.INFO, "oncrpc.portmap", 30),
        (logging.WARNING, "oncrpc.access", 36),
        (logging.INFO, "oncrpc.access", 38),
        (logging.ERROR, "oncrpc.portmap", 27),
        (logging.CRITICAL, "oncrpc.portmap", 26),
        (logging.DEBUG, "oncrpc.aio", 31),
    ],
)
def test_a_datagram_has_priority_time_and_tag(
    log: FakeSyslog, level: int, name: str, priority: int
) -> None:
    made = handler(log)

    say(made, "ready", level=level, name=name)

    (line,) = log.lines()
    assert re.fullmatch(rf"<{priority}>{HEADER}ready", line)
    made.close()


def test_day_of_month_is_two_characters_wide() -> None:
    at = time.mktime((2026, 3, 7, 1, 2, 3, 0, 0, -1))

    assert Message(30, at, "portmap", "x").encoded().startswith(b"<30>Mar  7 01:02:03 portmap[")


def test_level_between_two_gets_the_lower_severity() -> None:
    assert severity_of(logging.WARNING + 5) == severity_of(logging.WARNING)


def test_each_line_is_a_datagram(log: FakeSyslog) -> None:
    made = handler(log)

    say(made, "one\ntwo")

    assert texts(log) == ["one", "two"]
    made.close()


def test_lines_before_syslog_starts_are_sent_later(log: FakeSyslog) -> None:
    log.stop()
    made = handler(log)
    say(made, "early")

    log.start()
    say(made, "late")

    assert texts(log) == ["early", "late"]
    made.close()


def test_restarted_syslog_gets_the_following_lines(log: FakeSyslog) -> None:
    made = handler(log)
    say(made, "one")
    assert texts(log) == ["one"]
    log.stop()
    log.start()

    say(made, "two")

    assert texts(log) == ["two"]
    made.close()


def test_queued_lines_are_sent_without_another_line(log: FakeSyslog) -> None:
    log.stop()
    clock = ManualClock()

    async def scenario() -> None:
        made = handler(log)
        for text in ("one", "two"):
            say(made, text)
        clock.advance(RETRY)
        await settle()
        log.start()
        clock.advance(RETRY)
        await settle()
        assert texts(log) == ["one", "two"]
        made.close()

    run_by(clock, scenario())


def test_syslog_that_does_not_read_never_blocks(log: FakeSyslog) -> None:
    made = handler(log)
    count = MAX_KEPT + 200
    for number in range(count):
        say(made, f"line {number}")

    first = texts(log)
    found = list(first)
    while True:
        made.flush()
        more = texts(log)
        if not more:
            break
        found += more

    assert first
    assert found[0] == "line 0"
    lost = [line for line in found if line.endswith("earlier lines of the log were lost")]
    assert len(lost) == 1
    assert len(found) == count + 1 - int(lost[0].split()[0])
    assert found[-1] == f"line {count - 1}"
    made.close()


def test_a_line_that_cannot_be_sent_is_kept(
    log: FakeSyslog, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = handler(log)

    class Failing:
        def __init__(self, *_: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(devlog.socket, "socket", Failing)  # type: ignore[attr-defined]  # socket
        say(made, "one")
    made.flush()

    assert texts(log) == ["one"]
    made.close()


def test_closing_sends_queued_lines(log: FakeSyslog) -> None:
    log.stop()
    made = handler(log)
    say(made, "one")
    log.start()

    made.close()

    assert texts(log) == ["one"]


def test_a_retry_is_planned_once(log: FakeSyslog) -> None:
    log.stop()

    async def scenario() -> None:
        made, loop = handler(log), asyncio.get_running_loop()
        say(made, "one")
        planned = made.retry_at
        assert planned is not None
        assert planned <= loop.time() + RETRY
        for _ in range(2):
            say(made, "one")
        assert made.retry_at == planned

    asyncio.run(scenario())
