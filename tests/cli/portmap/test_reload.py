"""The command portmap reload: whom it asks, and what it says came of it."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.cli import portmap
from oncrpc.cli.portmap import reload as portmap_reload
from oncrpc.daemon import lockfile as pidfile
from oncrpc.daemon.lockfile import SERVING, Holder
from oncrpc.host.processes import started_at
from oncrpc.portmap.config import SCHEMA


class FakeDaemon:
    """In place of a process: answers a signal by what it writes into the file."""

    def __init__(self, path: Path) -> None:
        self.path, self.signals = path, list[int]()
        self.answer: Callable[[], None] = lambda: None
        self.write(0, SERVING)

    def write(self, events: int, said: str, *, started: int | None = None) -> None:
        own = started_at(os.getpid()) if started is None else started
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            pidfile.write([file.fileno()], Holder(os.getpid(), own or 0, 1, events, said))

    def kill(self, pid: int, number: int) -> None:
        assert pid == os.getpid()
        self.signals.append(number)
        self.answer()


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    made = FakeDaemon(tmp_path / "pid")
    monkeypatch.setattr(portmap_reload.os, "kill", made.kill)  # type: ignore[attr-defined]  # os
    monkeypatch.setattr(portmap_reload, "WAIT", 0.05)
    monkeypatch.setattr(portmap_reload, "POLL", 0.001)
    with made.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield made


def outcome(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> tuple[int, str, str]:
    status = portmap.main(["reload", "--pid-file", str(path), *options])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(
    ("options", "number", "line"),
    [
        ((), signal.SIGHUP, "has read its files again"),
        (("--exec",), signal.SIGUSR2, "runs the new image, and answers"),
    ],
)
def test_it_waits_until_it_is_done_and_says_so(
    daemon: FakeDaemon,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    number: int,
    line: str,
) -> None:
    daemon.answer = lambda: daemon.write(1, SERVING)

    found = outcome(capsys, daemon.path, *options)

    assert found == (0, f"portmap: process {os.getpid()} {line}\n", "")
    assert daemon.signals == [number]


def test_a_process_that_is_named_but_does_not_hold_the_lock_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = FakeDaemon(tmp_path / "pid")
    monkeypatch.setattr(portmap_reload.os, "kill", named.kill)  # type: ignore[attr-defined]  # os

    status, _, said = outcome(capsys, named.path)

    assert (status, named.signals) == (1, [])
    assert "no port mapper of ours runs that has locked" in said


def test_what_kept_the_daemon_from_it_is_one_line(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answer = lambda: daemon.write(1, "not restarted: no memory; going on as before")

    found = outcome(capsys, daemon.path, "--exec")

    assert found == (
        1,
        "",
        f"portmap: process {os.getpid()}: not restarted: no memory; going on as before\n",
    )


def test_a_daemon_that_does_nothing_is_not_waited_for_without_end(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, line = outcome(capsys, daemon.path)

    assert (status, line) == (
        1,
        f"portmap: process {os.getpid()} has not done it within 0.05 s; see its log\n",
    )


def test_a_daemon_that_ends_is_told(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answer = lambda: monkeypatch.setattr(pidfile, "started_at", lambda _: None)

    status, _, line = outcome(capsys, daemon.path)

    assert (status, line) == (1, f"portmap: process {os.getpid()} has ended; see its log\n")


def test_a_signal_that_may_not_be_sent_is_told(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses() -> None:
        raise PermissionError(1, "Operation not permitted")

    daemon.answer = refuses

    status, _, line = outcome(capsys, daemon.path)

    assert (status, line) == (
        1,
        f"portmap: cannot signal process {os.getpid()}: operation not permitted; run as root\n",
    )


def test_nobody_else_gets_the_signal(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.write(0, SERVING, started=1)

    status, _, line = outcome(capsys, daemon.path)

    assert status == 1
    assert line.startswith(f"portmap: no port mapper of ours runs that has locked {daemon.path};")
    assert daemon.signals == []


def test_a_file_that_is_not_there_or_not_readable_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"

    assert outcome(capsys, gone)[2] == (
        f"portmap: no port mapper runs: there is no {gone}; see --pid-file\n"
    )
    assert outcome(capsys, tmp_path)[2] == (
        f"portmap: cannot read {tmp_path}: is a directory; run as root\n"
    )


@pytest.mark.parametrize("by", ["file", "variable"])
def test_it_is_found_the_way_it_was_configured(
    daemon: FakeDaemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    by: str,
) -> None:
    daemon.answer = lambda: daemon.write(1, SERVING)
    path = tmp_path / "portmap.toml"
    path.write_text(f'[daemon]\npid-file = "{daemon.path}"\n' if by == "file" else "")
    path.chmod(0o644)
    monkeypatch.setattr(SCHEMA, "file", str(path))
    monkeypatch.setenv("PORTMAP_OPTIONS", f"--pid-file {daemon.path}" if by == "variable" else "")

    assert portmap.main(["reload"]) == 0
    assert daemon.signals == [signal.SIGHUP]
    assert capsys.readouterr().err == ""


def test_a_wrong_file_is_the_daemons_to_tell(
    daemon: FakeDaemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "portmap.toml"
    path.write_text("nonsense")
    path.chmod(0o644)
    monkeypatch.setattr(SCHEMA, "file", str(path))
    monkeypatch.setattr(portmap_reload, "LOCK", str(daemon.path))
    daemon.answer = lambda: daemon.write(1, "the file is wrong")

    assert portmap.main(["reload"]) == 1
    assert capsys.readouterr().err == f"portmap: process {os.getpid()}: the file is wrong\n"
    assert portmap.main(["reload", "--config", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"portmap: {path}: ")
