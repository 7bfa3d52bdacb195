"""``portmap status`` and the log, for a daemon that has left root, on its own host."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.daemon.privileges import user_of
from oncrpc.portmap.config import USERS
from support.hosts import PORTMAP, Host, finished, for_all, portmap
from support.namespace import PortMapper
from support.wire import call, stream

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ORDINARY = 1000
PROGRAM = 400700
CONTROL = "/run/portmap/control"
NOT_RUNNING = (
    "portmap: not running: nobody answers at /run/portmap/control;"
    " for another daemon: -p PORT or --state-dir DIR\n"
)


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


def ask(host: Host, *options: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``portmap status`` there; others than root run a copy that they may read."""
    command = for_all(host) if uid else PORTMAP
    return host.run([*command, "status", *options], uid=uid)


def told(host: Host) -> dict[str, Any]:
    done = ask(host, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def registration(host: Host) -> dict[str, Any]:
    return next(each for each in told(host)["registrations"] if each["program"] == PROGRAM)


def register(host: Host) -> None:
    """Register at an address of another host, which cannot be checked."""
    assert sync.run(host.mapper().set(PROGRAM, 3, "tcp", "192.0.2.1.8.1"))


def test_root_asks_an_unprivileged_daemon(host: Host) -> None:
    host.start(portmap())
    register(host)
    with stream(host, ("127.0.0.1", 111)) as client:
        client.ask(call(1, 2, 3, 100003, 3, 6, 0))
        connections = told(host)["connections"]
    found = told(host)

    status = os.stat(host.path(CONTROL))
    user = user_of(None, USERS)
    assert user is not None
    assert (status.st_uid, status.st_mode & 0o7777) == (user.pw_uid, 0o600)
    assert connections == {"tcp": 1}
    assert found["registered"] == 13
    assert registration(host)["owner"] == "superuser"
    assert registration(host)["endpoint"] == "unknown"
    counts = {(each["version"], each["procedure"]): each["calls"]
              for each in found["calls"]["procedures"]}  # fmt: skip
    assert counts[2, "GETPORT"] == 1
    assert counts[3, "SET"] + counts[4, "SET"] == 1


def test_the_screen_is_for_people(host: Host) -> None:
    host.start(portmap())

    done = ask(host)

    assert done.returncode == 0
    first, *lines = done.stdout.splitlines()
    assert first.startswith("portmap ")
    assert "local         /run/rpcbind.sock  @/run/rpcbind.sock" in lines


def test_other_users_may_not_ask(host: Host) -> None:
    host.start(portmap())

    done = ask(host, uid=ORDINARY)

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"portmap: may not open {CONTROL}; ask as root\n"


def test_one_that_keeps_nothing_can_be_asked_too(host: Host) -> None:
    daemon = host.start(portmap("--no-state"))

    said = told(host)

    assert (said["pid"], said["state"]) == (daemon.pid, None)


def test_lock_shows_a_daemon_without_control_socket(host: Host) -> None:
    daemon = host.start(portmap("--no-state"))
    host.run(["rm", CONTROL])

    done = ask(host)

    assert done.returncode == 4
    assert done.stderr == (
        f"portmap: process {daemon.pid} runs, and cannot be asked: nobody answers at {CONTROL};"
        " see --state-dir\n"
    )


def test_ended_and_killed_daemons_are_not_running(host: Host) -> None:
    assert (ask(host).returncode, ask(host).stderr) == (3, NOT_RUNNING)
    for end in ("terminate", "kill"):
        daemon = host.start(portmap())
        assert told(host)["pid"] == daemon.pid
        getattr(daemon, end)()
        finished(daemon)

        assert (ask(host).returncode, ask(host).stderr) == (3, NOT_RUNNING)


@pytest.mark.parametrize("kept", [[], ["--no-state"]], ids=["kept", "not kept"])
def test_restart_in_place_keeps_ages(host: Host, kept: list[str]) -> None:
    daemon = host.start(PortMapper((*for_all(host), "-f", "--liveness", "0", *kept), needs="env"))
    register(host)
    before = told(host)
    age = registration(host)["age"]
    reload = host.popen([*PORTMAP, "reload", "--exec"])
    statuses = []
    while reload.poll() is None:
        statuses.append(ask(host).returncode)
    assert reload.returncode == 0

    after = told(host)

    assert set(statuses) <= {0}
    assert after["pid"] == before["pid"] == daemon.pid
    assert after["calls"]["since"] < before["calls"]["since"] + 60
    assert registration(host)["age"] > age


def test_the_log_as_json_is_nothing_else(host: Host) -> None:
    script = f"exec {' '.join(PORTMAP)} -f -v --log-format json 2>/run/log"
    daemon = host.start(PortMapper(("sh", "-c", script), needs="sh"))
    with stream(host, ("127.0.0.1", 111)) as client:
        client.ask(call(1, 2, 3, 100003, 3, 6, 0))
    daemon.terminate()
    finished(daemon)

    lines = [json.loads(line) for line in Path(host.path("/run/log")).read_text().splitlines()]
    assert {"time", "level", "event"} <= set.intersection(*(set(line) for line in lines))
    (getport,) = (line for line in lines if line.get("procedure") == "PMAPPROC_GETPORT")
    assert getport["event"] == "connect from 127.0.0.1 to getport/addr(nfs)"
    assert (getport["source"], getport["netid"]) == ("127.0.0.1", "tcp")
    assert (getport["program"], getport["program_name"]) == (100003, "nfs")
    assert lines[-1]["event"] == "ended"
