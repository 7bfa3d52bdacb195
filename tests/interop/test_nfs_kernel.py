"""Linux's own NFS client mounts ``nfsd``'s exports, and sees what a local process sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.guest import Guest
from support.guest_image import compile_program
from support.nfs_host import NfsHost

pytestmark = pytest.mark.interop

EXPORTS = """
/srv/tmpfs  *(rw,no_root_squash,insecure,no_subtree_check,fsid=7)
/srv/ext4   *(rw,no_root_squash,insecure,no_subtree_check)
"""
USERS = "one:x:1000:100::/:/bin/sh\nmany:x:5001:100::/:/bin/sh\n"
GROUPS = "shared:x:2000:one\n" + "".join(f"many{gid}:x:{gid}:many\n" for gid in range(6000, 6040))
"""The users of posix.c and their groups, which the server has to know."""

SOME = "create links renames times sizes maps permissions"
"""Sections for mounts that differ only in how they are made."""

MOUNTS = {
    "mount.nfs tcp": "mount.nfs server:{path} /mnt -o vers=3,proto=tcp,nolock",
    "mount.nfs tcp6": "mount.nfs server6:{path} /mnt -o vers=3,proto=tcp6,nolock",
    "without port mapper": (
        "mount.nfs server:{path} /mnt"
        " -o vers=3,proto=tcp,port=2049,mountport=2049,mountproto=tcp,nolock"
    ),
    "busybox tcp": (
        "busybox mount -i -t nfs -o vers=3,proto=tcp,mountproto=tcp,nolock,addr=10.0.2.2"
        " server:{path} /mnt"
    ),
    "busybox tcp6": (
        "busybox mount -i -t nfs -o vers=3,proto=tcp6,mountproto=tcp6,nolock,addr=fec0::2"
        " [fec0::2]:{path} /mnt"
    ),
}
SCRIPT = """
{mount} || exit 1
mkdir /mnt/{folder} || exit 2
echo begin posix
posix /mnt/{folder} {sections}
echo end posix
umount /mnt
"""


@pytest.fixture(scope="module")
def guest(guest_image: Path) -> Guest:
    return Guest(guest_image)


@pytest.fixture(scope="module")
def host() -> Iterator[NfsHost]:
    with NfsHost(EXPORTS, config="[identity]\nmanage-gids = true\n") as host:
        know_users(host)
        yield host


def know_users(host: NfsHost) -> None:
    """Make the users known on the host, whose ``/etc`` stays as it is."""
    for name, text in (("passwd", USERS), ("group", GROUPS)):
        kept = Path(host.path(f"/srv/{name}"))
        kept.write_text(text + Path(f"/etc/{name}").read_text())
        host.sh(f"mount --bind /srv/{name} /etc/{name}")


def local_run(host: NfsHost, file_system: str, sections: str, folder: Path) -> list[str]:
    """What the programme prints on the exported file system itself."""
    program = folder / "posix"
    compile_program("posix", program)
    place = f"/srv/{file_system}/local"
    host.sh(f"rm -rf {place} && mkdir {place}")
    return host.run([str(program), place, *sections.split()]).stdout.splitlines()


@pytest.mark.parametrize(
    ("file_system", "mount", "sections"),
    [
        ("tmpfs", "mount.nfs tcp", ""),
        ("ext4", "mount.nfs tcp6", ""),
        ("ext4", "busybox tcp", SOME),
        ("tmpfs", "busybox tcp6", SOME),
        ("tmpfs", "without port mapper", SOME),
    ],
)
def test_kernel_client_sees_what_local_processes_see(
    host: NfsHost, guest: Guest, tmp_path: Path, file_system: str, mount: str, sections: str
) -> None:
    folder = f"by-{mount}".replace(" ", "-")
    command = MOUNTS[mount].format(path=f"/srv/{file_system}")

    script = SCRIPT.format(mount=command, folder=folder, sections=sections)
    seen = guest.run(host, script)

    assert seen.status == 0, seen.text[-2000:]
    assert seen.part("posix") == local_run(host, file_system, sections, tmp_path)
