"""Worker processes below a real client: restarted in place, and killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hosts import finished, status_of, until
from support.namespace import need
from support.nfs_host import NFSD, NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORTS = "/srv/tmpfs *(rw,insecure,no_root_squash,no_subtree_check)\n"
STATE = ("--state-dir", "/srv/state")
SIZE = 200 << 20
FILES = sum(1 << number for number in (0, 1, 2, 3, 4, 6, 7, 27))
"""The capabilities of the server without NET_BIND_SERVICE."""


@pytest.fixture
def host() -> Iterator[NfsHost]:
    """A host whose server has two workers."""
    need("nfs-cp", "cmp")
    with NfsHost(EXPORTS, "--workers", "2") as made:
        yield made


def nfsd(host: NfsHost, *arguments: str) -> str:
    done = host.run([*NFSD, *arguments, *STATE])
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def workers(host: NfsHost) -> list[dict[str, int]]:
    found: list[dict[str, int]] = json.loads(nfsd(host, "status", "--json"))["workers"]
    return found


def test_copies_survive_restarts_and_killed_workers(host: NfsHost) -> None:
    host.sh(f"head -c {SIZE} /dev/urandom > /srv/large")
    copy = host.popen(["nfs-cp", "/srv/large", "nfs://127.0.0.1/srv/tmpfs/one"])
    until(Path(host.path("/srv/tmpfs/one")).exists, "the copy has begun")
    nfsd(host, "reload", "--exec")
    assert finished(copy) == 0
    host.sh("cmp /srv/large /srv/tmpfs/one")

    started = workers(host)
    assert [each["starts"] for each in started] == [1, 1]
    assert int(status_of(started[0]["pid"])["CapEff"], 16) == FILES
    copy = host.popen(["nfs-cp", "/srv/large", "nfs://127.0.0.1/srv/tmpfs/two"])
    until(Path(host.path("/srv/tmpfs/two")).exists, "the copy has begun")
    for each in started:
        os.kill(each["pid"], signal.SIGKILL)
    assert finished(copy) == 0
    host.sh("cmp /srv/large /srv/tmpfs/two")
    assert [each["starts"] for each in workers(host)] == [2, 2]
