"""The Debian package of the NFS server, installed in root folders of its own, and purged."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.debian_host import ROOT, Debian, Packages, put
from support.hosts import until, wait_gone
from support.namespace import need
from support.nfs_host import NFS_PORT
from support.nfs_user import NfsUser, mount
from support.nfs_utils import BUILD
from support.systemd_host import Booted

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORTS = """
mkdir -p /srv/data
chmod 777 /srv/data
echo '/srv/data *(rw,insecure,no_subtree_check)' > /etc/exports
"""
SCRIPT_OF_THE_KERNEL = """
{ printf '#!/bin/sh\\n### BEGIN INIT INFO\\n# Provides: nfs-kernel-server\\n'
  printf '# Required-Start:\\n# Required-Stop:\\n# Default-Start: 2 3 4 5\\n'
  printf '# Default-Stop: 0 1 6\\n### END INIT INFO\\n'
} > /etc/init.d/nfs-kernel-server
chmod 755 /etc/init.d/nfs-kernel-server
ln -sf ../init.d/nfs-kernel-server /etc/rc2.d/S01nfs-kernel-server
"""
UNIT_OF_THE_KERNEL = """
printf '[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' \
    > /etc/systemd/system/nfs-server.service
systemctl daemon-reload
systemctl enable --now nfs-server.service
"""


@pytest.fixture
def bare() -> Iterator[Debian]:
    """A host without the package, which has something to export."""
    with Debian() as made:
        made.sh_there(f"{EXPORTS} rm -f /etc/rc*.d/*nfs-kernel-server")
        yield made
        made.run(["chroot", ROOT, "service", "nfsd", "stop"])


@pytest.fixture(scope="module")
def host(packages: Packages) -> Iterator[Debian]:
    """A host on which the packages of both daemons are installed."""
    with Debian() as made:
        made.sh_there(f"{EXPORTS} rm -f /etc/rc*.d/*nfs-kernel-server")
        made.install(*packages.portmap, packages.nfs_server)
        yield made
        made.sh_there("service nfsd stop; service portmap stop")


def test_installed_it_serves_and_is_registered(host: Debian) -> None:
    NfsUser(host, 1000).create(mount(host, "/srv/data"), "new", mode=0o600)

    assert host.sh_there("stat -c %u /srv/data/new") == "1000\n"
    until(lambda: "nfs" in host.sh_there("rpcinfo -s"), "it is registered")
    assert json.loads(host.sh_there("nfsd status --json"))["mode"] == "root"


def test_command_is_ours_and_has_manual_pages(host: Debian) -> None:
    assert "oncrpc" in host.sh_there("nfsd --version")
    for page in ("man1/nfs.1", "man8/nfsd.8oncrpc", "man5/nfsd.toml.5"):
        host.sh_there(f"zcat /usr/share/man/{page}.gz | grep -q oncrpc")


def test_command_for_users_lists_the_exports(host: Debian) -> None:
    until(lambda: "nfs" in host.sh_there("rpcinfo -s"), "it is registered")

    assert host.sh_there("nfs ls nfs://127.0.0.1").startswith("/srv/data ")


def test_configuration_is_the_administrators(host: Debian) -> None:
    files = host.sh_there("dpkg-query -W -f '${Conffiles}' oncrpc-nfsd")

    assert {line.split()[0] for line in files.splitlines()} == {
        "/etc/default/nfsd", "/etc/init.d/nfsd", "/etc/nfsd.toml",
    }  # fmt: skip
    assert host.sh_there("nfsd config check").startswith("/etc/nfsd.toml: ok, 0 rules;")


def test_it_starts_with_the_host_under_either_init(host: Debian) -> None:
    links = host.sh_there("find /etc/systemd/system /etc/rc[2S].d -name '*nfsd*'")

    assert set(links.split()) == {
        "/etc/rc2.d/S01nfsd",
        "/etc/systemd/system/multi-user.target.wants/nfsd.service",
    }


def test_systemd_finds_no_fault_in_its_unit(host: Debian) -> None:
    need("systemd-analyze")
    unit = "/lib/systemd/system/nfsd.service"

    assert host.sh_there(f"systemd-analyze verify --man=no {unit} 2>&1") == ""


def test_package_restarts_in_place(host: Debian) -> None:
    pid = host.daemon("nfsd")

    said = host.sh_there("nfsd reload --exec")

    assert said == f"nfsd: process {pid} runs the new image, and answers\n"


def test_no_file_is_of_the_kernels_package_too(packages: Packages) -> None:
    """Both may be installed at once."""
    root = BUILD.parents[1]
    need(f"{BUILD}/exportfs")
    listed = subprocess.run(
        ["dpkg-deb", "-c", packages.nfs_server], capture_output=True, text=True, check=True
    ).stdout
    files = re.findall(r"^-.* \./(\S+)$", listed, re.MULTILINE)

    assert {"usr/sbin/nfsd", "usr/bin/nfs"} <= {*files}
    assert [name for name in files if os.path.lexists(root / name)] == []


def test_reinstallation_keeps_handles_and_changes(bare: Debian, packages: Packages) -> None:
    bare.install(*packages.nfsd)
    root, before = mount(bare, "/srv/data"), bare.daemon("nfsd")
    bare.sh_there("echo '[mount]\nlist-all = false' > /etc/nfsd.toml")

    bare.install(*packages.nfsd)

    assert bare.daemon("nfsd") != before
    assert NfsUser(bare).attributes(root).fileid
    assert "list-all" in bare.sh_there("cat /etc/nfsd.toml")


def test_purged_it_is_gone_with_its_state(bare: Debian, packages: Packages) -> None:
    bare.install(*packages.nfsd)
    pid = bare.daemon("nfsd")

    bare.sh_there("dpkg --purge oncrpc-nfsd oncrpc-common 2>&1")

    wait_gone(pid)
    places = "/etc /run/nfsd* /var/lib/nfsd /usr/lib/oncrpc /usr/sbin /lib/systemd/system/nfsd*"
    left = f"find {places} -name '*nfsd*'"
    assert bare.sh_there(f"{left} 2> /dev/null || :") == ""
    assert bare.sh_there("cat /etc/exports")


def test_beside_the_kernels_server_it_is_disabled(bare: Debian, packages: Packages) -> None:
    bare.sh_there(SCRIPT_OF_THE_KERNEL)

    said = bare.install(*packages.nfsd)

    assert not bare.serves("tcp", "127.0.0.1", NFS_PORT)
    starts = "find /etc/rc[2-5].d -name 'S*nfsd'; find /etc/systemd/system -name nfsd.service"
    assert bare.sh_there(starts) == ""
    commands = re.findall(r"^    (.*)$", said, re.MULTILINE)
    assert len(commands) == 4
    bare.sh_there("\n".join(commands))
    assert mount(bare, "/srv/data")


def test_installation_succeeds_where_the_port_is_in_use(bare: Debian, packages: Packages) -> None:
    with bare.network():
        other = socket.create_server(("", NFS_PORT))

    with other:
        said = bare.install(*packages.nfsd)

    assert f"port {NFS_PORT} of 0.0.0.0: in use; stop the NFS server that has it" in said
    assert bare.sh_there("dpkg-query -W -f '${Status}' oncrpc-nfsd") == "install ok installed"


@pytest.fixture
def booted(packages: Packages) -> Iterator[Booted]:
    """A host with systemd, which has something to export, and the files of the package."""
    with Booted() as made:
        made.sh(f"mount -t tmpfs tmpfs /srv\n{EXPORTS}")
        Path(made.path("/run/install")).write_text(put(made, "/run", packages.nfsd))
        yield made


def test_systemd_enables_and_starts_it(booted: Booted) -> None:
    booted.said("sh /run/install")

    assert booted.property("nfsd.service", "ActiveState") == "active"
    assert booted.property("nfsd.service", "UnitFileState") == "enabled"
    root, pid = mount(booted, "/srv/data"), booted.property("nfsd.service", "MainPID")
    booted.said("sh /run/install")
    assert booted.property("nfsd.service", "MainPID") not in (pid, "0")
    assert NfsUser(booted).attributes(root).fileid
    booted.said("dpkg --purge oncrpc-nfsd oncrpc-common")
    assert not booted.serves("tcp", "127.0.0.1", NFS_PORT)
    assert booted.said("find /etc /var/lib/nfsd -name '*nfsd*' 2> /dev/null || :") == ""


def test_systemd_leaves_the_kernels_server_running(booted: Booted) -> None:
    booted.sh(UNIT_OF_THE_KERNEL)

    said = booted.said("sh /run/install")

    states = [booted.property(f"{name}.service", "ActiveState") for name in ("nfs-server", "nfsd")]
    assert states == ["active", "inactive"]
    assert booted.property("nfsd.service", "UnitFileState") == "disabled"
    booted.said("sh /run/install")
    assert booted.property("nfsd.service", "UnitFileState") == "disabled"
    commands = re.findall(r"^    (.*)$", said, re.MULTILINE)
    booted.said("\n".join(commands))
    assert mount(booted, "/srv/data")
    assert booted.property("nfs-server.service", "ActiveState") == "inactive"
