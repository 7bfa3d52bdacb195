"""Linux's own NFS client mounts ``nfsd``'s exports, and sees what a local process sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.guest_image import compile_program
from support.lan_guests import SERVER, SERVER6, Lan, LanGuest
from support.nfs_host import NfsHost
from support.posix_programme import command, run_locally

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
        f"busybox mount -i -t nfs -o vers=3,proto=tcp,mountproto=tcp,nolock,addr={SERVER}"
        " server:{path} /mnt"
    ),
    "busybox tcp6": (
        f"busybox mount -i -t nfs -o vers=3,proto=tcp6,mountproto=tcp6,nolock,addr={SERVER6}"
        f" [{SERVER6}]:{{path}} /mnt"
    ),
}
MANY = {"tmpfs": 5000, "ext4": 1000}
"""Files of the section ``many``: on ext4 that is a directory of several blocks, sorted by hash."""

TIME = 240.0
"""Seconds for the whole programme."""


@pytest.fixture(scope="module")
def booted(
    guest_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[NfsHost, LanGuest]]:
    """One host and one guest, which mounts in every way."""
    folder = tmp_path_factory.mktemp("kernel")
    with (
        NfsHost(EXPORTS, config="[identity]\nmanage-gids = true\n") as host,
        Lan(host, guest_image, folder) as lan,
    ):
        know_users(host)
        yield host, lan.boot("one")[0]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programme, for the host."""
    compiled = tmp_path_factory.mktemp("programme") / "posix"
    compile_program("posix", compiled)
    return compiled


def know_users(host: NfsHost) -> None:
    """Make the users known on the host, whose ``/etc`` stays as it is."""
    for name, text in (("passwd", USERS), ("group", GROUPS)):
        kept = Path(host.path(f"/srv/{name}"))
        kept.write_text(text + Path(f"/etc/{name}").read_text())
        host.sh(f"mount --bind /srv/{name} /etc/{name}")


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
    booted: tuple[NfsHost, LanGuest], program: Path, file_system: str, mount: str, sections: str
) -> None:
    host, guest = booted
    place = f"/srv/{file_system}"

    guest.run(MOUNTS[mount].format(path=place))
    guest.run("mkdir /mnt/mounted")
    many = MANY[file_system]
    seen = guest.lines(" ".join(command("/mnt/mounted", sections.split(), many=many)), timeout=TIME)
    guest.run("umount /mnt")

    expected = run_locally(host, program, f"{place}/local", sections.split(), many=many)
    assert seen == [line.rstrip() for line in expected]  # spaces at the end are lost
    host.sh(f"rm -r {place}/mounted {place}/local")
