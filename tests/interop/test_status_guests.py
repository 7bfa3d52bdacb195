"""Our status monitor in place of rpc.statd: beside Linux's lock manager, and beside ganesha's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.programs.sm_inter import SM_PROG
from support.ganesha import start_ganesha
from support.guest_python import MOUNT_PYTHON, in_python, python_disk
from support.hosts import Host, portmap, until
from support.kernel_server import FOLDER, end_grace, start_kernel_server
from support.lan_guests import CLIENT, SERVER, Lan, LanGuest
from support.lock_site import local_place, place_of
from support.namespace import end, need
from support.nfs_host import NFSD

pytestmark = [pytest.mark.interop, pytest.mark.slow]

STATE = "/var/lib/nfs/nfsd"
OPTIONS = ("-f", "--only", "status", "--state-dir", STATE)
IS_UP = "until rpcinfo -T udp 127.0.0.1 100024 1 > /dev/null; do usleep 50000; done"

FILES = f"""
mount -t tmpfs -o mode=755 tmpfs /var/lib/nfs
mkdir -m 700 {STATE}
"""
REBOOTED = """
cat /proc/sys/kernel/random/uuid > /run/boot
mount --bind /run/boot /proc/sys/kernel/random/boot_id
"""
"""This process of the host believes that the kernel has booted again."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def lan(host: Host, guest_image: Path, tmp_path: Path) -> Iterator[Lan]:
    with Lan(host, guest_image, tmp_path) as lan:
        yield lan


def start_status(*guests: LanGuest) -> None:
    """Start rpcbind and our monitor in guests, as at a boot."""
    started = []
    for guest in guests:
        guest.run(f"{MOUNT_PYTHON} && rpcbind -w && mkdir -p -m 700 {STATE}")
        started.append(guest.begin(in_python(NFSD[-1], *OPTIONS) + " 2>&1"))
    for monitor, guest in zip(started, guests, strict=True):
        monitor.line("registered")
        guest.run(IS_UP)


def test_kernels_lock_with_our_monitor(host: Host, lan: Lan, guest_image: Path) -> None:
    python = python_disk(guest_image)
    server, client = lan.boot("srv", "cli", disks=[python])
    start_status(server, client)
    start_kernel_server(server)
    end_grace(server)
    client.run(f"mount.nfs {server.address}:{FOLDER} /mnt -o vers=3,proto=tcp")
    place, local = place_of(client), place_of(server, FOLDER)
    place.locks("file", "wait:w:0:0", "hold").held()
    server.run("sync")

    server.kill()
    lan.boot("srv", disks=[python])
    start_status(server)
    start_kernel_server(server)

    claimed = ["get w 0 0"]
    until(lambda: local.locks("file", "get:w:0:0").outcomes() == claimed, "it is claimed again")

    client.kill()
    lan.boot("cli", disks=[python])
    waiting = local.locks("file", "set:w:0:0", "wait:w:0:0")
    waiting.step("set EAGAIN")
    start_status(client)

    assert waiting.outcomes() == ["set EAGAIN", "wait ok"]


def start_host_status(host: Host) -> subprocess.Popen[str]:
    """Start our monitor on a host."""
    started = host.popen([*NFSD, *OPTIONS])
    until(lambda: len(host.registered(SM_PROG)) == 4, "the monitor is registered")
    return started


def kill_all(servers: list[subprocess.Popen[str]]) -> None:
    """End servers as a loss of power does."""
    for server in servers:
        server.kill()
        server.wait()
        end(server)


def test_ganesha_locks_with_our_monitor(
    host: Host, lan: Lan, guest_image: Path, tmp_path: Path
) -> None:
    need("ganesha.nfsd")
    host.sh(FILES)
    host.start(portmap())
    servers = [start_host_status(host), start_ganesha(host, tmp_path, grace=True)]
    (client,) = lan.boot("cli")
    client.run(f"{CLIENT} && sm-notify && mount.nfs {SERVER}:/srv/nfs /mnt -o vers=3,proto=tcp")
    place_of(client).locks("file", "wait:w:0:0", "hold").held()

    kill_all(servers)
    host.sh(REBOOTED)
    servers = [start_host_status(host), start_ganesha(host, tmp_path, grace=True)]

    local = local_place(host, guest_image, "/srv/nfs")
    claimed = ["get w 0 0"]
    until(lambda: local.locks("file", "get:w:0:0").outcomes() == claimed, "it is claimed again")
    kill_all(servers)
