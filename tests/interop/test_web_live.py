"""The web server of a daemon that has left root, on a host of its own."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator

import pytest

from oncrpc import sync
from support.hosts import PORTMAP, Host, finished, for_all, portmap, status_of, until
from support.namespace import PortMapper

pytestmark = [pytest.mark.interop, pytest.mark.slow]

PROGRAM = 400700
PLACE = "127.0.0.1", 80
OPTION = "--web", "127.0.0.1:80"
LIBRARIES = "env", "LD_LIBRARY_PATH=/run/python/lib"
"""For an interpreter that finds its library by a path that only root can read."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host without a port mapper."""
    with Host() as made:
        yield made


def connected(host: Host) -> http.client.HTTPConnection:
    """A connection to the web server."""
    made = http.client.HTTPConnection(*PLACE, timeout=10)
    with host.network():
        made.connect()
    return made


def fetch(host: Host, path: str) -> tuple[int, bytes]:
    connection = connected(host)
    connection.request("GET", path)
    reply = connection.getresponse()
    found = reply.status, reply.read()
    connection.close()
    return found


def listed(host: Host) -> set[int]:
    status, body = fetch(host, "/api/registrations")
    assert status == 200
    return {each["program"] for each in json.loads(body)["registrations"]}


def test_daemon_without_root_serves_every_path(host: Host) -> None:
    daemon = host.start(portmap(*OPTION))
    assert sync.run(host.mapper().set(PROGRAM, 3, "tcp", "192.0.2.1.8.1"))

    assert status_of(daemon.pid)["Uid"].split()[1] != "0"
    assert fetch(host, "/healthz") == (200, b"ok\n")
    assert PROGRAM in listed(host)
    assert b"\nportmap_store_appends_total 1.0\n" in fetch(host, "/metrics")[1]
    assert b"process_start_time_seconds" in fetch(host, "/metrics")[1]
    assert fetch(host, "/")[0] == 200


def test_loopback_address_is_not_reached_from_outside(host: Host) -> None:
    host.start(portmap(*OPTION))

    assert not host.serves("tcp", "10.9.0.1", 80)


def test_restart_in_place_keeps_a_privileged_port(host: Host) -> None:
    command = (*LIBRARIES, *for_all(host), "-f", "--liveness", "0", *OPTION)
    daemon = host.start(PortMapper(command, needs="env"))
    assert sync.run(host.mapper().set(PROGRAM, 3, "tcp", "192.0.2.1.8.1"))
    waiting = connected(host)
    waiting.request("GET", "/api/events")
    assert waiting.getresponse().status == 200

    def open_files() -> int:
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))

    counts = list[int]()
    for _ in range(3):
        done = host.run([*PORTMAP, "reload", "--exec"])
        assert (done.returncode, done.stderr) == (0, "")
        assert PROGRAM in listed(host)
        counts.append(open_files())

    waiting.close()
    until(lambda: open_files() <= min(counts), "nothing is left open")
    daemon.terminate()
    assert finished(daemon) == 0


def test_port_in_use_prevents_the_start(host: Host) -> None:
    done = host.run([*PORTMAP, "-f", "--web", "127.0.0.1:111"])

    assert (done.returncode, done.stderr) == (
        1,
        "portmap: cannot serve web pages on 127.0.0.1:111: in use; choose another port\n",
    )


HIDDEN = "import sys; sys.modules['prometheus_client'] = None; import oncrpc.cli.portmap as p; "


def test_missing_packages_prevent_the_start(host: Host) -> None:
    run = "sys.exit(p.main(['-f', '--web', '127.0.0.1:80']))"

    done = host.run([PORTMAP[0], "-c", HIDDEN + run])

    assert (done.returncode, done.stderr) == (
        1,
        "portmap: the web pages need prometheus_client, which is not installed;"
        " pip install 'oncrpc[web]'\n",
    )
