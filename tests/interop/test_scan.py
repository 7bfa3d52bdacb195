"""A scan of a network of few hosts: the C port mapper, ours, none, and a hostile one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from oncrpc import sync
from support.hosts import C_RPCBIND, Host, portmap
from support.namespace import PYTHON, need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

SCAN = (PYTHON, "-m", "oncrpc.cli.rpcinfo", "scan")
SWITCH = """
ip link add br0 type bridge
ip address add 10.5.0.14/28 dev br0
ip link set br0 up
"""
PLUG = """
ip link add port{number} type veth peer name eth0 netns {pid}
ip link set port{number} master br0 up
"""
ADDRESS = "ip address add 10.5.0.{number}/28 dev eth0 && ip link set eth0 up"
HOSTILE = """
import socket
listening = socket.create_server(("", 111))
print("ready", flush=True)
while True:
    sock, _ = listening.accept()
    with sock:
        try:
            while sock.recv(65536):
                sock.sendall(bytes.fromhex("00000001 78") * 100)  # a record without an end
        except OSError:
            pass
"""
C, OURS, NOBODY, ENDLESS = "10.5.0.1", "10.5.0.2", "10.5.0.3", "10.5.0.4"


@pytest.fixture(scope="module")
def here() -> Iterator[Host]:
    """The scanning host; the other addresses of its network are unused."""
    need("rpcbind")
    with ExitStack() as stack:
        hosts = [stack.enter_context(Host()) for _ in range(5)]
        asking, c, ours, _, hostile = hosts
        asking.sh(SWITCH)
        for number, host in enumerate(hosts[1:], 1):
            asking.sh(PLUG.format(number=number, pid=host.holder.pid))
            host.sh(ADDRESS.format(number=number))
        c.start(C_RPCBIND)
        ours.start(portmap())
        for host in (c, ours):
            assert sync.run(host.mapper().set(100003, 3, "tcp", "0.0.0.0.8.1"))
        started = hostile.popen([PYTHON, "-c", HOSTILE])
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield asking


def scan(here: Host, *words: str) -> subprocess.CompletedProcess[str]:
    return here.run([*SCAN, *words], timeout=60.0)


def items(lines: Sequence[str]) -> dict[str, Any]:
    return {item["host"]: item for item in map(json.loads, lines)}


def test_both_port_mappers_are_found(here: Host) -> None:
    ended = scan(here, "10.5.0.0/28", "--timeout=1")

    assert (ended.returncode, ended.stderr) == (0, "")
    title, c, ours, *rest, last = ended.stdout.splitlines()
    assert title.split() == ["host", "versions", "ms", "programs"]
    assert (c.split()[:2], ours.split()[:2]) == ([C, "2-4"], [OURS, "2-4"])
    assert all(line.endswith("  portmapper 2-4, nfs 3") for line in (c, ours))
    assert all(line.startswith(ENDLESS) for line in rest)
    assert last.startswith("2 of 14 hosts answered; ")


def test_json_has_the_outcome_of_each_host(here: Host) -> None:
    ended = scan(here, C, OURS, NOBODY, ENDLESS, "--timeout=1", "--json")

    found = items(ended.stdout.splitlines())
    assert [found[host]["versions"] for host in (C, OURS)] == [[2, 3, 4]] * 2
    assert found[NOBODY]["error"] == "RPC: Remote system error - Connection refused"
    assert found[ENDLESS]["registrations"] is None
    assert found[ENDLESS]["error"]


def test_status_is_1_on_an_empty_network(here: Host) -> None:
    assert scan(here, NOBODY, "10.5.0.9", "--timeout=0.2").returncode == 1
