"""The command portmap status: its screen, its JSON, its exit status."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from oncrpc.cli import portmap
from oncrpc.cli.daemons.text import duration, rate, size
from oncrpc.cli.portmap.status import status_lines
from oncrpc.daemon.control.status import CallsReport, ProcedureCalls, RulesRead, ServedSocket
from oncrpc.portmap.status import Checks, Forwarding, Registered, StateFiles, Status
from support.daemon_process import RunningDaemon
from support.fake_control import FakeControl, reply
from support.sample_status import NFS, some_status

SCREEN = """\
portmap 0.1.0, process 4242, up 3 d 4 h
local         /run/rpcbind.sock  @/run/rpcbind.sock
udp           0.0.0.0.0.111
connections   tcp 3
calls         1234 in 1 h 30 min, 4.2 a second lately
refused       12 unauthorized, 1 indirect
dropped       7 over their rate, 2 replies too long
forwarding    off
liveness      every 1 min, last 12 s ago, 2 dropped
policy        /etc/portmap.toml, 3 rules
state         /run/portmap, journal 4.1 KiB
registrations 2

procedure   calls  a second
GETPORT v2   1200       4.2
GETADDR v4     34       0.0

program  name  version  netid  address          owner            age  endpoint
100003   nfs         3  tcp    0.0.0.0.8.1      superuser    1 d 1 h  alive
400001   -           1  local  /run/greet.sock  1000       1 min 1 s  gone
"""


def outcome(
    capsys: pytest.CaptureFixture[str], folder: Path, *options: str
) -> tuple[int, str, str]:
    status = portmap.main(["status", "--state-dir", str(folder), *options])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_status_prints_the_expected_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeControl(tmp_path, reply(some_status())):
        assert outcome(capsys, tmp_path) == (0, SCREEN, "")


def test_as_json_it_can_be_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, reply(some_status())):
        status, said, _ = outcome(capsys, tmp_path, "--json")

    assert status == 0
    assert msgspec.json.decode(said, type=Status) == some_status()


def test_missing_daemon_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, tmp_path) == (
        3,
        "",
        f"portmap: not running: nobody answers at {tmp_path}/control\n",
    )


def test_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        portmap.main(["status", "--nonsense"])

    assert raised.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def line_of(label: str, **changes: Any) -> str | None:
    """What the screen says under a label."""
    lines = [line for line in status_lines(some_status(**changes)) if line.startswith(label)]
    return lines[0].removeprefix(label).strip() if lines else None


@pytest.mark.parametrize(
    ("checks", "line"),
    [
        (Checks(0.0, None, None, 0), "off"),
        (Checks(60.0, None, None, 0), "every 1 min, 0 dropped"),
        (Checks(0.0, 1, None, 0), "watching 1 process, 0 dropped"),
        (Checks(60.0, 2, 0.4, 3), "every 1 min, watching 2 processes, last 0 s ago, 3 dropped"),
    ],
)
def test_status_shows_how_servers_are_checked(checks: Checks, line: str) -> None:
    assert line_of("liveness", liveness=checks) == line


def test_absent_parts_are_left_out() -> None:
    assert line_of("state", state=None) == "not kept"
    assert line_of("warm start") is None
    assert line_of("warm start", warm_start="/run/rpcbind") == "/run/rpcbind"
    assert line_of("connections", connections={}) == "none"
    assert line_of("forwarding", forwarding=Forwarding(True, 2)) == "on, 2 calls under way"


def test_without_calls_no_table_is_shown() -> None:
    calls = msgspec.structs.replace(some_status().calls, total=0)

    assert line_of("procedure") is not None
    assert line_of("procedure", calls=calls) is None


def test_right_after_the_start_there_is_no_rate() -> None:
    calls = msgspec.structs.replace(some_status().calls, total=4, since=0.13, rate=30.0)

    assert line_of("calls", calls=calls) == "4 in 0 s"
    assert line_of("GETPORT v2", calls=calls) == "1200         -"


def test_registrations_that_are_not_listed_are_counted() -> None:
    assert list(status_lines(some_status(registered=12)))[-1] == "and 10 more"


def test_foreign_text_cannot_control_the_terminal() -> None:
    bad = Registered(1, None, 1, "tcp", "\x1b[2J", "é", 0.0, "unknown")

    *_, last = status_lines(some_status(registered=2, registrations=[NFS, bad]))

    assert last.isprintable()
    assert "\\x1b[2J" in last


def test_daemon_text_is_escaped_for_the_terminal() -> None:
    bad = "\x1b[2J\n" + "x" * 1000
    calls = CallsReport(1, 1.0, 1.0, 1.0, [ProcedureCalls(2, bad, 1, 2.0)])
    hostile = some_status(
        version=bad, sockets=[ServedSocket(bad, bad)], connections={bad: 1}, refusals={bad: 1},
        calls=calls, policy=RulesRead(bad, 1), state=StateFiles(bad, 1 << 62), warm_start=bad,
        registrations=[replace(NFS, name=bad)],
    )  # fmt: skip

    lines = list(status_lines(hostile))

    assert all(line.isprintable() and len(line) < 2000 for line in lines)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.9, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86_400, "1 d"),
     (90_061, "1 d 1 h"), (86_460, "1 d"), (-3, "0 s")],
)  # fmt: skip
def test_duration_has_its_two_largest_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("per_second", "said"), [(0, "0.0"), (99.94, "99.9"), (250_000.4, "250000")]
)
def test_a_rate_has_the_digits_that_say_something(per_second: float, said: str) -> None:
    assert rate(per_second) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1 << 20, "1.0 MiB"), (5 << 40, "5120.0 GiB")],
)
def test_size_is_shown_with_its_unit(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.slow
def test_daemon_is_found_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "state"
    folder.mkdir(0o700)
    file = tmp_path / "portmap.toml"
    file.write_text(f'[daemon]\nstate-dir = "{folder}"\nuser = "{os.geteuid()}"\n')
    file.chmod(0o644)

    with RunningDaemon("--config", str(file)) as daemon:
        status = portmap.main(["status", "--json", "--config", str(file)])

    said = msgspec.json.decode(capsys.readouterr().out, type=Status)
    assert (status, said.pid) == (0, daemon.process.pid)
    assert said.state is not None
    assert said.state.directory == str(folder)
