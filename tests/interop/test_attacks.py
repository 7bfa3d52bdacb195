"""Attacks on a running daemon: floods of signals and sources, races at the start, taken names."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4
from support.hosts import PORTMAP, Host, finished, portmap, status_of, until
from support.wire import call

pytestmark = [pytest.mark.interop, pytest.mark.slow]

PROGRAM, ORDINARY = 400001, 12345
SOURCES = 200_000
SIGNALS = 3000
STARTED_AT_ONCE = 6
GROWTH = 24 << 10
"""KiB that a daemon may grow under attack; its bounded tables need less."""

SQUAT = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind("\\0/run/rpcbind.sock")
sock.listen()
print("ready", flush=True)
while True:
    sock.accept()
"""
LET_IN = """
for interface in all lan0; do echo 0 > /proc/sys/net/ipv4/conf/$interface/rp_filter; done
"""
CONTROL = "/run/portmap/control"


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


def register(host: Host) -> None:
    """Register at an address of another host, which liveness checks skip."""
    assert sync.run(host.mapper().set(PROGRAM, 3, "tcp", "192.0.2.1.8.1"))


def kept(host: Host) -> bool:
    """True if the daemon replies over TCP and UDP, and still has the registration."""
    return all(
        host.run(["rpcinfo", option, "127.0.0.1", "portmapper"]).returncode == 0
        for option in ("-t", "-u")
    ) and bool(host.registered(PROGRAM))


def resident(daemon: subprocess.Popen[str]) -> int:
    """The resident memory of a process, in KiB."""
    return int(status_of(daemon.pid)["VmRSS"].split()[0])


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1, signal.SIGPIPE])
def test_flood_of_signals_changes_nothing(host: Host, number: signal.Signals) -> None:
    daemon = host.start(portmap("-u", "root"))
    register(host)
    before = resident(daemon)

    for _ in range(SIGNALS):
        os.kill(daemon.pid, number)

    until(lambda: kept(host), "the daemon answers")
    assert daemon.poll() is None
    assert resident(daemon) - before < GROWTH
    daemon.terminate()
    assert finished(daemon) == 0


def test_signals_while_it_starts_do_not_end_it(host: Host) -> None:
    daemon = host.popen([*PORTMAP, "-f", "-u", "root"])
    socket_file = host.path("/run/rpcbind.sock")

    def signalled() -> bool:
        if os.path.exists(f"/proc/{daemon.pid}") and not waits_for_exec(daemon.pid):
            os.kill(daemon.pid, signal.SIGPIPE)
        return os.path.exists(socket_file)

    until(signalled, "the daemon binds its socket")
    for number in (signal.SIGHUP, signal.SIGUSR2) * 100:
        os.kill(daemon.pid, number)

    host.await_answer(socket_file, daemon)
    assert daemon.poll() is None


def waits_for_exec(pid: int) -> bool:
    """True while the process is still nsenter(1), or Python before it ignores signals."""
    status = status_of(pid)
    return not int(status["SigIgn"], 16) & 1 << signal.SIGPIPE - 1


def test_of_daemons_started_at_once_one_serves(host: Host) -> None:
    for _ in range(5):
        daemons = [host.popen([*PORTMAP, "-f"]) for _ in range(STARTED_AT_ONCE)]
        until(lambda: sum(each.poll() is None for each in daemons) == 1, "the others have ended")  # noqa: B023
        (winner,) = (each for each in daemons if each.poll() is None)

        host.await_answer(host.path("/run/rpcbind.sock"), winner)

        assert {each.returncode for each in daemons if each is not winner} == {1}
        register(host)
        assert host.port_mapper_pid() == winner.pid
        winner.terminate()
        assert finished(winner) == 0


def test_abstract_name_of_another_user_is_not_trusted(host: Host) -> None:
    squatter = host.popen(["python3", "-c", SQUAT], uid=ORDINARY)
    assert squatter.stdout is not None
    assert squatter.stdout.readline() == "ready\n"

    host.start(portmap())
    register(host)

    assert kept(host)
    with host.network(), socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0/run/rpcbind.sock")
        peer = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    assert peer[1] == ORDINARY, "the name is still the other user's"


@pytest.mark.parametrize("options", [(), ("--no-state",)])
def test_other_users_reach_neither_control_nor_state(host: Host, options: tuple[str, ...]) -> None:
    host.start(portmap(*options))
    register(host)

    for command in (
        ["cat", "/run/portmap/journal"],
        ["ls", "/run/portmap"],
        ["ln", "-s", "/etc/passwd", "/run/portmap/snapshot.new"],
        ["rm", "-f", CONTROL],
        ["python3", "-c", f"import socket; socket.socket(socket.AF_UNIX).connect({CONTROL!r})"],
    ):
        done = host.run(command, uid=ORDINARY)
        assert done.returncode != 0, command
        assert "ermission denied" in done.stderr, command
    assert kept(host)


def test_distinct_udp_sources_do_not_fill_memory(host: Host) -> None:
    host.sh(LET_IN)
    daemon = host.start(portmap("--no-state"))
    register(host)
    send_from_sources(host, 20_000)  # what the first ones take is not growth
    until(lambda: kept(host), "the daemon answers")
    before = resident(daemon)

    send_from_sources(host, SOURCES)

    until(lambda: kept(host), "the daemon answers")
    assert resident(daemon) - before < GROWTH
    assert null_calls(host) > SOURCES // 20, "many of them were looked at"


def send_from_sources(host: Host, count: int) -> None:
    """Send NULL calls from that many addresses, each in its own network."""
    (interface,) = json.loads(host.run(["ip", "-json", "link", "show", "lan0"]).stdout)
    target = bytes.fromhex(interface["address"].replace(":", ""))
    start = target + bytes(5) + b"\x02\x08\x00"
    message = call(7, 4, 0)
    udp = struct.pack(">4H", 700, 111, 8 + len(message), 0) + message
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(udp), 1, 0, 64, 17)
    fixed = sum(struct.unpack(">5H", head)) + sum(struct.unpack(">2H", bytes((10, 9, 0, 1))))
    with host.network():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sock:
        sock.bind(("lan1", 0))
        for number in range(count):
            high, low = 0x0B00 + (number >> 8), (number & 0xFF) << 8 | 1
            total = fixed + high + low
            total = (total & 0xFFFF) + (total >> 16)
            summed = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
            source = struct.pack(">HHH", summed, high, low)
            sock.send(start + head + source + bytes((10, 9, 0, 1)) + udp)


def null_calls(host: Host) -> int:
    """The number of NULL calls of version 4."""

    async def statistics() -> int:
        with await host.dial("local", "/run/rpcbind.sock") as link:
            found = await RPCBVERS4.Client(link).RPCBPROC_GETSTAT()
        return found[2].info[0]

    return sync.run(statistics())


def test_distinct_tcp_sources_do_not_fill_memory(host: Host) -> None:
    daemon = host.start(portmap("--no-state"))
    register(host)
    connect_from_sources(host, 500)
    before, descriptors = resident(daemon), open_files(daemon)

    connect_from_sources(host, 5000)

    until(lambda: kept(host), "the daemon answers")
    until(lambda: open_files(daemon) <= descriptors + 2, "the connections have ended")
    assert resident(daemon) - before < GROWTH


def connect_from_sources(host: Host, count: int) -> None:
    """Open idle connections from that many addresses of 127/8, some hundred at a time."""
    with host.network(), ExitStack() as held:
        for number in range(count):
            if number % 200 == 0:
                held.close()
            sock = held.enter_context(socket.socket())
            sock.bind((f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", 0))
            sock.connect(("127.0.0.1", 111))


def open_files(daemon: subprocess.Popen[str]) -> int:
    """The number of open descriptors of a process."""
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))
