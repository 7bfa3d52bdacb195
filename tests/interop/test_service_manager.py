"""The daemon under a service manager: systemd's own tools, and a fake manager."""

from __future__ import annotations

import array
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import sync
from support.hosts import PORTMAP, Host, finished, until
from support.mapper_load import LOOPBACK, SOCKET
from support.namespace import DEADLINE, PYTHON, end, environment, need
from support.wire import call, stream, success

pytestmark = [pytest.mark.interop, pytest.mark.slow]

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
ROOT = ("-f", "-u", "root")
STARTED_BY_MANAGER = """
import fcntl, os, sys
passed = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[2].split(",")]
for place, number in enumerate(passed, start=3):
    os.dup2(number, place)
    os.close(number)
os.environ.update(
    LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)), LISTEN_FDNAMES=sys.argv[1]
)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Runs a command with the named descriptors, from 3 on."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


def activated(host: Host, *places: str) -> subprocess.Popen[str]:
    """systemd-socket-activate, which starts our daemon at the first connection."""
    need("systemd-socket-activate")
    listen = [word for place in places for word in ("-l", place)]
    keep = ["-E", "PYTHONPATH", "-E", "COVERAGE_PROCESS_CONFIG"]
    return host.popen(["systemd-socket-activate", *keep, *listen, *PORTMAP, *ROOT])


def addresses(host: Host, port: int = 111) -> dict[str, str]:
    """The port mapper's own addresses by netid."""
    entries = sync.run(host.mapper(port=port).dump())
    return {e.r_netid.decode(): e.r_addr.decode() for e in entries if e.r_prog == 100000}


def test_passed_sockets_are_served(host: Host) -> None:
    daemon = activated(host, "127.0.0.1:111", SOCKET)
    until(lambda: host.serves("tcp", "127.0.0.1"), "somebody listens")

    with stream(host, SOCKET) as local, stream(host, LOOPBACK) as client:
        assert local.ask(call(1, 4, 0)) == success(1)
        assert client.ask(call(2, 2, 0)) == success(2)

    assert addresses(host) == {
        "local": SOCKET,
        "udp": "0.0.0.0.0.111",
        "tcp": "127.0.0.1.0.111",
        "udp6": "::.0.111",
        "tcp6": "::.0.111",
    }
    daemon.terminate()
    assert finished(daemon) == 0
    assert os.path.lexists(host.path(SOCKET)), "it is not ours to remove"


def test_at_another_port_it_registers_where_it_is(host: Host) -> None:
    activated(host, "127.0.0.1:10111")
    until(lambda: host.serves("tcp", "127.0.0.1", 10111), "somebody listens")

    with stream(host, ("127.0.0.1", 10111)) as client:
        reply = client.ask(call(1, 2, 3, 100000, 2, 6, 0))

    assert reply == success(1, 10111)
    assert addresses(host)["tcp"] == "127.0.0.1.39.127"


def test_restart_in_place_keeps_passed_sockets(host: Host) -> None:
    activated(host, "127.0.0.1:111")
    until(lambda: host.serves("tcp", "127.0.0.1"), "somebody listens")

    with stream(host, LOOPBACK) as client:
        assert client.ask(call(1, 2, 0)) == success(1)
        done = host.run([*PORTMAP, "reload", "--exec"])
        assert (done.returncode, done.stderr) == (0, "")
        assert client.ask(call(2, 2, 0)) == success(2)


class Manager:
    """A fake service manager: receives notifications, and keeps stored descriptors."""

    def __init__(self, host: Host) -> None:
        self.host, self.stored = host, dict[int, str]()
        self.told: list[str] = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(host.path("/run/notify"))
        self.sock.settimeout(DEADLINE)
        self.daemons: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        """Start the daemon with the stored descriptors, and wait until it is ready."""
        daemon = [*PORTMAP, *ROOT]
        if self.stored:
            names = ":".join(self.stored.values())
            numbers = ",".join(map(str, self.stored))
            daemon = [PYTHON, "-c", STARTED_BY_MANAGER, names, numbers, *daemon]
        command = self.host.entered(["env", "NOTIFY_SOCKET=/run/notify", *daemon])
        self.daemons.append(
            subprocess.Popen(
                command,
                pass_fds=tuple(self.stored),
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment(),
            )
        )
        self.hear("READY=1")
        return self.daemons[-1]

    def hear(self, awaited: str) -> None:
        """Receive messages until one contains this line."""
        while not self.told or self.told[-1] != awaited:
            message, ancillary, _, _ = self.sock.recvmsg(1000, socket.CMSG_SPACE(4))
            fields = message.decode().splitlines()
            for _, _, data in ancillary:
                (number,) = array.array("i", data[:4])
                self.stored[number] = fields[1].removeprefix("FDNAME=")
            self.told.append(fields[0])

    def close(self) -> None:
        for daemon in self.daemons:
            end(daemon)
        for number in self.stored:
            os.close(number)
        self.sock.close()


@pytest.fixture
def manager(host: Host) -> Iterator[Manager]:
    """A service manager on the host."""
    made = Manager(host)
    yield made
    made.close()


def test_calls_during_a_crash_are_answered(host: Host, manager: Manager) -> None:
    first = manager.start()
    assert sorted(manager.stored.values()) == sorted(
        f"portmap-{netid}" for netid in ("local", "local", "udp", "tcp", "udp6", "tcp6")
    )
    first.kill()
    finished(first)

    with host.network():
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagrams, stream(host, LOOPBACK) as client, stream(host, SOCKET) as local:
        datagrams.settimeout(DEADLINE)
        datagrams.sendto(call(1, 2, 0), LOOPBACK)
        manager.told.clear()
        manager.start()

        assert datagrams.recv(100) == success(1)
        assert client.ask(call(2, 2, 0)) == success(2)
        assert local.ask(call(3, 4, 0)) == success(3)
    assert manager.told == ["READY=1"], "what comes out of the store is not stored again"


def test_a_restart_in_place_is_a_reload(host: Host, manager: Manager) -> None:
    manager.start()
    manager.told.clear()

    done = host.run([*PORTMAP, "reload", "--exec"])

    assert (done.returncode, done.stderr) == (0, "")
    manager.hear("READY=1")
    assert manager.told == ["RELOADING=1", "READY=1"]


def test_end_is_notified_to_systemd(manager: Manager) -> None:
    daemon = manager.start()

    daemon.terminate()

    manager.hear("STOPPING=1")
    assert finished(daemon) == 0


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    """Replaces the program's path, which exists only on an installed host."""
    need("systemd-analyze")
    service = (PACKAGING / "portmap.service").read_text()
    (tmp_path / "portmap.service").write_text(service.replace("/opt/oncrpc/bin/portmap", PYTHON))
    shutil.copy(PACKAGING / "portmap.socket", tmp_path)

    units = [str(tmp_path / name) for name in ("portmap.service", "portmap.socket")]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
