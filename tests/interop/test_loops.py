"""The daemon behaves the same on each event loop: start as root, restart, end."""

from __future__ import annotations

import http.client
import importlib.util
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc import sync
from oncrpc.daemon.privileges import user_of
from oncrpc.portmap.config import USERS
from support.hosts import PORTMAP, Host, finished, for_all, status_of, until
from support.loops import LOOPS
from support.mapper_load import LOOPBACK, SOCKET, Load
from support.namespace import PortMapper
from support.wire import call, rpcb, stream, success

pytestmark = [pytest.mark.interop, pytest.mark.slow]

POLICY = "/run/policy.toml"
WEB = 8080
LIBRARIES = "LD_LIBRARY_PATH=/run/python/lib"
"""For an interpreter that finds its library by a path that only root can read."""

RESTARTS = 3


class Daemon(NamedTuple):
    """A daemon that has left root, and its loop."""

    host: Host
    process: subprocess.Popen[str]
    loop: str

    def shows(self, path: str) -> tuple[int, bytes]:
        """A web page."""
        with self.host.network():
            sock = socket.create_connection(("127.0.0.1", WEB), timeout=10)
        client = http.client.HTTPConnection("127.0.0.1", WEB)
        client.sock = sock
        client.request("GET", path)
        answer = client.getresponse()
        found = answer.status, answer.read()
        client.close()
        return found

    def tell(self, *words: str) -> str:
        """Do something to the daemon; returns the new log lines."""
        done = self.host.run([*PORTMAP, *words])
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture(params=LOOPS)
def daemon(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon that can be executed again after it left root."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with Host() as host:
        named, *command = for_all(host)
        host.sh(f"touch {POLICY}")
        options = ("-f", "-r", "--config", POLICY, "--web", f"127.0.0.1:{WEB}", "--watch")
        command = [named, LIBRARIES, f"PORTMAP_LOOP={request.param}", *command, *options]
        yield Daemon(host, host.start(PortMapper(tuple(command), "env")), request.param)


def runs(daemon: Daemon) -> str:
    """The event loop, judged by the libraries that the process has loaded."""
    loaded = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    return "uvloop" if "/uvloop/" in loaded else "asyncio"


def test_loop_runs_as_ordinary_user(daemon: Daemon) -> None:
    user = user_of(None, USERS)
    assert user is not None

    assert runs(daemon) == daemon.loop
    assert status_of(daemon.process.pid)["Uid"].split() == [str(user.pw_uid)] * 4


def test_restarts_in_place_under_load_lose_nothing(daemon: Daemon) -> None:
    with Load(daemon.host) as load:
        for _ in range(RESTARTS):
            daemon.tell("reload", "--exec")
            until(partial(load.goes_on, dict(load.counts)), "all clients are answered again")

    assert load.trouble == []
    assert set(load.registered) <= {e.r_prog for e in sync.run(daemon.host.mapper().dump())}
    assert runs(daemon) == daemon.loop
    assert daemon.shows("/healthz") == (200, b"ok\n")


def test_it_reads_its_policy_again(daemon: Daemon) -> None:
    rule = "[[rule]]\nprocedure = ['DUMP']\nthen = 'deny'\n"
    Path(daemon.host.path(POLICY)).write_text(rule)

    assert "has read its files again" in daemon.tell("reload")

    with stream(daemon.host, LOOPBACK) as client:
        assert client.ask(call(1, 2, 4)) != success(1, 0)


def test_loop_notices_the_end_of_processes(daemon: Daemon) -> None:
    script = """
from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
with sync.connect("/run/rpcbind.sock", RPCBVERS4.Client, transport="local") as client:
    assert client.RPCBPROC_SET(rpcb(500001, 1, b"tcp", b"127.0.0.1.8.1", b""))
"""
    done = daemon.host.run([PORTMAP[0], "-c", script])
    assert done.returncode == 0, done.stderr

    until(lambda: daemon.host.registered(500001) == [], "it is forgotten")


def test_it_tells_its_state_and_shows_it(daemon: Daemon) -> None:
    with stream(daemon.host, SOCKET) as client:
        entry = rpcb(500002, 1, "tcp", "192.0.2.1.8.1")
        assert client.ask(call(1, 4, 1, entry)) == success(1, 1)

    assert '"program":500002' in daemon.tell("status", "--json").replace(" ", "")
    assert b'"program":500002' in daemon.shows("/api/registrations")[1].replace(b" ", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_daemon_ends_on_request(daemon: Daemon, number: int) -> None:
    daemon.process.send_signal(number)

    assert finished(daemon.process) == 0
