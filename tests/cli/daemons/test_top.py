"""The command portmap top: its rates, its keys, and what it needs."""

from __future__ import annotations

import builtins
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from oncrpc.cli import portmap
from oncrpc.cli.daemons import top as portmap_top
from oncrpc.cli.daemons.top import NEEDS_RICH, NEEDS_TERMINAL, keyboard, refresh, with_rates
from oncrpc.cli.daemons.top_lines import Scroll
from oncrpc.cli.portmap import top as portmap_word
from oncrpc.daemon.control.status import ProcedureCalls
from oncrpc.portmap.status import Status
from oncrpc.testing import ManualClock
from support.fake_control import FakeControl, reply
from support.sample_status import GETPORT, some_status


def later(seconds: float, calls: int) -> Status:
    """The status after so many further calls of GETPORT."""
    before = some_status().calls
    grown = replace(GETPORT, calls=GETPORT.calls + calls)
    changed = replace(
        before, since=before.since + seconds, total=before.total + calls, procedures=[grown]
    )
    return some_status(calls=changed)


def test_rates_are_those_since_the_time_before() -> None:
    found = with_rates(some_status(), later(2.0, 30)).calls

    assert (found.rate, found.window) == (15.0, 2.0)
    assert found.procedures == [ProcedureCalls(2, "GETPORT", 1230, 15.0)]


@pytest.mark.parametrize(
    "after",
    [some_status(), replace(later(2.0, 30), pid=1), later(2.0, -1), later(-1.0, 5)],
    ids=["no time", "another process", "fewer calls", "backwards"],
)
def test_incomparable_status_is_unchanged(after: Status) -> None:
    assert with_rates(some_status(), after) == after


def test_rates_follow_each_other_until_a_key_quits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr(portmap_top.time, "monotonic", clock)  # type: ignore[attr-defined]  # time
    shown: list[Status] = []
    waits: list[float] = []
    following = iter([later(1.0, 10), later(3.0, 20)])

    def keys(seconds: float) -> list[bytes]:
        waits.append(seconds)
        clock.now += seconds
        return [b"q"] if len(waits) > 2 else []

    refresh(
        some_status(), lambda: next(following), shown.append,
        scroll=Scroll(), keys=keys, interval=0.5,
    )  # fmt: skip

    assert waits == [0.5] * 3
    assert [round(each.calls.rate, 2) for each in shown] == [4.25, 10.0, 5.0]


UP, DOWN, PAGE_UP, PAGE_DOWN = b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~"


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ([DOWN], 1), ([b"j", b"j"], 2), ([DOWN, UP], 0), ([b"j", b"k"], 0), ([UP], 0),
        ([PAGE_DOWN], 10), ([b" ", PAGE_UP], 0), ([b"G"], 90), ([b"G", DOWN], 90),
        ([b"G", b"g"], 0), ([b"x", b"\x1b"], 0),
    ],
)  # fmt: skip
def test_keys_scroll_within_the_registrations(keys: list[bytes], first: int) -> None:
    scroll, typed = Scroll(), iter([*([key] for key in keys), [b"q"]])
    scroll.fit(100, 10)

    refresh(
        some_status(), some_status, lambda _: None,
        scroll=scroll, keys=lambda _: next(typed), interval=60.0,
    )  # fmt: skip

    assert scroll.first == first


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as standard input; the descriptor is that of the user who types."""
    typing, shown = os.openpty()
    with open(shown, "r+b", buffering=0) as raw, monkeypatch.context() as patched:
        text = os.fdopen(os.dup(raw.fileno()), "r")
        patched.setattr(sys, "stdin", text)
        yield typing
        text.close()
    os.close(typing)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"q", [b"q"]), (b"\x04", [b"\x04"]), (b"xq", [b"x", b"q"]),
        (b"\x1b[A\x1bOB\x1b[6~j", [UP, b"\x1bOB", PAGE_DOWN, b"j"]), (b"\x1b", [b"\x1b"]),
    ],
)  # fmt: skip
def test_keys_are_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch, typed: bytes, keys: list[bytes]
) -> None:
    with terminal(monkeypatch) as typing, keyboard() as read:
        os.write(typing, typed)

        assert read(5.0) == keys


def test_without_a_pressed_key_none_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch), keyboard() as read:
        assert read(0.0) == []


def test_without_a_terminal_to_read_it_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with keyboard() as read:
            assert read(0.0) == []


def outcome(
    capsys: pytest.CaptureFixture[str], folder: Path, *options: str
) -> tuple[int, str, str]:
    status = portmap.main(["top", "--state-dir", str(folder), *options])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_missing_rich_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def none(name: str, *rest: Any) -> Any:
        if name.endswith("top_screen"):
            raise ModuleNotFoundError("No module named 'rich'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", none)

    assert outcome(capsys, tmp_path) == (1, "", f"{NEEDS_RICH.format('portmap')}\n")
    assert "pip install 'oncrpc[top]'" in NEEDS_RICH


def test_help_names_the_command() -> None:
    assert portmap_word.parser().format_usage().startswith("usage: portmap top ")


def test_missing_terminal_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, tmp_path) == (1, "", f"{NEEDS_TERMINAL.format('portmap')}\n")


class FakeTerminal:
    """A standard output that says it is a terminal, and takes whatever is written."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


@pytest.fixture(autouse=True)
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with a cursor, wherever the tests run."""
    monkeypatch.setenv("TERM", "xterm")


def test_dumb_terminal_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    monkeypatch.setenv("TERM", "dumb")

    assert outcome(capsys, tmp_path) == (1, "", f"{NEEDS_TERMINAL.format('portmap')}\n")


def test_without_daemon_top_ends_like_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal())

    status, _, said = outcome(capsys, tmp_path)

    assert (status, said) == (
        3,
        f"portmap: not running: nobody answers at {tmp_path}/control\n",
    )


def test_json_is_a_line_for_each_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock()
    monkeypatch.setattr(portmap_top.time, "monotonic", clock)  # type: ignore[attr-defined]  # time
    waited: list[float] = []

    def wait(seconds: float) -> None:
        clock.now += seconds
        waited.append(seconds)
        if len(waited) > 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(portmap_top.time, "sleep", wait)  # type: ignore[attr-defined]  # time
    with FakeControl(tmp_path, reply(some_status()), reply(later(2.0, 30))):
        status, said, _ = outcome(capsys, tmp_path, "--json", "--interval", "2")

    lines = [json.loads(line) for line in said.splitlines()]
    assert (status, waited) == (0, [2.0, 2.0])
    assert [each["calls"]["rate"] for each in lines] == [some_status().calls.rate, 15.0]


def test_json_without_daemon_ends_like_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(capsys, tmp_path, "--json")[0] == 3


def test_ctrl_c_ends_it_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    monkeypatch.setattr(portmap_top, "refresh", interrupted)
    with FakeControl(tmp_path, reply(some_status())):
        assert outcome(capsys, tmp_path)[0] == 0


@pytest.mark.parametrize("interval", ["0", "often", "3601", "nan"])
def test_an_interval_that_makes_no_sense_is_named(
    capsys: pytest.CaptureFixture[str], interval: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        portmap.main(["top", "--interval", interval])

    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert f"argument --interval: invalid interval {interval}: must be 0.1 to 3600 seconds" in said


@pytest.mark.slow
@pytest.mark.parametrize("end", ["q", "Ctrl-C"])
def test_it_shows_the_daemon_until_a_key(tmp_path: Path, end: str) -> None:
    typing, shown = os.openpty()
    command = [sys.executable, "-m", "oncrpc.cli.portmap", "top", "--interval", "0.1"]
    with FakeControl(tmp_path, reply(some_status()), reply(later(1.0, 7777))):
        process = subprocess.Popen(
            [*command, "--state-dir", str(tmp_path)],
            stdin=shown,
            stdout=shown,
            stderr=shown,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        )
        os.close(shown)
        screen = b""
        while b"8977" not in screen:
            screen += os.read(typing, 65536)
        if end == "q":
            os.write(typing, b"q")
        else:
            process.send_signal(signal.SIGINT)
        try:
            while os.read(typing, 65536):
                pass
        except OSError:  # the other end is closed
            pass
        assert process.wait(20) == 0
    os.close(typing)
    assert b"GETPORT v2" in screen
    assert b"/run/greet.sock" in screen
