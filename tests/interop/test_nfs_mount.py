"""``nfs mount``: a mount by FUSE of nfsd and of ganesha, compared with a local file system."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc.nfs.fusemount.libfuse import DEVICE
from support.ganesha import start_ganesha
from support.guest_image import compile_program
from support.hosts import Host, finished, portmap, until
from support.namespace import PYTHON, need
from support.nfs_host import NfsHost
from support.posix_programme import SECTIONS, SEVERAL_USERS, run_locally

pytestmark = pytest.mark.interop

NFS = (PYTHON, "-m", "oncrpc.cli.nfs")
EXPORTS = "/srv/tmpfs *(rw,no_root_squash,fsid=1)"
MOUNTED = [name for name in SECTIONS if name not in SEVERAL_USERS]
LOCAL = "nfs://127.0.0.1"
PLACE = "/srv/mounted"
NAMES = 1000
HELD_BACK = "two names: "
"""The kernel knows for a second that a file had one more name: libfuse has an inode for each."""


@pytest.fixture(scope="module")
def nfsd() -> Iterator[NfsHost]:
    need("fusermount3", "gcc", DEVICE)
    with NfsHost(EXPORTS) as host:
        yield host


@contextmanager
def mounted(host: Host, path: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Mount an export in the foreground, and unmount it; the process must end with status 0."""
    host.sh(f"mkdir -p {PLACE}")
    process = host.popen([*NFS, "mount", "-f", *options, f"{LOCAL}{path}", PLACE])
    try:
        until(lambda: is_mounted(host), "the mount is in the table")
        yield process
    finally:
        unmounted = host.run([*NFS, "umount", PLACE])
    assert unmounted.returncode == 0, unmounted.stderr
    assert finished(process) == 0
    assert not is_mounted(host)


def is_mounted(host: Host) -> bool:
    return host.run(["grep", "-q", f" {PLACE} fuse.nfs ", "/proc/mounts"]).returncode == 0


def compared(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not line.startswith(HELD_BACK)]


def test_posix_programme_prints_the_same(nfsd: NfsHost, tmp_path: Path) -> None:
    compile_program("posix", tmp_path / "posix")
    nfsd.sh("mkdir /srv/tmpfs/posix")

    with mounted(nfsd, "/srv/tmpfs/posix"):
        remote = run_locally(nfsd, tmp_path / "posix", PLACE, MOUNTED)
    local = run_locally(nfsd, tmp_path / "posix", "/srv/local", MOUNTED)

    assert compared(remote) == compared(local)


def test_mount_outlives_a_restart_of_the_server(nfsd: NfsHost) -> None:
    nfsd.sh("mkdir /srv/tmpfs/restart; head -c 3000000 /dev/urandom > /srv/random")

    with mounted(nfsd, "/srv/tmpfs/restart"):
        nfsd.sh(f"cp /srv/random {PLACE}/a")
        nfsd.kill_nfsd()
        nfsd.nfsd = nfsd.start_nfsd()
        nfsd.sh(f"cmp /srv/random {PLACE}/a; cp {PLACE}/a {PLACE}/b")

    nfsd.sh("cmp /srv/random /srv/tmpfs/restart/b")


def test_background_mount_serves_other_users(nfsd: NfsHost) -> None:
    nfsd.sh(f"mkdir -p {PLACE} /srv/tmpfs/many; cd /srv/tmpfs/many; seq {NAMES} | xargs touch")
    nfsd.sh("cd /srv/tmpfs/many; echo secret > secret; chmod 600 secret")
    started = nfsd.run([*NFS, "mount", "-o", "allow_other", f"{LOCAL}/srv/tmpfs/many", PLACE])

    listed = nfsd.run(["ls", "-l", PLACE], uid=1000)
    read = nfsd.run(["cat", f"{PLACE}/secret"], uid=1000)
    ended = nfsd.run([*NFS, "umount", PLACE])

    assert (started.returncode, started.stderr) == (0, "")
    assert len(listed.stdout.splitlines()) == 1 + NAMES + 1
    assert "Permission denied" in read.stderr
    assert (ended.returncode, is_mounted(nfsd)) == (0, False)


def test_signal_unmounts(nfsd: NfsHost) -> None:
    nfsd.sh(f"mkdir -p {PLACE}")
    process = nfsd.popen([*NFS, "mount", "-f", f"{LOCAL}/srv/tmpfs", PLACE])
    until(lambda: is_mounted(nfsd), "the mount is in the table")
    nfsd.sh(f"ls {PLACE}")

    process.terminate()

    assert finished(process) == 0
    assert not is_mounted(nfsd)


def test_mounted_directory_is_not_mounted_again(nfsd: NfsHost) -> None:
    with mounted(nfsd, "/srv/tmpfs"):
        again = nfsd.run([*NFS, "mount", f"{LOCAL}/srv/tmpfs", PLACE])

    assert again.returncode == 1
    assert f"{PLACE}: already mounted; 'nfs umount {PLACE}' unmounts it" in again.stderr


def test_dead_mount_is_named_and_unmounted(nfsd: NfsHost) -> None:
    nfsd.sh(f"mkdir -p {PLACE}")
    words = [*NFS, "mount", "-f", f"{LOCAL}/srv/tmpfs", PLACE]
    process = nfsd.popen(words)
    until(lambda: is_mounted(nfsd), "the mount is in the table")
    process.kill()
    process.wait()

    again = nfsd.run(words)

    assert f"not connected; end the dead mount with 'nfs umount {PLACE}'" in again.stderr
    assert nfsd.run([*NFS, "umount", PLACE]).returncode == 0


def test_refused_mount_ends_before_the_background(nfsd: NfsHost) -> None:
    nfsd.sh(f"mkdir -p {PLACE}")

    refused = nfsd.run([*NFS, "mount", f"{LOCAL}/srv/secret", PLACE])

    assert refused.returncode == 1
    assert refused.stderr == (
        "nfs mount: /srv/secret: Permission denied (NFS3ERR_ACCES); "
        f"'nfs ping {LOCAL}/srv/secret' shows which layer fails\n"
    )


def test_ganesha_is_mounted(tmp_path: Path) -> None:
    need("fusermount3", "ganesha.nfsd", DEVICE)
    with Host() as host:
        host.start(portmap())
        start_ganesha(host, tmp_path)
        pinged = host.run([*NFS, "ping", f"{LOCAL}/srv/nfs"])
        assert pinged.returncode == 0, pinged.stdout
        with mounted(host, "/srv/nfs"):
            host.sh(f"cd {PLACE}; cat hello.txt; {CHANGES}")
        host.sh("cd /srv/nfs; cmp data moved/data; test $(readlink moved/link) = data")
        host.sh("cd /srv/nfs; test $(stat -c %h-%a-%Y data) = 2-640-1000")


CHANGES = """
head -c 3000000 /dev/urandom > data
mkdir new; ln data new/data; ln -s data new/link; mv -n new moved
chmod 640 data; touch -d @1000 data; truncate -s 5G sparse; rm sparse
"""
