from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable

import pytest

from oncrpc import rpc, sync
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcinfo import main
from oncrpc.cli.rpcinfo.changes import History
from oncrpc.cli.rpcinfo.options import parse_request
from oncrpc.cli.rpcinfo.watch import Screen, Snapshot, watch
from oncrpc.programs.rpcb import RPCBVERS, rp__list, rpcb
from support.fake_mapper import Mapper4
from support.scripted_server import Handle, Server, serving

NFS = rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser")
MOUNT = rpcb(100005, 1, b"udp", b"0.0.0.0.78.80", b"\x1b[2J")
LINE = "    100003    3    tcp       0.0.0.0.8.1            nfs        superuser"
WATCHED = "--watch 127.0.0.1 --rpcbind-port {}"


class Changing(RPCBVERS.Service):
    """Has another list each time."""

    def __init__(self, *lists: list[rpcb]) -> None:
        self.lists = list(lists)

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        return [rp__list(entry) for entry in self.lists.pop(0)]


def watched(line: str, handle: Handle, *, times: int) -> int:
    """The status of watching a server of that until so many snapshots have been taken."""
    server = Server(handle)
    port = server.tcp()
    with server:
        return sync.run(watch(parse_request(line.format(port).split()), pause=ending(times)))


def ending(times: int) -> Callable[[float], None]:
    """A pause that does not wait, and is Ctrl-C after so many snapshots."""
    left = [None] * (times - 1)

    def pause(seconds: float) -> None:
        assert seconds >= 0
        if not left:
            raise KeyboardInterrupt
        left.pop()

    return pause


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> Terminal:
    """Standard output from now on."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


def test_snapshots_follow_each_other_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handle = serving(Changing([NFS], [NFS, MOUNT]))

    assert watched(WATCHED, handle, times=2) == 0

    first, second, _ = capsys.readouterr().out.split("\n\n")
    heading = r"\d{4}-\d\d-\d\dT\S+ 127.0.0.1: 1 registrations in \d+\.\d ms"
    assert re.fullmatch(heading, first.splitlines()[0])
    assert first.splitlines()[2] == " " * 12 + LINE
    assert second.splitlines()[0].endswith(" ms, 1 new")
    assert second.splitlines()[3].startswith("new 0s          100005    1    udp ")
    assert "\\x1b[2J" in second


def test_gone_registrations_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    watched(WATCHED, serving(Changing([NFS], [])), times=2)

    assert "\ngone 0s     " + LINE in capsys.readouterr().out


def test_json_is_a_line_for_each_snapshot(capsys: pytest.CaptureFixture[str]) -> None:
    watched(WATCHED + " --json", serving(Changing([NFS], [])), times=2)

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["registrations"][0]["state"] is None
    assert second["registrations"][0] | {"age": 0} == {
        "program": 100003, "version": 3, "netid": "tcp", "address": "0.0.0.0.8.1",
        "service": "nfs", "owner": "superuser", "state": "gone", "age": 0,
    }  # fmt: skip
    assert second["error"] is None


def test_failed_list_does_not_end_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = serving(Changing([NFS]))
    silent: list[Handle] = [lambda message: b"", answer]

    assert watched(WATCHED, lambda message: silent.pop(0)(message), times=2) == 0

    failed, listed, _ = capsys.readouterr().out.split("\n\n")
    assert "127.0.0.1: can't contact rpcbind: RPC: Unable to receive" in failed
    assert LINE in listed


def test_status_is_1_without_any_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched(WATCHED + " --json", lambda message: b"", times=1) == 1

    assert "RPC: " in json.loads(capsys.readouterr().out)["error"]


def test_an_unknown_transport_ends_it_at_once() -> None:
    with pytest.raises(Failure, match="invalid transport"):
        sync.run(watch(parse_request(["--watch", "-T", "nosuch", "127.0.0.1"])))


def test_snapshot_replaces_the_last_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = terminal(monkeypatch)

    watched(WATCHED, serving(Changing([NFS], [NFS, MOUNT])), times=2)

    written = shown.getvalue()
    _, first, second = written.split("\x1b[H")
    assert first.startswith("\x1b[2J\x1b[K127.0.0.1: 1 registrations in ")
    assert "every 2 s; Ctrl-C ends" in first
    assert second.startswith("\x1b[K")
    assert "\x1b[32mnew 0s          100005" in second
    assert written.endswith("\x1b[J\n")
    assert "\x1b[2J" not in second


def test_a_dumb_terminal_is_not_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch, "dumb")

    watched(WATCHED, serving(Changing([NFS])), times=1)

    assert LINE in shown.getvalue()
    assert "\x1b" not in shown.getvalue()


def snapshot(count: int, *, error: str = "") -> Snapshot:
    """So many registrations, after which NFS came."""
    history = History()
    old = [rpcb(400000 + number, 1, b"tcp", b"", b"x" * 200) for number in range(count)]
    history.take(old, 0.0)
    if count:
        history.take([*old, NFS], 1.0)
    return Snapshot(history, count, 0.001, error, 2.0)


def test_picture_fits_and_shows_changes_first() -> None:
    picture = Screen("host", 2.0).picture(snapshot(100), 40, 10)

    assert len(picture) == 9
    assert "100003" in picture[3]
    assert picture[-1] == "... and 96 more"
    assert all(len(re.sub(r"\x1b\[\d+m", "", line)) <= 40 for line in picture)


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b" not in "".join(Screen("host", 2.0).picture(snapshot(3), 80, 24))


def test_error_is_shown_above_the_last_list() -> None:
    picture = Screen("host", 2.0).picture(snapshot(3, error="RPC: Timed out"), 80, 24)

    assert picture[0] == "host: RPC: Timed out"
    assert "400000" in "".join(picture)


def test_error_before_any_list_is_shown_alone() -> None:
    assert len(Screen("host", 2.0).picture(snapshot(0, error="RPC: Timed out"), 80, 24)) == 2


def test_the_command_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "__kwdefaults__", {"pause": ending(1)})
    server = Server(serving(Mapper4()))
    port = server.tcp()

    with server:
        assert main(f"--watch=0.5 127.0.0.1 --rpcbind-port {port}".split()) == 0

    assert "1 registrations" in capsys.readouterr().out
