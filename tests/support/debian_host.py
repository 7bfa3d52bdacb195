"""The Debian packages, and a host with its own root folder to install them on.

    with Debian() as host:
        host.install(*packages.portmap)

The root folder is a writable copy of the system, in runlevel 2 so that services start.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

from support.hosts import Host
from support.namespace import PATH, need

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


class Packages(NamedTuple):
    """The built packages: first what both daemons need."""

    common: Path
    port_mapper: Path
    nfs_server: Path

    @property
    def portmap(self) -> tuple[Path, ...]:
        """What to install for the port mapper."""
        return (self.common, self.port_mapper)

    @property
    def nfsd(self) -> tuple[Path, ...]:
        """What to install for the NFS server."""
        return (self.common, self.nfs_server)


def build_packages(folder: Path) -> Packages:
    """Build them into a folder."""
    need("dpkg-buildpackage", "dh", "dh_python3", "/usr/bin/python3", "chroot", "service")
    done = subprocess.run([BUILD, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {path.name.partition("_")[0]: path for path in folder.glob("*.deb")}
    return Packages(*(found[f"oncrpc-{name}"] for name in ("common", "portmap", "nfsd")))


def field(package: Path, name: str) -> str:
    """A field of a package's control file."""
    done = subprocess.run(
        ["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def put(host: Host, folder: str, packages: Iterable[Path]) -> str:
    """Put packages into a folder of a host; returns the command to install them there."""
    names = []
    for package in packages:
        shutil.copy(package, host.path(folder))
        names.append(f"/run/{package.name}")
    return f"dpkg -i {' '.join(names)}"


class Debian(Host):
    """A host with its own root folder."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.sh(SETUP)
        return self

    def sh_there(self, script: str) -> str:
        """Run a shell script in that root; returns its output."""
        done = self.run(["chroot", ROOT, "env", "-i", f"PATH={PATH}", "sh", "-ec", script])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, *packages: Path) -> str:
        """Install packages; returns the output."""
        return self.sh_there(f"{put(self, f'{ROOT}/run', packages)} 2>&1")

    def daemon(self, name: str) -> int:
        """The process id of our daemon, from the script's pid file."""
        return int(re.findall(r"pid (\d+)", self.sh_there(f"service {name} status"))[0])
