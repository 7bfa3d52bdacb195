"""File systems have names that outlive a restart."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.local import volumes
from oncrpc.nfs.backends.local.volumes import (
    MountPoint,
    mount_of,
    mount_points,
    volume_identity,
)
from support.local_files import TMPFS

SOME = UUID("c523d844-7759-5b52-8d1e-0d7a4cbb0f4a")
LINES = rb"""
22 27 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
63 27 0:44 /a /srv/a\040b\134c rw shared:3 master:1 - fuse.sshfs host:/home/me rw,user_id=0
""".strip()


def test_lines_of_mountinfo_are_read() -> None:
    assert list(mount_points(LINES)) == [
        MountPoint(22, b"/sys", "sysfs", "sysfs"),
        MountPoint(27, b"/", "ext4", "/dev/vda"),
        MountPoint(63, b"/srv/a b\\c", "fuse.sshfs", "host:/home/me"),
    ]


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_mount_point_is_read(name: bytes) -> None:
    escaped = b"".join(
        b"\\%03o" % byte if byte <= 32 or byte == 92 else bytes([byte]) for byte in name
    )
    line = b"63 27 0:44 / /" + escaped + b" rw - tmpfs tmpfs rw"

    assert [mount.point for mount in mount_points(line)] == [b"/" + name]


def test_mount_of_a_directory_is_found(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_PATH)

    mount = mount_of(descriptor)

    assert mount is not None
    assert os.fsencode(tmp_path).startswith(mount.point)
    os.close(descriptor)


def test_directories_of_one_volume_have_one_identity(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()

    assert volume_identity(str(tmp_path)) == volume_identity(str(tmp_path / "below"))


@pytest.mark.skipif(not TMPFS.is_dir(), reason=f"{TMPFS} is missing")
def test_two_volumes_have_two_identities(tmp_path: Path) -> None:
    assert volume_identity(str(tmp_path)) != volume_identity(str(TMPFS))


def test_missing_directory_has_no_identity(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        volume_identity(str(tmp_path / "gone"))


class Volume:
    """What the kernel says about a volume: each way to its name may be missing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.patch, self.path = monkeypatch, str(tmp_path)
        self.has(ioctls={}, fsid=0, kind="ext4", source="/dev/vda")
        monkeypatch.setattr(volumes, "BY_UUID", str(tmp_path / "by-uuid"))

    def has(self, *, ioctls: dict[int, bytes], fsid: int, kind: str, source: str) -> None:
        real = os.statvfs(self.path)

        def ioctl(descriptor: int, number: int, answer: bytearray) -> None:
            if number not in ioctls:
                raise OSError(25, "not a typewriter")
            answer[:] = ioctls[number]

        class Said:
            f_fsid = fsid

        self.patch.setattr(fcntl, "ioctl", ioctl)
        self.patch.setattr(os, "fstatvfs", lambda _: Said if fsid >= 0 else real)
        self.patch.setattr(volumes, "mount_of", lambda _: MountPoint(1, b"/", kind, source))

    @property
    def identity(self) -> str:
        return volume_identity(self.path)


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Volume:
    return Volume(monkeypatch, tmp_path)


NEW = {volumes.FS_IOC_GETFSUUID: b"\x10" + SOME.bytes}
EXT4 = {volumes.EXT4_IOC_GETFSUUID: b"\x10\0\0\0" + b"\0\0\0\0" + SOME.bytes}


@pytest.mark.parametrize(
    ("ioctls", "fsid", "kind", "source", "expected"),
    [
        (NEW, 5, "xfs", "/dev/vda", f"uuid={SOME}"),
        (EXT4, 5, "ext4", "/dev/vda", f"uuid={SOME}"),
        (NEW, 0x1F, "btrfs", "/dev/vda", f"uuid={SOME} part=1f"),
        ({volumes.FS_IOC_GETFSUUID: b"\x08" + SOME.bytes}, 5, "f", "/dev/x", "fsid=f:5"),
        ({}, 0xABC, "zfs", "tank/home", "fsid=zfs:abc"),
        ({}, 0, "fuse.sshfs", "host:/home", "source=fuse.sshfs:host:/home"),
    ],
)
def test_best_name_is_taken(
    volume: Volume, ioctls: dict[int, bytes], fsid: int, kind: str, source: str, expected: str
) -> None:
    volume.has(ioctls=ioctls, fsid=fsid, kind=kind, source=source)

    assert volume.identity == expected


@pytest.mark.parametrize("source", ["tmpfs", "none", "", "/dev/vda"])
def test_device_number_is_the_last_resort(volume: Volume, source: str) -> None:
    volume.has(ioctls={}, fsid=0, kind="tmpfs", source=source)

    device = os.stat(volume.path).st_dev
    assert volume.identity == f"device=tmpfs:{os.major(device)}:{os.minor(device)}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a block device")
def test_uuid_is_found_by_the_devices_link(volume: Volume, tmp_path: Path) -> None:
    links = tmp_path / "by-uuid"
    links.mkdir()
    (links / "broken").symlink_to("nowhere")
    (links / "1234-ABCD").touch()
    os.mknod(tmp_path / "disk", 0o060600, os.stat(tmp_path).st_dev)
    (links / str(SOME)).symlink_to(tmp_path / "disk")

    assert volume.identity == f"uuid={SOME}"
