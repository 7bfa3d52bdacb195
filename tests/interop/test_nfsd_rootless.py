"""An ordinary user without any capability exports a directory, and libnfs uses it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from oncrpc import sync
from oncrpc.nfs.daemon.report import user_name
from oncrpc.programs.portmap import PMAP_VERS
from support.hosts import Host, for_all, status_of, until
from support.namespace import need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

USER = 1000
LIBNFS = re.compile(r"nfs-ls '(nfs://\S+\?\S+)'")
PREPARE = f"""
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir -p /srv/home/share/folder
printf 'hello\\n' > /srv/home/share/hello
head -c 3000000 /dev/urandom > /srv/home/share/large
chown -R {USER}:{USER} /srv/home
"""


class Rootless(Host):
    """A host on which a user without capabilities runs ``nfsd ~/share``."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.sh(PREPARE)
        self.nfsd = for_all(self, "oncrpc.cli.nfsd")
        return self

    def start_as_user(self, *options: str) -> subprocess.Popen[str]:
        """Start it; its terminal is the file ``/srv/home/log``."""
        need("setpriv", "nfs-ls", "nfs-cp", "nfs-cat")
        script = self.script("-f", *options, "share")
        started = self.popen(
            ["setpriv", "--no-new-privs", "sh", "-c", f"{script} 2> log"], uid=USER
        )
        until(lambda: "Ctrl-C" in self.log(), "nfsd serves")
        return started

    def script(self, *arguments: str) -> str:
        """A shell script of the user that runs ``nfsd``."""
        return f"cd /srv/home; export HOME=/srv/home; exec {shlex.join([*self.nfsd, *arguments])}"

    def log(self) -> str:
        """What it has written to its terminal."""
        path = Path(self.path("/srv/home/log"))
        return path.read_text() if path.exists() else ""

    def url(self) -> str:
        """The URL of the announced command for libnfs."""
        found = LIBNFS.search(self.log())
        assert found is not None, self.log()
        return found[1]

    def as_user(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the same user."""
        return self.run(command, uid=USER)

    def as_another(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as another ordinary user."""
        return self.run(command, uid=USER + 1)


@pytest.fixture
def host() -> Iterator[Rootless]:
    """The host, before the user has started anything."""
    with Rootless() as made:
        yield made


def test_user_without_capabilities_serves_a_directory(host: Rootless) -> None:
    started = host.start_as_user()

    status = status_of(started.pid)
    assert (status["Uid"].split()[0], int(status["CapEff"], 16)) == (str(USER), 0)
    listed = host.as_user("nfs-ls", host.url())
    assert {line.split()[-1] for line in listed.stdout.splitlines()} == {"hello", "large", "folder"}
    read = host.as_user("nfs-cat", host.url().replace("/share?", "/share/hello?"))
    assert read.stdout == "hello\n"


def test_files_are_copied_both_ways(host: Rootless) -> None:
    host.start_as_user()
    share = Path(host.path("/srv/home/share"))
    large = host.url().replace("/share?", "/share/large?")
    copy = host.url().replace("/share?", "/share/copy?")

    host.sh(f"install -d -o {USER} -m 700 /srv/other")
    out = host.as_user("nfs-cp", large, "/srv/other/large")
    back = host.as_user("nfs-cp", "/srv/other/large", copy)

    assert (out.returncode, back.returncode) == (0, 0), (out.stderr, back.stderr)
    assert (share / "copy").read_bytes() == (share / "large").read_bytes()
    assert os.stat(share / "copy").st_uid == USER  # all work as the user of the server


def test_other_users_of_the_host_are_refused(host: Rootless) -> None:
    host.start_as_user("--to", "10.9.0.0/24(rw)", "--to", "127.0.0.1(rw)")
    places = re.findall(r"nfs://([^/]+)/", host.url())

    for address in ("127.0.0.1", "10.9.0.1"):
        url = host.url().replace(places[0], address)
        assert host.as_user("nfs-ls", url).returncode == 0
        assert host.run(["nfs-ls", url]).returncode == 0  # root
        assert host.as_another("nfs-ls", url).returncode != 0


def test_other_users_are_served_if_allowed(host: Rootless) -> None:
    host.start_as_user("--local-users")

    assert host.as_another("nfs-ls", host.url()).returncode == 0


def test_only_the_loopback_addresses_are_served(host: Rootless) -> None:
    host.start_as_user()

    assert host.serves("tcp", "127.0.0.1", 2049)
    assert host.serves("tcp6", "::1", 2049)
    assert not host.serves("tcp", "10.9.0.1", 2049)


def test_embedded_port_mapper_names_the_ports(host: Rootless) -> None:
    host.start_as_user()
    found = re.search(r"port 111 of .*; using port (\d+) instead", host.log())

    assert found is not None, host.log()
    with sync.run(host.dial("tcp", "127.0.0.1", int(found[1]))) as link:
        listed = sync.run(PMAP_VERS.Client(link).PMAPPROC_DUMP())
    ports = {(each.map.prog, each.map.vers, each.map.prot): each.map.port for each in listed}
    assert ports[100003, 3, 6] == ports[100005, 3, 17] == 2049


def test_handles_outlive_the_server(host: Rootless) -> None:
    first = host.start_as_user()
    before = host.as_user("nfs-ls", "-R", host.url()).stdout
    state = Path(host.path("/srv/home/.local/state/nfsd"))

    first.kill()
    first.wait()
    Path(host.path("/srv/home/log")).unlink()
    host.start_as_user()

    assert host.as_user("nfs-ls", "-R", host.url()).stdout == before
    assert {"key", "tags"} <= set(os.listdir(state))
    assert state.stat().st_mode & 0o777 == 0o700


def test_status_names_mode_and_user(host: Rootless) -> None:
    host.start_as_user()

    done = host.run(["sh", "-c", host.script("status")], uid=USER)

    assert done.returncode == 0, done.stderr
    user = user_name(USER)
    assert f"no capability: all work as {user}, with handles of a table" in done.stdout
    assert "our own, on port " in done.stdout


def test_other_clients_are_served_if_named(host: Rootless) -> None:
    host.start_as_user("--to", "10.9.0.0/24(ro)")

    url = host.url().replace(re.findall(r"nfs://([^/]+)/", host.url())[0], "10.9.0.1")
    assert host.as_user("nfs-ls", url).returncode == 0
    refused = host.as_user("nfs-cp", "/etc/hostname", url.replace("/share?", "/share/new?"))
    assert "NFS3ERR_ROFS" in refused.stderr + refused.stdout
