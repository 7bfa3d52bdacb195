"""Finding a daemon and asking it: what can come of that, and how it is said."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oncrpc.cli.daemons import control_client as asking
from oncrpc.cli.daemons import kind as kinds
from oncrpc.cli.daemons.control_client import (
    HOMELESS,
    MAX_ANSWER,
    NOT_RUNNING,
    UNKNOWN,
    UNREADABLE,
    NoStatus,
    add_place,
    ask_status,
    folders_of,
    place_of,
    status_of,
)
from oncrpc.cli.daemons.kind import CommandParser, DaemonKind
from oncrpc.cli.portmap.kind import KIND
from oncrpc.cli.portmap.options import COMMAND
from oncrpc.daemon import lockfile as pidfile
from oncrpc.daemon.control.protocol import NAME, error_line
from oncrpc.daemon.lockfile import SERVING, Holder
from oncrpc.host.processes import started_at
from oncrpc.portmap.config import SCHEMA
from oncrpc.portmap.status import Status
from support.fake_control import FakeControl, reply
from support.sample_status import some_status
from support.threaded_servers import behaving

LOCKED: list[DaemonKind[Status]] = []
"""The kind of the test, whose lock is in a directory of the test."""


def asked(*arguments: str, variable: str = "") -> Status:
    (kind,) = LOCKED
    made = CommandParser()
    add_place(made, kind)
    options = made.parse_args(arguments)
    return status_of(place_of(options, kind, {COMMAND.variable: variable}), kind)


def why_not(*arguments: str) -> tuple[int, str]:
    """The exit status and the line, where there is no status to show."""
    with pytest.raises(NoStatus) as raised:
        asked(*arguments)
    return raised.value.status, str(raised.value)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which nothing runs, and no time to wait."""
    monkeypatch.setattr(kinds, "RUN", str(tmp_path))
    monkeypatch.setattr(SCHEMA, "file", str(tmp_path / "portmap.toml"))
    LOCKED[:] = [KIND._replace(lock=str(tmp_path / "lock"))]
    monkeypatch.setattr(asking, "RESTART_TIME", 0.0)
    monkeypatch.setattr(asking.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]  # os


def test_status_comes_from_the_daemon(tmp_path: Path) -> None:
    with FakeControl(tmp_path, reply(some_status())) as daemon:
        assert asked("--state-dir", str(tmp_path)) == some_status()

    assert daemon.asked == [b'{"ask":"status","protocol":1}\n']


def configured(folder: Path, *lines: str, name: str = "portmap.toml") -> str:
    """The file by which the daemon was configured."""
    path = folder / name
    path.write_text("\n".join(["[daemon]", *lines, ""]))
    path.chmod(0o644)
    return str(path)


@pytest.mark.parametrize(
    ("line", "variable", "arguments", "found_in"),
    [
        ("port = 222", "", [], "portmap-222"),
        ("port = 222", "-p 333", [], "portmap-333"),
        ("port = 222", "-p 333", ["-p", "444"], "portmap-444"),
        ("port = 222", "-p 333", ["-p", "111"], "portmap"),
        ('state-dir = "{}/kept"', "", [], "kept"),
        ('state-dir = "{}/kept"', "--no-state", [], "portmap"),
        ('state-dir = "{}/kept"', "", ["--state-dir", "{}/other"], "other"),
        ("state = false", "", [], "portmap"),
    ],
)
def test_it_is_found_the_way_it_was_configured(
    tmp_path: Path, line: str, variable: str, arguments: list[str], found_in: str
) -> None:
    configured(tmp_path, line.format(tmp_path))
    (tmp_path / found_in).mkdir()
    given = [each.format(tmp_path) for each in arguments]

    with FakeControl(tmp_path / found_in, reply(some_status())):
        assert asked(*given, variable=variable) == some_status()


@pytest.mark.parametrize("by_option", [False, True])
def test_the_file_can_be_another(tmp_path: Path, by_option: bool) -> None:
    other = configured(tmp_path, "port = 222", name="other.toml")
    (tmp_path / "portmap-222").mkdir()
    option = ["--config", other]

    with FakeControl(tmp_path / "portmap-222", reply(some_status())):
        found = asked(*option) if by_option else asked(variable=" ".join(option))

    assert found == some_status()


def test_wrong_file_matters_if_nothing_else_answers(tmp_path: Path) -> None:
    wrong = configured(tmp_path, "port = -1")
    line = f"{wrong}: daemon.port: has to be at least 0"

    assert why_not() == (UNKNOWN, line)
    (tmp_path / "portmap").mkdir()
    with FakeControl(tmp_path / "portmap", reply(some_status())):
        assert asked() == some_status()
        assert why_not("--config", wrong) == (UNKNOWN, line)


def test_wrong_option_in_the_environment_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as raised:
        asked(variable="--nonsense")

    assert raised.value.code == UNKNOWN
    assert capsys.readouterr().err.startswith("portmap: PORTMAP_OPTIONS: unrecognized")


@pytest.mark.parametrize(("port", "name"), [(111, "portmap"), (10111, "portmap-10111")])
def test_it_is_found_by_its_port(tmp_path: Path, port: int, name: str) -> None:
    (tmp_path / name).mkdir()
    with FakeControl(tmp_path / name, reply(some_status())):
        assert asked("-p", str(port)).pid == some_status().pid


@pytest.mark.parametrize("option", ["-p", "--port", "--rpcbind-port"])
@pytest.mark.parametrize("host", ["", "127.0.0.1:", "[::1]:", "localhost:"])
def test_port_may_follow_a_loopback_host(tmp_path: Path, option: str, host: str) -> None:
    (tmp_path / "portmap-10111").mkdir()
    with FakeControl(tmp_path / "portmap-10111", reply(some_status())):
        assert asked(option, f"{host}10111").pid == some_status().pid


def test_port_of_another_host_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        asked("-p", "nas:111")

    assert raised.value.code == 2
    hint = "nas is not a loopback address; for other hosts use 'rpcinfo nas:111'"
    assert hint in capsys.readouterr().err


def test_user_is_shown_its_own_daemon_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]  # os

    found = list(folders_of(KIND, 111, {"XDG_RUNTIME_DIR": "/run/user/1000"}))

    assert found == ["/run/user/1000/portmap", f"{tmp_path}/portmap"]
    assert list(folders_of(KIND, 111, {})) == [f"{tmp_path}/portmap"]


def test_without_daemon_it_is_not_running(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))

    for folder in (tmp_path, tmp_path / "none", tmp_path / NAME):
        assert why_not("--state-dir", str(folder)) == (
            NOT_RUNNING,
            f"not running: nobody answers at {folder}/control",
        )


def test_usual_place_without_daemon_names_port_option(tmp_path: Path) -> None:
    status, line = why_not()

    assert status == NOT_RUNNING
    assert line.endswith("/control; for another daemon: -p PORT or --state-dir DIR")


def test_daemon_restarting_in_place_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = FakeControl(tmp_path, reply(some_status()))
    monkeypatch.setattr(asking, "RESTART_TIME", 10.0)
    monkeypatch.setattr(asking.time, "sleep", lambda _: daemon.__enter__())  # type: ignore[attr-defined]  # time

    assert ask_status(str(tmp_path), KIND) == some_status()

    daemon.__exit__(None, None, None)


@pytest.mark.parametrize("lock", ["lock", "pid"])
def test_daemon_without_control_socket_runs(tmp_path: Path, lock: str) -> None:
    configured(tmp_path, f'pid-file = "{tmp_path}/pid"')
    with (tmp_path / lock).open("wb") as file:
        started = started_at(os.getpid()) or 0
        pidfile.write([file.fileno()], Holder(os.getpid(), started, 1, 0, SERVING))

    status, line = why_not()
    assert status == UNKNOWN
    assert line.startswith(f"process {os.getpid()} runs, and cannot be asked: nobody answers at /")
    assert line.endswith("/control; see --state-dir")
    assert why_not("-p", "10111")[0] == (NOT_RUNNING if lock == "lock" else UNKNOWN)


def test_own_daemon_without_runtime_directory_may_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]  # os

    assert why_not("-p", "10111") == (
        UNKNOWN,
        HOMELESS.format("$RUNTIME_DIRECTORY and $XDG_RUNTIME_DIR"),
    )
    assert why_not("-p", "10111", "--state-dir", str(tmp_path))[0] == NOT_RUNNING
    assert why_not()[0] == NOT_RUNNING


def test_without_permission_the_state_is_unknown(
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
        (b"", "the daemon closed the connection; try again"),
        (
            error_line("too many connections"),
            "the daemon reports: too many connections",
        ),
        (b'{"protocol":2}\n', "the daemon reports: nothing"),
        (
            b"{}\n",
            f"{UNREADABLE}: Object missing required field `protocol`",
        ),
    ],
    ids=["nothing", "error", "protocol 2", "no reply"],
)
def test_invalid_status_reply_is_reported(tmp_path: Path, answer: bytes, line: str) -> None:
    with FakeControl(tmp_path, answer):
        assert why_not("--state-dir", str(tmp_path)) == (UNKNOWN, line)


@pytest.mark.parametrize(
    ("error", "why"),
    [(TimeoutError(), "no answer in time"), (OSError(24, "Too many files"), "Too many files")],
)
def test_failure_to_ask_is_reported(
    monkeypatch: pytest.MonkeyPatch, error: OSError, why: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(asking, "_connected", fails)

    assert why_not("--state-dir", "/run/x") == (UNKNOWN, f"cannot ask /run/x/control: {why}")


def text_with(**changes: Any) -> bytes:
    """The line that says a status in which values of any kind stand."""
    whole = msgspec.json.decode(reply(some_status()))
    whole["status"].update(changes)
    return msgspec.json.encode(whole) + b"\n"


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (b"[" * 1_000_000 + b"\n", UNREADABLE),
        (b'{"protocol":1,"x":' + b"[" * 1_000_000 + b"\n", UNREADABLE),
        (b"\xff\xfe\n", UNREADABLE),
        (b'{"protocol":1,"error":"\xff"}\n', UNREADABLE),
        (b'{"protocol":1,"\\u001b[2J":', "the daemon closed the connection"),
        (b'{"protocol":1,"error":"\\u001b[2Jno"}\n', r"the daemon reports: \x1b[2Jno"),
        (b'{"protocol":1}\n', "the daemon reports: nothing"),
        (text_with(pid="\x1b[2J"), UNREADABLE),
        (text_with(uptime=None), UNREADABLE),
        (b" " * (MAX_ANSWER + 1), f"the daemon's answer is longer than {MAX_ANSWER} bytes"),
    ],
    ids=[
        "deep", "deep unknown field", "not UTF-8", "not UTF-8 inside", "cut", "escape", "nothing",
        "another type", "null", "huge",
    ],
)  # fmt: skip
def test_a_malformed_answer_is_one_printable_line(tmp_path: Path, answer: bytes, line: str) -> None:
    with FakeControl(tmp_path, answer):
        status, text = why_not("--state-dir", str(tmp_path))

    assert status == UNKNOWN
    assert text.startswith(line)
    assert text.isprintable()


def test_a_dripping_answer_has_one_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dripping(connection: socket.socket) -> None:
        while True:
            connection.sendall(b" ")

    monkeypatch.setattr(asking, "TIMEOUT", 0.05)
    with behaving("local", dripping, path=str(tmp_path / NAME)):
        assert why_not("--state-dir", str(tmp_path)) == (
            UNKNOWN,
            f"cannot ask {tmp_path}/control: no answer in time",
        )
