"""The Debian package: built, installed over rpcbind in a root folder of its own, and purged."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from support.debian_host import ROOT, Debian, Packages, field, put
from support.hosts import status_of, until, wait_gone
from support.namespace import DEADLINE, need
from support.systemd_host import Booted

pytestmark = [pytest.mark.interop, pytest.mark.slow]

REGISTERED = r"    300000  1         tcp                              -           superuser"
OURS = r"    100000  2,3,4     local,udp,tcp,udp6,tcp6          portmapper  superuser"


@pytest.fixture
def bare() -> Iterator[Debian]:
    """A host without the package."""
    with Debian() as made:
        yield made


@pytest.fixture(scope="module")
def host(packages: Packages) -> Iterator[Debian]:
    """A host where the C daemon ran before the package was installed."""
    need("rpcbind")
    with Debian() as made:
        made.sh_there("service rpcbind start")
        until(lambda: made.serves("tcp", "127.0.0.1"), "the C daemon serves")
        register(made)
        made.install(*packages.portmap)
        yield made
        made.sh_there("service portmap stop")


def register(host: Debian) -> None:
    """Register a program as root, with the running port mapper."""
    place = host.path(f"{ROOT}/run/rpcbind.sock")
    with sync.run(sync.dial("local", place, 0, timeout=DEADLINE)) as link:
        entry = rpcb(300000, 1, b"tcp", b"192.0.2.1.8.1", b"superuser")
        assert sync.run(RPCBVERS4.Client(link).RPCBPROC_SET(entry))


def test_it_takes_the_place_of_rpcbind(packages: Packages) -> None:
    assert field(packages.portmap[-1], "Provides") == "portmap, rpcbind"
    assert field(packages.portmap[-1], "Conflicts") == "portmap, rpcbind"
    assert field(packages.portmap[-1], "Replaces") == "rpcbind"


def test_installed_daemon_has_registrations_of_c(host: Debian) -> None:
    assert host.sh_there("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]


def test_installed_it_runs_as_the_user_of_rpcbind(host: Debian) -> None:
    user = host.sh_there("id -u _rpc").strip()

    assert status_of(host.daemon("portmap"))["Uid"].split()[0] == user


def test_its_commands_are_ours_and_have_manual_pages(host: Debian) -> None:
    for command in ("portmap", "rpcinfo", "pmap_dump", "pmap_set"):
        assert "oncrpc" in host.sh_there(f"{command} --version")
        host.sh_there(f"zcat /usr/share/man/man8/{command}.8.gz | grep -q oncrpc")
    host.sh_there("zcat /usr/share/man/man5/portmap.toml.5.gz | grep -q oncrpc")


def test_it_starts_with_the_host_under_either_init(host: Debian) -> None:
    links = host.sh_there(
        "find /etc/systemd/system /etc/rcS.d -name '*portmap*' -o -name 'rpcbind.s*'"
    )

    assert set(links.split()) >= {
        "/etc/rcS.d/S01portmap",
        "/etc/systemd/system/multi-user.target.wants/portmap.service",
        "/etc/systemd/system/sockets.target.wants/portmap.socket",
        "/etc/systemd/system/rpcbind.service",
        "/etc/systemd/system/rpcbind.socket",
    }


def test_systemd_finds_no_fault_in_its_units(host: Debian) -> None:
    need("systemd-analyze")
    units = "/lib/systemd/system/portmap.service /lib/systemd/system/portmap.socket"

    assert host.sh_there(f"systemd-analyze verify --man=no {units} 2>&1") == ""


def test_package_restarts_in_place(host: Debian) -> None:
    pid = host.daemon("portmap")

    said = host.sh_there("portmap reload --exec")

    assert said == f"portmap: process {pid} runs the new image, and answers\n"


def test_package_contains_compiled_modules(host: Debian) -> None:
    host.sh_there("ls /usr/lib/oncrpc/oncrpc/portmap/__pycache__/app.cpython-*.pyc")


def test_reinstallation_keeps_registrations(bare: Debian, packages: Packages) -> None:
    bare.install(*packages.portmap)
    before = bare.daemon("portmap")
    register(bare)

    bare.install(*packages.portmap)

    assert bare.daemon("portmap") != before
    assert bare.sh_there("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]
    bare.sh_there("service portmap stop")


def test_purged_it_is_gone_with_its_state(bare: Debian, packages: Packages) -> None:
    bare.install(*packages.portmap)
    pid = bare.daemon("portmap")
    bare.sh_there("touch /run/portmap/journal")

    bare.sh_there("dpkg --purge --force-depends oncrpc-portmap oncrpc-common 2>&1")

    wait_gone(pid)
    left = bare.sh_there(
        "find /etc /usr/lib/oncrpc /usr/sbin /lib/systemd /run/portmap /run/rpcbind"
        " -path '*portmap*' -newer /run/lock 2>/dev/null || :"
    )
    assert left == ""


def test_purge_leaves_files_of_c(bare: Debian, packages: Packages) -> None:
    bare.install(*packages.portmap)
    bare.sh_there("dpkg --remove --force-depends oncrpc-portmap 2>&1")
    bare.sh_there("mkdir -p /run/rpcbind; touch /run/rpcbind.sock; ln -s /bin/true /sbin/rpcbind")

    bare.sh_there("dpkg --purge --force-depends oncrpc-portmap oncrpc-common 2>&1")

    assert bare.sh_there("ls -d /run/rpcbind /run/rpcbind.sock")


@pytest.fixture
def booted(packages: Packages) -> Iterator[Booted]:
    """A host with systemd where the C daemon ran before the package was installed."""
    need("rpcbind")
    with Booted() as made:
        made.sh("systemd-tmpfiles --create rpcbind.conf")
        made.sh("systemctl enable --now rpcbind.socket rpcbind.service")
        assert sync.run(made.mapper().set(300000, 1, "tcp", "192.0.2.1.8.1"))
        made.sh(put(made, "/run", packages.portmap))
        yield made


def test_systemd_daemon_has_registrations_of_c(booted: Booted) -> None:
    units = ("portmap.socket", "portmap.service")

    assert [booted.property(unit, "ActiveState") for unit in units] == ["active"] * 2
    assert [booted.property(unit, "UnitFileState") for unit in units] == ["enabled"] * 2
    assert booted.property("rpcbind.service", "Id") == "portmap.service"
    assert booted.said("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]


def test_systemd_upgrade_keeps_registrations(booted: Booted, packages: Packages) -> None:
    before = booted.property("portmap.service", "MainPID")

    booted.said(put(booted, "/run", packages.portmap))

    assert booted.property("portmap.service", "MainPID") not in (before, "0")
    assert booted.said("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]


def test_systemd_daemon_starts_after_c_was_purged(booted: Booted) -> None:
    """This removes the local socket and the folder of -w too."""
    booted.said("dpkg --purge rpcbind")

    booted.said("portmap service stop && portmap service start")

    assert booted.said("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]


def test_systemd_removal_ends_the_daemon(booted: Booted) -> None:
    booted.said("dpkg --remove --force-depends oncrpc-portmap")
    assert not booted.serves("tcp", "127.0.0.1")

    booted.said("dpkg --purge --force-depends oncrpc-portmap oncrpc-common")

    left = "find /etc /run/portmap* -name '*portmap*' ! -path '*/rc?.d/*' 2> /dev/null || :"
    assert booted.said(left) == ""
    assert booted.said("find /etc/systemd/system -lname '*portmap*'") == ""


@pytest.mark.parametrize("which", range(3), ids=("common", "portmap", "nfsd"))
def test_lintian_finds_no_fault_in_it(packages: Packages, which: int) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")

    done = subprocess.run(
        ["lintian", "--allow-root", packages[which]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "")
