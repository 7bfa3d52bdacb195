"""A kernel client copies a source tree while the server is killed, and notices nothing."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

import oncrpc
from support.guest import TIME, Finished, Guest, finished
from support.nfs_host import NfsHost

pytestmark = pytest.mark.interop

EXPORTS = "/srv/ext4  *(rw,no_root_squash,insecure)\n"
BETWEEN_KILLS = 2.0
"""Seconds."""

MOST_KILLS = 5

SCRIPT = """
mount.nfs server:/srv/ext4 /mnt -o vers=3,proto=tcp,nolock || exit 1
cd /mnt
mkdir copied unpacked || exit 2
echo begin work
cp -r source copied || exit 3
tar cf - source | tar xf - -C unpacked || exit 4
mv copied/source copied/renamed || exit 5
ln -s renamed copied/link || exit 6
rm -r copied/renamed/server || exit 7
echo end work
cd /
umount /mnt || exit 8
"""


def run_while_killing(guest: subprocess.Popen[str], host: NfsHost) -> tuple[Finished, int]:
    """The end of the guest's script, and how often the server was killed before."""
    ended, kills = threading.Event(), 0

    def wait() -> None:
        guest.wait(TIME)
        ended.set()

    watcher = threading.Thread(target=wait)
    watcher.start()
    while kills < MOST_KILLS and not ended.wait(BETWEEN_KILLS):
        host.kill_nfsd()
        host.nfsd = host.start_nfsd()
        kills += 1
    watcher.join()
    return finished(guest), kills


def test_copy_goes_on_while_server_is_killed(guest_image: Path) -> None:
    source = Path(oncrpc.__file__).resolve().parent / "nfs"
    guest = Guest(guest_image)
    with NfsHost(EXPORTS) as host:
        host.sh(f"mkdir /srv/ext4/source && cp -r {source}/. /srv/ext4/source")
        host.sh("find /srv/ext4/source -name __pycache__ -prune -exec rm -r {} +")

        done, kills = run_while_killing(guest.start(host, SCRIPT), host)

        assert done.status == 0, done.text[-2000:]
        assert done.part("work") == []
        assert kills >= 2
        host.sh("diff -r /srv/ext4/source /srv/ext4/unpacked/source")
        host.sh("rm -r /srv/ext4/source/server")
        host.sh("diff -r /srv/ext4/source /srv/ext4/copied/renamed")
        host.sh("test $(readlink /srv/ext4/copied/link) = renamed")
