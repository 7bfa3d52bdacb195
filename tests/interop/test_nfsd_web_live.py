"""The web page of an nfsd that has left root, on a host of its own, with a client of others."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.hosts import status_of, until
from support.namespace import need
from support.nfs_host import NFSD, NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORTS = "/srv/tmpfs *(rw,insecure,no_subtree_check)\n"
PLACE = "127.0.0.1", 80
PREPARE = "chown -R 65534:65534 /srv/state\n"


@pytest.fixture
def host() -> Iterator[NfsHost]:
    """A host whose server works as nobody, and has a page on a port of root."""
    options = ["-u", "65534", "--web", "{}:{}".format(*PLACE)]
    with NfsHost(EXPORTS, *options, prepare=PREPARE) as made:
        yield made


def fetch(host: NfsHost, path: str) -> tuple[int, bytes]:
    """The response to a request."""
    connection = http.client.HTTPConnection(*PLACE, timeout=10)
    with host.network():
        connection.connect()
    connection.request("GET", path)
    reply = connection.getresponse()
    found = reply.status, reply.read()
    connection.close()
    return found


def served(host: NfsHost) -> dict[str, Any]:
    """The status, over HTTP."""
    status, body = fetch(host, "/api/status")
    assert status == 200
    return dict(json.loads(body))


def test_page_of_a_server_without_root(host: NfsHost) -> None:
    need("nfs-ls")
    assert host.run(["nfs-ls", "nfs://127.0.0.1/srv/tmpfs"]).returncode == 0

    found = served(host)

    assert status_of(host.nfsd.pid)["Uid"].split()[1] == "65534"
    assert [each["path"] for each in found["exports"]] == ["/srv/tmpfs"]
    assert [each["host"] for each in found["clients"]] == ["127.0.0.1"]
    assert fetch(host, "/healthz") == (200, b"ok\n")
    assert fetch(host, "/")[0] == 200
    metrics = fetch(host, "/metrics")[1].decode()
    assert 'procedure="READDIRPLUS",program="nfs"' in metrics
    assert "\nnfsd_exports 1.0\n" in metrics


def test_restart_in_place_keeps_the_page(host: NfsHost) -> None:
    pid = served(host)["pid"]

    done = host.run([*NFSD, "reload", "--exec", "--state-dir", "/srv/state"])

    assert (done.returncode, done.stderr) == (0, "")
    assert served(host)["pid"] == pid
    assert [each["path"] for each in served(host)["exports"]] == ["/srv/tmpfs"]


def test_new_exports_are_on_the_page(host: NfsHost) -> None:
    host.sh("echo '/srv/ext4 *(ro)' >> /srv/exports")

    done = host.run([*NFSD, "reload", "--state-dir", "/srv/state"])

    assert done.returncode == 0
    until(lambda: len(served(host)["exports"]) == 2, "both are on the page")
