"""The table of the kernel, and which mounts in it are those of ``nfs mount``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oncrpc.nfs.fusemount.mount_table import absolute, mount_at, mounts

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 0:43 / /mnt/a\040b rw,nosuid,nodev shared:9 master:2 - fuse.nfs host:/a\134b rw,user_id=0
37 22 0:44 / /mnt/ssh rw - fuse.sshfs host: rw
38 22 0:45 / /mnt/c rw - fuse.nfs old:/ rw
39 22 0:46 / /mnt/c rw - fuse.nfs new:/ rw
broken - fuse.nfs
""".lstrip()


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return str(path)


def test_mounts_by_fuse_of_nfs_are_found(table: str) -> None:
    assert [(each.directory, each.source) for each in mounts(table)] == [
        ("/mnt/a b", "host:/a\\b"),
        ("/mnt/c", "old:/"),
        ("/mnt/c", "new:/"),
    ]


def test_newest_mount_of_a_directory_counts(table: str) -> None:
    newest = mount_at("/mnt/c", table)

    assert newest is not None
    assert newest.source == "new:/"
    assert mount_at("/mnt/ssh", table) is None


def test_link_to_the_directory_above_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert absolute(f"{tmp_path}/link/a") == f"{os.path.realpath(tmp_path)}/real/a"
    assert absolute(f"{tmp_path}/link/a/") == f"{os.path.realpath(tmp_path)}/real/a"
