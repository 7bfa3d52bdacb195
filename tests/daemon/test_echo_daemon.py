"""A second daemon gets lock, log, status, web and restart from ``oncrpc.daemon``."""

from __future__ import annotations

import ast
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.daemon import lockfile
from oncrpc.errors import AuthError
from support.echo import ECHO_V1
from support.fake_syslog import FakeSyslog

SOURCE = Path(__file__).with_name("echo_daemon.py")
TESTS = Path(__file__).parents[1]
DEADLINE = 20.0
SAME_USER = ("--user", "root") if os.geteuid() == 0 else ()


class RunningEcho:
    """The daemon in a process of its own, on free ports of the loopback interface."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.folder, self.lines = folder, list[str]()
        self.pid_file = str(folder / "pid")
        self.command = [
            sys.executable, "-m", "daemon.echo_daemon", "-f", "-l", "--no-local", "--port", "0",
            "--pid-file", self.pid_file, "--state-dir", str(folder / "state"), *options,
        ]  # fmt: skip
        self.environ = {**os.environ, "PYTHONPATH": str(TESTS), **environ}
        self.process = subprocess.Popen(
            self.command, stderr=subprocess.PIPE, text=True, env=self.environ
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def until(self, met: Callable[[], object]) -> Any:
        """Wait for a condition, and return it."""
        end = time.monotonic() + DEADLINE
        while not (found := met()):
            assert time.monotonic() < end, self.lines
            threading.Event().wait(0.01)
        return found

    def logged(self, pattern: str) -> re.Match[str]:
        """The first line of the log that matches."""
        found: re.Match[str] = self.until(
            lambda: next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
        )
        return found

    @property
    def port(self) -> int:
        """The port of TCP."""
        return split_uaddr(self.logged(r"serving echo daemon on .*tcp (127\S+\.\d+)\b")[1])[1]

    def echo(self, data: bytes) -> bytes:
        """One call over TCP."""
        with self.connected() as link:
            return sync.run(ECHO_V1.Client(link).ECHO(data))

    def connected(self) -> sync.SocketLink:
        """A connection."""
        return sync.run(sync.dial("tcp", "127.0.0.1", self.port, timeout=DEADLINE))

    def status(self) -> dict[str, Any]:
        """The status from the control socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.folder / "state" / "control"))
            sock.sendall(b'{"protocol": 1, "ask": "status"}\n')
            found: dict[str, Any] = json.loads(sock.makefile("rb").readline())["status"]
        return found

    def end(self) -> None:
        """End it, and wait."""
        self.process.terminate()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., RunningEcho]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[RunningEcho] = []
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)

    def started(*options: str, **environ: str) -> RunningEcho:
        made.append(RunningEcho(tmp_path, *options, **environ))
        return made[-1]

    yield started
    for each in made:
        each.end()


def test_it_is_short_and_imports_no_port_mapper() -> None:
    text = SOURCE.read_text()
    imported = {
        node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
    }

    assert len(text.splitlines()) < 60
    assert not any(module.startswith("oncrpc.portmap") for module in imported)


@pytest.mark.slow
def test_running_it_loads_no_port_mapper() -> None:
    script = "import sys, daemon.echo_daemon; print([m for m in sys.modules if 'portmap' in m])"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip

    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_it_locks_its_pid_file(start: Start) -> None:
    first = start()
    assert first.echo(b"hello") == b"hello"

    second = start()

    assert second.process.wait(DEADLINE) == 1
    second.logged(r"echod: another echo daemon is already running \(it holds .*pid\)")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_leaves_root(start: Start) -> None:
    made = start()
    assert made.echo(b"hello") == b"hello"

    text = Path(f"/proc/{made.process.pid}/status").read_text()

    nobody = str(pwd.getpwnam("nobody").pw_uid)
    assert re.search(r"^Uid:\s+(.*)$", text, re.MULTILINE)[1].split() == [nobody] * 4  # type: ignore[index]  # it is there


@pytest.mark.slow
def test_it_notifies_the_service_manager(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        os.chmod(tmp_path / "notify", 0o666)
        manager.settimeout(DEADLINE)
        start(NOTIFY_SOCKET=str(tmp_path / "notify"))

        messages: list[bytes] = []
        while not any(b"READY=1" in message for message in messages):
            messages.append(manager.recv(4096))

    assert any(b"FDNAME=echod-tcp" in message for message in messages)


@pytest.mark.slow
def test_its_rules_name_its_procedures(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "echod.toml"
    config.write_text('[[rule]]\nprocedure = ["ECHO"]\nthen = "deny"\n')
    config.chmod(0o644)
    made = start("--config", str(config))

    with pytest.raises(AuthError):
        made.echo(b"hello")

    made.logged(r"connect from 127.0.0.1 to echo\(\): request from unauthorized host")
    assert made.status()["refusals"]["unauthorized"] == 1


@pytest.mark.slow
def test_status_has_its_own_part(start: Start) -> None:
    made = start()
    made.echo(b"hello")

    found = made.status()

    assert (found["pid"], found["echoed"]) == (made.process.pid, 5)
    assert [each for each in found["calls"]["procedures"] if each["calls"]] == [
        {
            "program": 400001,
            "version": 1,
            "procedure": "ECHO",
            "calls": 1,
            "rate": pytest.approx(1, abs=1e6),
        }
    ]


@pytest.mark.slow
def test_metrics_have_its_name(start: Start) -> None:
    made = start("--web", "127.0.0.1:0")
    made.echo(b"hello")
    address = made.logged(r"(http://127.0.0.1:\d+)")[1]

    with urllib.request.urlopen(f"{address}/metrics", timeout=DEADLINE) as reply:
        text = reply.read().decode()

    assert 'echod_calls_total{outcome="success",procedure="ECHO",version="1"} 1.0' in text


@pytest.mark.slow
def test_it_removes_its_pid_file_at_the_end(start: Start) -> None:
    made = start(*SAME_USER)
    assert made.echo(b"hello") == b"hello"
    assert Path(made.pid_file).read_text().splitlines()[0] == str(made.process.pid)

    made.end()

    assert not Path(made.pid_file).exists()


@pytest.mark.slow
def test_restart_in_place_keeps_connections_and_state(start: Start) -> None:
    made = start(*SAME_USER)
    with made.connected() as link:
        client = ECHO_V1.Client(link)
        assert sync.run(client.ECHO(b"hello")) == b"hello"

        os.kill(made.process.pid, signal.SIGUSR2)
        made.until(lambda: (holder := lockfile.read(made.pid_file)) and holder.image == 2)

        assert sync.run(client.ECHO(b"again")) == b"again"
    assert made.status()["echoed"] == 10
    assert made.process.poll() is None


BACKGROUND = """
import sys
from functools import partial
from oncrpc.cli.daemon_command import main
from oncrpc.daemon.log import setup
from daemon.echo_daemon import COMMAND, EchoDaemon

setup.set_up = partial(setup.set_up, place=sys.argv.pop(1))
sys.exit(main(EchoDaemon(), COMMAND, sys.argv[1:]))
"""
"""Runs the daemon in the background, with another path instead of /dev/log."""


@pytest.mark.slow
def test_in_the_background_it_logs_to_syslog(tmp_path: Path) -> None:
    pid_file = str(tmp_path / "pid")
    options = ["-l", "--no-local", "--no-state", "--port", "0", "--pid-file", pid_file]
    options += SAME_USER
    log = FakeSyslog(tmp_path / "log")

    done = subprocess.run(
        [sys.executable, "-c", BACKGROUND, str(log.path), *options],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    holder = lockfile.read(pid_file)
    assert holder is not None
    os.kill(holder.pid, signal.SIGTERM)
    line = log.lines()[0]
    assert f" echod[{holder.pid}]: serving echo daemon on udp 127.0.0.1." in line
    log.close()
