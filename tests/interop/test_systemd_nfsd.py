"""The unit of the NFS server on a host whose process 1 is systemd: what it lets the server do."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncrpc.programs.nfs3 import NFS_PROGRAM
from support.hosts import for_all, portmap, until
from support.nfs_host import NFSD
from support.nfs_user import NfsUser, mount
from support.systemd_host import Booted

pytestmark = [pytest.mark.interop, pytest.mark.slow]

COMMAND = "/run/nfsd-command"
UNIT = "nfsd.service"
EXPORTS = "/srv/data", "/home/data", "/usr/data"
FILES = f"""
mount -t tmpfs tmpfs /srv
mkdir -p {" ".join(EXPORTS)} /etc/exports.d
for folder in {" ".join(EXPORTS)}; do
    chmod 777 $folder
    echo "$folder *(rw,insecure,no_root_squash,no_subtree_check)"
done > /etc/exports
"""
KERNEL = """
printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n[Install]\\n\
WantedBy=multi-user.target\\n' > /etc/systemd/system/nfs-server.service
systemctl daemon-reload
systemctl enable --now nfs-server.service
"""
NO_KERNEL = "systemctl disable --now nfs-server; rm /etc/systemd/system/nfs-server.service"


class NfsSystemd(Booted):
    """A host that has our command."""

    def nfsd(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        return self.run([COMMAND, *words])

    def install(self) -> str:
        """Install the service; returns the message about conflicts."""
        done = self.nfsd("service", "install", "--program", COMMAND)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def remove(self) -> None:
        """Remove the service and its state, if it is installed."""
        self.nfsd("service", "uninstall")
        self.sh("systemctl reset-failed; rm -rf /var/lib/nfsd")

    def main_pid(self) -> int:
        """The daemon as systemd knows it, and as it is called there."""
        return int(self.property(UNIT, "MainPID"))

    def status(self) -> dict[str, Any]:
        """What ``nfsd status`` says."""
        found: dict[str, Any] = json.loads(self.nfsd("status", "--json").stdout)
        return found


@pytest.fixture(scope="module")
def booted() -> Iterator[NfsSystemd]:
    """The host, with our port mapper, without a service of ours."""
    with NfsSystemd() as made:
        command = for_all(made, NFSD[-1])
        script = Path(made.path(COMMAND))
        script.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
        script.chmod(0o755)
        made.sh(FILES)
        made.start(portmap())
        yield made


@pytest.fixture
def bare(booted: NfsSystemd) -> Iterator[NfsSystemd]:
    """The host, without the service before and after the test."""
    booted.remove()
    yield booted
    booted.remove()


@pytest.fixture
def host(booted: NfsSystemd) -> NfsSystemd:
    """The host, on which the service is installed and runs, maybe from the test before."""
    if booted.property(UNIT, "ActiveState") != "active":
        assert booted.install() == ""
        started = booted.nfsd("service", "start")
        assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    return booted


@pytest.fixture
def kernel(bare: NfsSystemd) -> Iterator[NfsSystemd]:
    """The host with a service that has the name of the kernel's server, without ours."""
    bare.sh(KERNEL)
    yield bare
    bare.sh(NO_KERNEL)


def test_start_returns_when_it_serves(host: NfsSystemd) -> None:
    assert host.property(UNIT, "ActiveState") == "active"
    assert host.property(UNIT, "StatusText") == "serving"
    assert host.property(UNIT, "UnitFileState") == "enabled"
    assert mount(host, "/srv/data")
    until(lambda: bool(host.registered(NFS_PROGRAM)), "it is registered")


def test_it_has_all_it_needs_as_root(host: NfsSystemd) -> None:
    mount(host, "/srv/data")

    found = host.status()

    assert (found["mode"], found["user"], found["faults"]) == ("root", "root", [])
    assert {export["path"]: export["ids"] for export in found["exports"]}["/srv/data"] == "kernel"


@pytest.mark.parametrize("place", EXPORTS)
def test_callers_write_wherever_it_is_exported(host: NfsSystemd, place: str) -> None:
    user = NfsUser(host, 1000, 1000)

    file = user.create(mount(host, place), "users", mode=0o640)

    found = Path(host.path(f"{place}/users")).stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1000, 1000, 0o640)
    assert user.attributes(file).uid == 1000
    host.sh(f"rm {place}/users")


def test_set_user_id_modes_are_set(host: NfsSystemd) -> None:
    file = NfsUser(host).create(mount(host, "/srv/data"), "tool", mode=0o644)

    NfsUser(host).change_mode(file, 0o6755)

    assert stat.S_IMODE(Path(host.path("/srv/data/tool")).stat().st_mode) == 0o6755
    host.sh("rm /srv/data/tool")


def test_devices_are_made_for_root(host: NfsSystemd) -> None:
    NfsUser(host).device(mount(host, "/srv/data"), "null", 1, 3)

    assert Path(host.path("/srv/data/null")).stat().st_rdev == (1 << 8 | 3)
    host.sh("rm /srv/data/null")


def test_mounts_that_are_made_later_are_served(host: NfsSystemd) -> None:
    host.sh("mkdir /srv/late; mount -t tmpfs tmpfs /srv/late; touch /srv/late/there")
    host.sh("echo '/srv/late *(insecure,no_subtree_check)' > /etc/exports.d/late.exports")

    assert host.nfsd("service", "reload").returncode == 0

    assert NfsUser(host).lookup(mount(host, "/srv/late"), "there")
    host.sh("rm /etc/exports.d/late.exports")
    assert host.nfsd("service", "reload").returncode == 0
    host.sh("umount /srv/late; rmdir /srv/late")


def test_killed_server_serves_the_same_handles(host: NfsSystemd) -> None:
    root, pid = mount(host, "/srv/data"), host.main_pid()

    host.sh(f"kill -KILL {pid}")
    until(lambda: host.main_pid() not in (0, pid), "it is started again")

    assert NfsUser(host).attributes(root).fileid


def test_restart_in_place_is_the_same_process(host: NfsSystemd) -> None:
    root, pid = mount(host, "/srv/data"), host.main_pid()

    done = host.nfsd("reload", "--exec")

    assert (done.returncode, done.stderr) == (0, "")
    assert host.main_pid() == pid
    assert host.property(UNIT, "ActiveState") == "active"
    assert NfsUser(host).attributes(root).fileid


def test_reload_of_a_wrong_file_fails(host: NfsSystemd) -> None:
    host.sh("echo 'wrong = 1' > /etc/nfsd.toml")

    status = host.nfsd("service", "reload").returncode

    host.sh("rm /etc/nfsd.toml")
    assert status == 1
    assert host.nfsd("service", "reload").returncode == 0
    assert host.property(UNIT, "ActiveState") == "active"


def test_rest_of_the_host_can_be_protected(bare: NfsSystemd) -> None:
    """By the settings that the how-to names."""
    page = (Path(__file__).parents[2] / "docs/howto/run-as-a-service.md").read_text()
    settings = re.findall(r"\[Service\]\nProtectSystem=strict\n(?:[^`].*\n)+", page)
    place = "/run/systemd/system/nfsd.service.d"
    bare.sh(f"mkdir -p {place}")
    Path(bare.path(f"{place}/own.conf")).write_text(*settings)

    assert bare.install() == ""
    assert bare.nfsd("service", "start").returncode == 0

    bare.sh(f"rm -r {place}")
    assert bare.property(UNIT, "ProtectSystem") == "strict"
    NfsUser(bare, 1000, 1000).create(mount(bare, "/srv/data"), "there", mode=0o600)
    bare.sh("rm /srv/data/there")
    assert bare.nfsd("service", "reload").returncode == 0


@pytest.fixture
def nobodys(bare: NfsSystemd) -> Iterator[NfsSystemd]:
    """The host, on which the service runs as another user."""
    bare.sh("echo 'OPTIONS=\"-u nobody\"' > /etc/default/nfsd")
    assert bare.install() == ""
    assert bare.nfsd("service", "start").returncode == 0
    yield bare
    bare.sh("rm /etc/default/nfsd")


def test_as_another_user_it_keeps_kernel_handles(nobodys: NfsSystemd) -> None:
    host = nobodys

    assert host.nfsd("service", "reload").returncode == 0

    assert (host.status()["mode"], host.status()["user"]) == ("handles", "nobody")
    NfsUser(host, 1000).create(mount(host, "/srv/data"), "nobodys", mode=0o600)
    assert Path(host.path("/srv/data/nobodys")).stat().st_uid == 65534
    host.sh("rm /srv/data/nobodys")


def test_log_lines_are_in_the_journal(host: NfsSystemd) -> None:
    line = "\nregistered with the port mapper of this host\n"

    until(lambda: line in host.said("journalctl --sync; journalctl -u nfsd -o cat"), line)


def test_systemd_complains_of_nothing(host: NfsSystemd) -> None:
    assert host.said(f"systemctl daemon-reload; systemd-analyze verify --man=no {UNIT}") == ""


def test_uninstall_stops_it_and_leaves_nothing(host: NfsSystemd) -> None:
    host.nfsd("service", "uninstall")

    places = "/etc/systemd/system /var/lib/oncrpc"
    left = f"find {places} -name 'nfsd*' -o -name service.json 2> /dev/null || :"
    assert host.said(left) == ""
    assert not host.serves("tcp", "127.0.0.1", 2049)


def test_kernel_server_is_not_stopped(kernel: NfsSystemd) -> None:
    said = kernel.install()

    assert said.splitlines() == [
        "nfsd: not enabled, since nfs-server.service is active and enabled; to have it run:",
        "    systemctl disable --now nfs-server.service nfs-mountd.service",
        "    systemctl enable nfsd.service",
        "    nfsd service start",
    ]
    assert kernel.property("nfs-server.service", "ActiveState") == "active"


def test_start_beside_the_kernel_says_what_to_run(kernel: NfsSystemd) -> None:
    """Something else has the port, as threads of the kernel would."""
    kernel.install()
    with kernel.network():
        other = socket.create_server(("", 2049))

    with other:
        done = kernel.nfsd("service", "start")

    why = kernel.said("journalctl --sync; journalctl -u nfsd -o cat")
    assert done.returncode == 1
    assert "    systemctl disable --now nfs-server.service nfs-mountd.service\n" in done.stderr
    assert "port 2049 of 0.0.0.0: in use; stop the NFS server that has it" in why
