"""The Debian package: built, installed over rpcbind in a root folder of its own, and purged."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from support.hosts import Host, status_of, until, wait_gone
from support.namespace import DEADLINE, PATH, need
from support.systemd_host import Booted

pytestmark = [pytest.mark.interop, pytest.mark.slow]

BUILD = Path(__file__).parents[2] / "packaging" / "debian" / "build"
ROOT = "/run/root"
SETUP = f"""
mkdir {ROOT} /run/upper /run/work
mount -t overlay overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work {ROOT}
mount -t proc proc {ROOT}/proc
mount --rbind /dev {ROOT}/dev
mount -t tmpfs -o mode=755 tmpfs {ROOT}/run
mkdir {ROOT}/run/lock
rm -f {ROOT}/usr/sbin/policy-rc.d
rm -f {ROOT}/sbin/runlevel
printf '#!/bin/sh\\necho N 2\\n' > {ROOT}/sbin/runlevel
chmod 755 {ROOT}/sbin/runlevel
"""
"""Sets up a writable copy of the system, in runlevel 2 so that services start."""

REGISTERED = r"    300000  1         tcp                              -           superuser"
OURS = r"    100000  2,3,4     local,udp,tcp,udp6,tcp6          portmapper  superuser"


class Debian(Host):
    """A host with its own root folder."""

    def sh_there(self, script: str) -> str:
        """Run a shell script in that root; returns its output."""
        done = self.run(["chroot", ROOT, "env", "-i", f"PATH={PATH}", "sh", "-ec", script])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, package: Path) -> str:
        """Install a package; returns the output."""
        shutil.copy(package, self.path(f"{ROOT}/run/"))
        return self.sh_there(f"dpkg -i /run/{package.name} 2>&1")

    def ours(self) -> int:
        """The process id of our daemon, from the script's pid file."""
        return int(re.findall(r"pid (\d+)", self.sh_there("service portmap status"))[0])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    need("dpkg-buildpackage", "dh", "dh_python3", "/usr/bin/python3", "chroot", "service")
    folder = tmp_path_factory.mktemp("deb")
    done = subprocess.run([BUILD, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.deb")
    return built


@pytest.fixture
def bare() -> Iterator[Debian]:
    """A host without the package."""
    with Debian() as made:
        made.sh(SETUP)
        yield made


@pytest.fixture(scope="module")
def host(package: Path) -> Iterator[Debian]:
    """A host where the C daemon ran before the package was installed."""
    need("rpcbind")
    with Debian() as made:
        made.sh(SETUP)
        made.sh_there("service rpcbind start")
        until(lambda: made.serves("tcp", "127.0.0.1"), "the C daemon serves")
        register(made)
        made.install(package)
        yield made
        made.sh_there("service portmap stop")


def field(package: Path, name: str) -> str:
    """A field of the package's control file."""
    done = subprocess.run(
        ["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def register(host: Debian) -> None:
    """Register a program as root, with the running port mapper."""
    place = host.path(f"{ROOT}/run/rpcbind.sock")
    with sync.run(sync.dial("local", place, 0, timeout=DEADLINE)) as link:
        entry = rpcb(300000, 1, b"tcp", b"192.0.2.1.8.1", b"superuser")
        assert sync.run(RPCBVERS4.Client(link).RPCBPROC_SET(entry))


def test_it_takes_the_place_of_rpcbind(package: Path) -> None:
    assert field(package, "Provides") == "portmap, rpcbind"
    assert field(package, "Conflicts") == "portmap, rpcbind"
    assert field(package, "Replaces") == "rpcbind"


def test_installed_daemon_has_registrations_of_c(host: Debian) -> None:
    assert host.sh_there("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]


def test_installed_it_runs_as_the_user_of_rpcbind(host: Debian) -> None:
    user = host.sh_there("id -u _rpc").strip()

    assert status_of(host.ours())["Uid"].split()[0] == user


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
    pid = host.ours()

    said = host.sh_there("portmap reload --exec")

    assert said == f"portmap: process {pid} runs the new image, and answers\n"


def test_package_contains_compiled_modules(host: Debian) -> None:
    host.sh_there("ls /usr/lib/oncrpc/oncrpc/portmap/__pycache__/app.cpython-*.pyc")


def test_reinstallation_keeps_registrations(bare: Debian, package: Path) -> None:
    bare.install(package)
    before = bare.ours()
    register(bare)

    bare.install(package)

    assert bare.ours() != before
    assert bare.sh_there("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]
    bare.sh_there("service portmap stop")


def test_purged_it_is_gone_with_its_state(bare: Debian, package: Path) -> None:
    bare.install(package)
    pid = bare.ours()
    bare.sh_there("touch /run/portmap/journal")

    bare.sh_there("dpkg --purge --force-depends oncrpc-portmap 2>&1")

    wait_gone(pid)
    left = bare.sh_there(
        "find /etc /usr/lib/oncrpc /usr/sbin /lib/systemd /run/portmap /run/rpcbind"
        " -path '*portmap*' -newer /run/lock 2>/dev/null || :"
    )
    assert left == ""


def test_purge_leaves_files_of_c(bare: Debian, package: Path) -> None:
    bare.install(package)
    bare.sh_there("dpkg --remove --force-depends oncrpc-portmap 2>&1")
    bare.sh_there("mkdir -p /run/rpcbind; touch /run/rpcbind.sock; ln -s /bin/true /sbin/rpcbind")

    bare.sh_there("dpkg --purge --force-depends oncrpc-portmap 2>&1")

    assert bare.sh_there("ls -d /run/rpcbind /run/rpcbind.sock")


@pytest.fixture
def booted(package: Path) -> Iterator[Booted]:
    """A host with systemd where the C daemon ran before the package was installed."""
    need("rpcbind")
    with Booted() as made:
        made.sh("systemd-tmpfiles --create rpcbind.conf")
        made.sh("systemctl enable --now rpcbind.socket rpcbind.service")
        assert sync.run(made.mapper().set(300000, 1, "tcp", "192.0.2.1.8.1"))
        shutil.copy(package, made.path("/run/"))
        made.sh(f"dpkg -i /run/{package.name}")
        yield made


def test_systemd_daemon_has_registrations_of_c(booted: Booted) -> None:
    units = ("portmap.socket", "portmap.service")

    assert [booted.property(unit, "ActiveState") for unit in units] == ["active"] * 2
    assert [booted.property(unit, "UnitFileState") for unit in units] == ["enabled"] * 2
    assert booted.property("rpcbind.service", "Id") == "portmap.service"
    assert booted.said("rpcinfo -s").splitlines()[1:] == [OURS, REGISTERED]


def test_systemd_upgrade_keeps_registrations(booted: Booted, package: Path) -> None:
    before = booted.property("portmap.service", "MainPID")

    booted.said(f"dpkg -i /run/{package.name}")

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

    booted.said("dpkg --purge --force-depends oncrpc-portmap")

    left = "find /etc /run/portmap* -name '*portmap*' ! -path '*/rc?.d/*' 2> /dev/null || :"
    assert booted.said(left) == ""
    assert booted.said("find /etc/systemd/system -lname '*portmap*'") == ""


def test_lintian_finds_no_fault_in_it(package: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")

    done = subprocess.run(
        ["lintian", "--allow-root", package], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
