"""Access control lists in a guest: the kernel's NFS client with ``getfacl`` and ``setfacl``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.lan_guests import Lan, LanGuest
from support.namespace import need
from support.nfs_host import NfsHost

pytestmark = [pytest.mark.interop, pytest.mark.slow]

FOLDER = "/srv/ext4"
EXPORTS = (
    f"{FOLDER} *(rw,no_root_squash,insecure)\n/srv/tmpfs *(rw,no_root_squash,insecure,no_acl)\n"
)
MOUNT = "mount.nfs server:{folder} {place} -o vers=3,nolock,noac{options}"
USERS = "ann:x:1000:1000::/:/bin/sh\\nbob:x:2000:2000::/:/bin/sh\\n"
GETFACL = "getfacl --absolute-names --omit-header --numeric --no-effective"


class AclGuest:
    """A guest that has mounted the export with lists on ``/mnt``, and that without on ``/tmp``."""

    def __init__(self, host: NfsHost, guest: LanGuest) -> None:
        self._host, self._guest = host, guest
        self.sh(f"printf '{USERS}' >> /etc/passwd")
        self.sh(MOUNT.format(folder=FOLDER, place="/mnt", options=""))
        self.sh(MOUNT.format(folder="/srv/tmpfs", place="/tmp", options=""))

    def sh(self, text: str) -> str:
        """Run a command in the guest."""
        return self._guest.run(text)

    def refused(self, text: str) -> str:
        """What a command in the guest says that fails."""
        printed = self._guest.begin(text)
        assert printed.status() != 0, printed.text
        return printed.text

    def lists(self, name: str) -> list[str]:
        """The lists of a file, which are the same in the guest and on the server."""
        seen = self.sh(f"{GETFACL} /mnt/{name}").split()
        done = self._host.run([*GETFACL.split(), f"{FOLDER}/{name}"])
        assert done.returncode == 0, done.stderr
        found = [line for line in seen if ":" in line]
        assert found == done.stdout.split()
        return found

    def mode(self, name: str) -> int:
        """The mode of a file on the server."""
        return Path(self._host.path(f"{FOLDER}/{name}")).stat().st_mode & 0o7777


@pytest.fixture(scope="module")
def booted(
    guest_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[NfsHost, LanGuest]]:
    need("getfacl", "setfacl")
    folder = tmp_path_factory.mktemp("acl")
    with NfsHost(EXPORTS) as host, Lan(host, guest_image, folder) as lan:
        yield host, lan.boot("one")[0]


@pytest.fixture(scope="module")
def guest(booted: tuple[NfsHost, LanGuest]) -> AclGuest:
    return AclGuest(*booted)


def test_list_is_the_same_on_both_sides(guest: AclGuest) -> None:
    guest.sh("echo hello > /mnt/both && setfacl -m u:1000:rw,g:7:rx,m::rwx,o::- /mnt/both")

    assert guest.lists("both") == [
        "user::rw-", "user:1000:rw-", "group::r--", "group:7:r-x", "mask::rwx", "other::---",
    ]  # fmt: skip


def test_user_of_the_list_is_let_in(guest: AclGuest) -> None:
    guest.sh("echo hello > /mnt/let && chmod 600 /mnt/let && setfacl -m u:1000:r /mnt/let")

    assert "hello" in guest.sh("su ann -c 'cat /mnt/let'")
    assert "Permission denied" in guest.refused("su bob -c 'cat /mnt/let'")
    assert "Permission denied" in guest.refused("su ann -c 'echo x > /mnt/let'")


def test_only_the_owner_sets_lists(guest: AclGuest) -> None:
    guest.sh("touch /mnt/mine && chown 1000 /mnt/mine && chmod 640 /mnt/mine")

    guest.sh("su ann -c 'setfacl -m u:2000:r /mnt/mine'")

    assert "Operation not permitted" in guest.refused("su bob -c 'setfacl -b /mnt/mine'")
    assert "user:2000:r--" in guest.lists("mine")


def test_chmod_changes_the_mask(guest: AclGuest) -> None:
    guest.sh("touch /mnt/mask && setfacl -m u:1000:rwx /mnt/mask && chmod 640 /mnt/mask")

    found = guest.lists("mask")

    assert [found[1], found[3]] == ["user:1000:rwx", "mask::r--"]


def test_removed_list_is_gone_on_both_sides(guest: AclGuest) -> None:
    guest.sh("touch /mnt/gone && setfacl -m u:1000:rwx /mnt/gone && setfacl -b /mnt/gone")

    assert len(guest.lists("gone")) == 3


def test_default_list_outweighs_the_umask(guest: AclGuest) -> None:
    guest.sh("mkdir /mnt/folder && setfacl -d -m u:1000:rwx,g::r,o::- /mnt/folder")

    guest.sh("umask 077 && touch /mnt/folder/file /mnt/plain && mkdir /mnt/folder/sub")

    assert guest.lists("folder/file") == [
        "user::rw-", "user:1000:rwx", "group::r--", "mask::rw-", "other::---",
    ]  # fmt: skip
    assert guest.mode("folder/file") == 0o660
    assert guest.mode("plain") == 0o600
    assert guest.lists("folder/sub")[5:] == [
        "default:user::rwx", "default:user:1000:rwx", "default:group::r--", "default:mask::rwx",
        "default:other::---",
    ]  # fmt: skip


def test_umask_holds_for_a_client_without_lists(guest: AclGuest) -> None:
    guest.sh("mkdir /mnt/plainly && setfacl -d -m u:1000:rwx /mnt/plainly && mkdir -p /run/noacl")
    guest.sh(MOUNT.format(folder=FOLDER, place="/run/noacl", options=",noacl"))

    guest.sh("umask 027 && touch /run/noacl/plainly/file")

    assert guest.lists("plainly/file") == [
        "user::rw-", "user:1000:rwx", "group::r-x", "mask::r--", "other::---",
    ]  # fmt: skip


def test_export_without_lists_has_modes(guest: AclGuest) -> None:
    guest.sh("umask 022 && echo hello > /tmp/file")

    assert guest.sh(f"{GETFACL} /tmp/file").split()[:3] == ["user::rw-", "group::r--", "other::r--"]
    assert "Operation not supported" in guest.refused("setfacl -m u:1000:rwx /tmp/file")


def test_many_entries_go_round(guest: AclGuest) -> None:
    entries = ",".join(f"u:{number}:r" for number in range(1000, 1400))

    guest.sh(f"touch /mnt/many && setfacl -m {entries} /mnt/many")

    assert len(guest.lists("many")) == 404
