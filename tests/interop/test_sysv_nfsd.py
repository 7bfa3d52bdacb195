"""The script of the NFS server on a host of its own; ``test_sysv`` has what both scripts do."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hosts import Host, wait_gone
from support.namespace import environment, need
from support.nfs_host import NFS_PORT, NFSD
from support.nfs_user import NfsUser, mount

pytestmark = [pytest.mark.interop, pytest.mark.slow]

COMMAND = "/run/nfsd-command"
PID_FILE = "/run/nfsd.pid"
OK, FAILED = "[  OK  ]\n", "[FAILED]\n"
OWN = """
for folder in etc var/lib; do
    mkdir -p /run/own/$folder /run/work/$folder
    mount -t overlay overlay \
        -o lowerdir=/$folder,upperdir=/run/own/$folder,workdir=/run/work/$folder /$folder
done
rm -rf /var/lib/nfsd /etc/default/nfsd /etc/rc*.d/*nfs*
mount -t tmpfs tmpfs /srv
echo '/srv *(rw,insecure,no_subtree_check)' > /etc/exports
"""


class NfsSysV(Host):
    """A host on which the script is installed."""

    def install(self) -> None:
        """Install it with our command."""
        self.sh(OWN)
        command = shlex.join(["env", f"PYTHONPATH={environment()['PYTHONPATH']}", *NFSD])
        script = Path(self.path(COMMAND))
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
        done = self.run([COMMAND, "service", "install", "--program", COMMAND])
        assert (done.returncode, done.stderr) == (0, "")

    def service(self, word: str) -> tuple[int, str]:
        """Run ``service nfsd``; returns its exit status and output."""
        done = self.run(["service", "nfsd", word])
        return done.returncode, done.stdout + done.stderr

    def pid(self) -> int:
        """The process in the pid file."""
        return int(Path(self.path(PID_FILE)).read_text().splitlines()[0])


@pytest.fixture
def host() -> Iterator[NfsSysV]:
    """A host with the script, on which the server is ended with the test."""
    need("service", "update-rc.d")
    with NfsSysV() as made:
        made.install()
        yield made
        made.service("stop")


def test_it_serves_from_start_to_stop(host: NfsSysV) -> None:
    assert host.service("status") == (3, "nfsd is stopped\n")

    assert host.service("start") == (0, f"Starting nfsd: {OK}")
    root, pid = mount(host, "/srv"), host.pid()
    assert host.service("status") == (0, f"nfsd (pid {pid}) is running...\n")
    assert host.service("reload") == (0, f"Reloading nfsd: {OK}")
    assert host.service("restart") == (0, f"Stopping nfsd: {OK}Starting nfsd: {OK}")

    assert NfsUser(host).attributes(root).fileid
    assert host.service("stop") == (0, f"Stopping nfsd: {OK}")
    wait_gone(pid)
    assert not os.path.exists(host.path(PID_FILE))


def test_it_starts_after_network_file_systems(host: NfsSysV) -> None:
    names = [path.name[0] for path in Path(host.path("/etc/rc2.d")).glob("*nfsd")]

    assert names == ["S"]
    assert list(Path(host.path("/etc/rcS.d")).glob("*nfsd")) == []


def test_start_beside_another_server_says_why_not(host: NfsSysV) -> None:
    with host.network():
        other = socket.create_server(("", NFS_PORT))

    with other:
        done = host.service("start")

    why = f"nfsd: cannot bind tcp port {NFS_PORT} of 0.0.0.0: in use; stop the NFS server"
    assert done[0] == 1
    assert done[1].startswith(f"Starting nfsd: {FAILED}{why}")
