"""A guest whose kernel serves files and locks."""

from __future__ import annotations

from support.lan_guests import LanGuest

FOLDER = "/var/lib/nfs/export"
GRACE, LOCK_GRACE = 10, 3
"""Seconds; less is not possible."""

COMMANDS = f"""
mkdir -p {FOLDER} /var/lib/nfs/v4recovery
chmod 777 {FOLDER}
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t nfsd nfsd /proc/fs/nfsd
echo '{FOLDER} *(rw,no_root_squash,no_subtree_check,fsid=1,insecure)' > /etc/exports
exportfs -ra
echo {GRACE} > /proc/fs/nfsd/nfsv4leasetime
echo {GRACE} > /proc/fs/nfsd/nfsv4gracetime
echo {LOCK_GRACE} > /proc/sys/fs/nfs/nlm_timeout
echo {LOCK_GRACE} > /proc/sys/fs/nfs/nlm_grace_period
rpc.nfsd -N 4 2
rpc.mountd -N 4
"""


def start_kernel_server(guest: LanGuest) -> None:
    """Start it; the guest has a port mapper and a status monitor.

    The folder is on the guest's disk, so that it is the same when the guest boots again.
    """
    guest.run(" && ".join(COMMANDS.strip().split("\n")))


def end_grace(guest: LanGuest) -> None:
    """End the time in which locks from before are claimed."""
    guest.run("echo Y > /proc/fs/nfsd/v4_end_grace")
