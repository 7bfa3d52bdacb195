"""A host on which systemd is process 1, with its own root folder, cgroups and network.

    with Booted() as host:
        host.sh("systemctl start portmap.socket")

What the machine has is there too, to be changed at will; of its services none is started.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Self

import oncrpc
from support.hosts import Host
from support.namespace import line_of, need

BOOT = 60.0
"""Seconds for systemd to finish its start."""

BOOTED = ("running\n", "degraded\n")
"""The machine's own units may fail to start here; they are ignored."""

UNITS = "/etc/systemd/system"
MASKED = " ".join(
    f"{UNITS}/{name}"
    for name in (
        "dev-hugepages.mount",
        "dev-mqueue.mount",
        "kmod-static-nodes.service",
        "proc-sys-fs-binfmt_misc.automount",
        "sys-fs-fuse-connections.mount",
        "sys-kernel-config.mount",
        "sys-kernel-debug.mount",
        "sys-kernel-tracing.mount",
        "systemd-binfmt.service",
        "systemd-firstboot.service",
        "systemd-modules-load.service",
        "systemd-random-seed.service",
        "systemd-remount-fs.service",
        "systemd-sysctl.service",
        "systemd-udev-trigger.service",
        "systemd-udevd-control.socket",
        "systemd-udevd-kernel.socket",
        "systemd-udevd.service",
    )
)
"""What is about the machine, and not about its services."""

BROUGHT = (str(Path(oncrpc.__file__).parents[2]), sys.prefix, sys.base_prefix)
PLACES = " ".join(
    shlex.quote(place) for place in map(os.path.realpath, BROUGHT) if not place.startswith("/usr")
)
"""What the tests bring along: /tmp is the host's own, and other mounts are not there."""

SETUP = f"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work /run/root
cd /run/root
mount -t proc proc proc
mount --rbind /sys sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    : > dev/$name
    mount --bind /dev/$name dev/$name
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for folder in dev/shm tmp; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
for place in {PLACES}; do
    mkdir -p .$place
    mount --bind $place .$place
    mount -o remount,bind,ro .$place
done
mount -t tmpfs -o mode=755 tmpfs run
rm -rf .{UNITS}/*.wants .{UNITS}/*.requires .{UNITS}/rpcbind.* usr/sbin/policy-rc.d
for unit in {MASKED}; do ln -sf /dev/null .$unit; done
printf '[Unit]\\nRequires=sysinit.target sockets.target\\nAfter=sysinit.target\\n' \\
    > .{UNITS}/tests.target
: > etc/fstab
echo 0123456789abcdef0123456789abcdef > etc/machine-id
mkdir old
pivot_root . old
umount -l old
container=tests exec /lib/systemd/systemd --system --unit=tests.target
"""
"""What becomes process 1."""

HOLDER = """
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir /run/groups
mount -t cgroup2 cgroup2 /run/groups || exit
group=/run/groups/oncrpc-tests-$$
mkdir $group || exit
unshare=
over() {
    kill -KILL $unshare
    wait $unshare
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find $group -depth -type d -exec rmdir {} + && exit
        sleep 0.2
    done
}
trap over TERM
sh -c 'echo $$ > $0/cgroup.procs && exec "$@"' $group \
    unshare -C -m -p -f --kill-child=KILL sh -c "$0" < /dev/null > /dev/null &
unshare=$!
init=
while kill -0 $unshare && [ -z "$init" ]; do
    sleep 0.01
    read -r init _ < /proc/$unshare/task/$unshare/children
done
echo $init
wait $unshare
"""
"""Ends that, and removes its control groups."""


class Booted(Host):
    """A host that has been started."""

    kinds = ("-n", "-m", "-u", "-i", "-p", "-C")

    def __enter__(self) -> Self:
        need("unshare", "nsenter", "ip", "pivot_root", "/lib/systemd/systemd", "systemctl")
        command = ["unshare", "-n", "-m", "-u", "-i", "--propagation", "private"]
        self.holder = self.spawn([*command, "sh", "-c", HOLDER, SETUP])
        try:
            self._init = int(line_of(self.holder))
            self._await_boot()
        except (ValueError, AssertionError):
            self.close()
            raise RuntimeError("systemd does not start") from None
        return self

    @property
    def within(self) -> int:
        """systemd."""
        return self._init

    def said(self, script: str) -> str:
        """The output of a shell script, which must succeed."""
        done = self.run(["sh", "-ec", f"exec 2>&1\n{script}"])
        assert done.returncode == 0, done.stdout
        return done.stdout

    def property(self, unit: str, name: str) -> str:
        """A property of a unit according to systemd."""
        return self.said(f"systemctl show --property={name} --value {unit}").strip()

    def _await_boot(self) -> None:
        deadline = time.monotonic() + BOOT
        while self.run(["systemctl", "is-system-running", "--wait"]).stdout not in BOOTED:
            assert time.monotonic() < deadline
            time.sleep(0.05)
