"""The command portmap reload: whom it asks, and what it says came of it."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from oncrpc.cli import portmap
from oncrpc.cli.daemons import kind as kinds
from oncrpc.cli.daemons import reload as portmap_reload
from oncrpc.cli.portmap import reload as portmap_word
from oncrpc.cli.portmap.kind import KIND
from oncrpc.daemon import lockfile as pidfile
from oncrpc.daemon.lockfile import SERVING, Holder
from oncrpc.host.processes import started_at
from oncrpc.portmap.config import SCHEMA
from support.fake_control import FakeControl, reply
from support.sample_status import some_status


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
def test_it_waits_until_the_daemon_is_done(
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


def test_process_without_the_lock_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = FakeDaemon(tmp_path / "pid")
    monkeypatch.setattr(portmap_reload.os, "kill", named.kill)  # type: ignore[attr-defined]  # os

    status, _, said = outcome(capsys, named.path)

    assert (status, named.signals) == (1, [])
    assert "no portmap runs that has locked" in said


def test_failed_reload_is_one_line(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer = lambda: daemon.write(1, "restart failed: no memory; continuing")

    found = outcome(capsys, daemon.path, "--exec")

    assert found == (
        1,
        "",
        f"portmap: process {os.getpid()}: restart failed: no memory; continuing\n",
    )


def test_waiting_for_the_daemon_ends(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, line = outcome(capsys, daemon.path)

    assert (status, line) == (
        1,
        f"portmap: process {os.getpid()} has not done it within 0.05 s; see its log\n",
    )


def test_reload_reports_a_daemon_that_ends(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answer = lambda: monkeypatch.setattr(pidfile, "started_at", lambda _: None)

    status, _, line = outcome(capsys, daemon.path)

    assert (status, line) == (1, f"portmap: process {os.getpid()} has ended; see its log\n")


def test_forbidden_signal_is_reported(
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
    assert line.startswith(f"portmap: no portmap runs that has locked {daemon.path};")
    assert daemon.signals == []


def test_missing_or_unreadable_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"

    assert outcome(capsys, gone)[2] == (
        f"portmap: no port mapper runs: {gone} does not exist; see --port and --pid-file\n"
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
    monkeypatch.setattr(portmap_word, "KIND", KIND._replace(lock=str(daemon.path)))
    daemon.answer = lambda: daemon.write(1, "the file is wrong")

    assert portmap.main(["reload"]) == 1
    assert capsys.readouterr().err == f"portmap: process {os.getpid()}: the file is wrong\n"
    assert portmap.main(["reload", "--config", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"portmap: {path}: ")


def running(*, success: int = 0, failure: int = 0, fault: str = "", since: float = 5400.0) -> bytes:
    """The status of this process after so many reloads, ``since`` its image began."""
    before = some_status()
    return reply(
        replace(
            before, pid=os.getpid(), reloads={"success": success, "failure": failure},
            reload_fault=fault, calls=replace(before.calls, since=since),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "after", "status", "line"),
    [
        ((), running(success=1), 0, "has read its files again"),
        ((), running(failure=1), 1, "it could not read its files; see its log"),
        ((), running(failure=1, fault="line 3 is wrong"), 1, "line 3 is wrong"),
        ((), running(), 1, "has not done it within 0.05 s; see its log"),
        (("--exec",), running(since=0.0), 0, "runs the new image, and answers"),
        (("--exec",), running(), 1, "has not done it within 0.05 s; see its log"),
    ],
)
def test_daemon_on_another_port_is_found(
    daemon: FakeDaemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    after: bytes,
    status: int,
    line: str,
) -> None:
    monkeypatch.setattr(kinds, "RUN", str(tmp_path))
    monkeypatch.setattr(SCHEMA, "file", str(tmp_path / "none"))
    (tmp_path / "portmap-10111").mkdir()

    with FakeControl(tmp_path / "portmap-10111", running(), after):
        assert portmap.main(["reload", "-p", "10111", *options]) == status

    assert daemon.signals == [signal.SIGUSR2 if options else signal.SIGHUP]
    said = capsys.readouterr()
    assert (said.out or said.err).endswith(f"{line}\n")


def test_missing_daemon_on_another_port_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kinds, "RUN", str(tmp_path))
    monkeypatch.setattr(SCHEMA, "file", str(tmp_path / "none"))

    assert portmap.main(["reload", "--state-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"portmap: not running: nobody answers at {tmp_path}/control\n"
    )
