"""``setfacl`` and ``getfacl`` of a Linux guest, against those of the server's host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.guest import Guest
from support.namespace import need
from support.nfs_host import NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

EXPORTS = """
/srv/tmpfs  *(rw,no_root_squash,insecure,fsid=7)
/srv/ext4   *(rw,no_root_squash,insecure)
"""
SCRIPT = """
mount.nfs server:{path} /mnt -o vers=3,proto=tcp,nolock,noac || exit 1
cd /mnt || exit 2
echo begin before
find by-host | sort | getfacl -nE -
echo end before
mkdir by-guest && cd by-guest || exit 3
touch file minimal removed && mkdir folder || exit 4
setfacl -m u:1000:rw,u:1001:-,g:100:r,m::r file || exit 5
setfacl -m u::rwx,g::-,o::x minimal || exit 6
setfacl -d -m u:1002:rwx,g:2000:rx,o::- folder || exit 7
touch folder/inherits && mkdir folder/below || exit 8
setfacl -m u:1000:r removed && setfacl -b removed || exit 9
for user in $(seq 3000 3099); do echo "u:$user:r"; done | setfacl -M - folder/below || exit 10
cd ..
echo begin acls
find by-guest | sort | getfacl -nE -
echo end acls
setfacl -x u:4000 by-host/file || exit 11
setfacl -k by-host || exit 12
cd / && umount /mnt
"""
BY_HOST = """
mkdir by-host by-host/below
touch by-host/file
setfacl -m u:4000:rwx,g:4001:rx,m::rx by-host/file
setfacl -d -m u:4000:rwx by-host
mkdir by-host/inherits
"""


@pytest.fixture(scope="module")
def host() -> Iterator[NfsHost]:
    need("getfacl", "setfacl")
    with NfsHost(EXPORTS) as host:
        yield host


def listed(host: NfsHost, folder: str, name: str) -> list[str]:
    """The access control lists below a folder, as the host itself sees them."""
    done = host.run(["sh", "-c", f"cd {folder} && find {name} | sort | getfacl -nE -"])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("folder", ["/srv/tmpfs", "/srv/ext4"])
def test_guest_and_host_see_the_same_lists(host: NfsHost, guest_image: Path, folder: str) -> None:
    host.sh(f"cd {folder}\n{BY_HOST}")
    before = listed(host, folder, "by-host")

    done = Guest(guest_image).run(host, SCRIPT.format(path=folder))

    assert done.status == 0, done.text
    assert done.part("before") == before
    found = listed(host, folder, "by-guest")
    assert done.part("acls") == found
    assert {"user:1000:rw-", "default:user:1002:rwx", "user:3099:r--"} <= set(found)
    assert "user:4000:rwx" not in listed(host, folder, "by-host/file")
    assert "default:user:4000:rwx" in listed(host, folder, "by-host/inherits")
    all_of_host = listed(host, folder, "by-host")
    assert not any(line.startswith("default") for line in all_of_host[: all_of_host.index("")])
