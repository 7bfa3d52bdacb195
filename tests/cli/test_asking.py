"""Finding a daemon and asking it: what can come of that, and how it is said."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from oncrpc.cli import asking
from oncrpc.cli.asking import (
    NOT_RUNNING,
    UNKNOWN,
    NoStatus,
    StatusParser,
    add_place,
    ask,
    folders_of,
    status_of,
)
from oncrpc.portmap.process import pidfile
from oncrpc.portmap.process.pidfile import SERVING, Holder, started_at
from oncrpc.portmap.status.control import NAME, Reply, encoded
from oncrpc.portmap.status.report import Status
from statuses import some_status

from .fake_control import FakeControl, reply


def asked(*arguments: str) -> Status:
    made = StatusParser()
    add_place(made)
    return status_of(made.parse_args(arguments))


def why_not(*arguments: str) -> tuple[int, str]:
    """The exit status and the line, where there is no status to show."""
    with pytest.raises(NoStatus) as raised:
        asked(*arguments)
    return raised.value.status, str(raised.value)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which nothing runs, and no time to wait."""
    monkeypatch.setattr(asking, "RUN", str(tmp_path))
    monkeypatch.setattr(asking, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(asking, "RESTART_TIME", 0.0)
    monkeypatch.setattr(asking.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]  # os


def test_what_the_daemon_says_is_the_status(tmp_path: Path) -> None:
    with FakeControl(tmp_path, reply(some_status())) as daemon:
        assert asked("--state-dir", str(tmp_path)) == some_status()

    assert daemon.asked == [b'{"ask":"status","protocol":1}\n']


@pytest.mark.parametrize(("port", "name"), [(111, "portmap"), (10111, "portmap-10111")])
def test_it_is_found_by_its_port(tmp_path: Path, port: int, name: str) -> None:
    (tmp_path / name).mkdir()
    with FakeControl(tmp_path / name, reply(some_status())):
        assert asked("-p", str(port)).pid == some_status().pid


def test_who_is_not_root_is_shown_its_own_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]  # os

    found = list(folders_of(111, {"XDG_RUNTIME_DIR": "/run/user/1000"}))

    assert found == ["/run/user/1000/portmap", f"{tmp_path}/portmap"]
    assert list(folders_of(111, {})) == [f"{tmp_path}/portmap"]


def test_where_nobody_is_it_is_not_running(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))

    for folder in (tmp_path, tmp_path / "none", tmp_path / NAME):
        assert why_not("--state-dir", str(folder)) == (
            NOT_RUNNING,
            f"not running: nobody keeps registrations in {folder}",
        )
    assert why_not()[0] == NOT_RUNNING


def test_one_that_starts_anew_in_place_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = FakeControl(tmp_path, reply(some_status()))
    monkeypatch.setattr(asking, "RESTART_TIME", 10.0)
    monkeypatch.setattr(asking.time, "sleep", lambda _: daemon.__enter__())  # type: ignore[attr-defined]  # time

    assert ask(str(tmp_path)) == some_status()

    daemon.__exit__(None, None, None)


def test_one_without_a_state_directory_cannot_be_asked(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as file:
        started = started_at(os.getpid()) or 0
        pidfile.write([file.fileno()], Holder(os.getpid(), started, 1, 0, SERVING))

    said = "runs without a state directory (--no-state), and cannot be asked"
    assert why_not() == (UNKNOWN, f"process {os.getpid()} {said}")
    assert why_not("-p", "10111")[0] == NOT_RUNNING


def test_without_permission_it_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(asking, "_connected", refuses)
        assert why_not("--state-dir", "/run/x") == (
            UNKNOWN,
            "may not open /run/x/control; ask as root",
        )
    with monkeypatch.context() as patched:
        patched.setattr(pidfile, "read", refuses)
        assert why_not() == (UNKNOWN, f"may not read {tmp_path}/lock; ask as root")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (b"", "the daemon has ended the connection; ask again"),
        (encoded(Reply(1, error="too many connections")), "the daemon says: too many connections"),
        (b'{"protocol":2}\n', "the daemon says: None"),
        (b"{}\n", "the daemon is of another version: Object missing required field `protocol`"),
    ],
    ids=["nothing", "error", "protocol 2", "no reply"],
)
def test_an_answer_that_is_no_status_is_told(tmp_path: Path, answer: bytes, line: str) -> None:
    with FakeControl(tmp_path, answer):
        assert why_not("--state-dir", str(tmp_path)) == (UNKNOWN, line)


@pytest.mark.parametrize(
    ("error", "why"),
    [(TimeoutError(), "no answer in time"), (OSError(24, "Too many files"), "Too many files")],
)
def test_what_keeps_us_from_asking_is_told(
    monkeypatch: pytest.MonkeyPatch, error: OSError, why: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(asking, "_connected", fails)

    assert why_not("--state-dir", "/run/x") == (UNKNOWN, f"cannot ask /run/x/control: {why}")
