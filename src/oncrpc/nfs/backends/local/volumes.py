"""File systems of this host: the mounts, and a name for each that survives a restart.

Device numbers change from boot to boot. So the name of a file system is the first of these that it
has:

1. its UUID, asked of the kernel, or found in /dev/disk/by-uuid;
2. the number that statfs(2) reports, ``f_fsid``;
3. what was mounted: a server and its path, or an image;
4. the device number. Such a file system, say tmpfs of an old kernel, loses its files at a restart
   of the host anyway.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

MOUNTINFO = "/proc/self/mountinfo"
BY_UUID = "/dev/disk/by-uuid"

FS_IOC_GETFSUUID = 0x80111500
EXT4_IOC_GETFSUUID = 0x8008662C
_UUID = struct.Struct("=B16s")
_EXT4_UUID = struct.Struct("=II16s")
_UUID_SIZE = 16

SHARED_UUID = {"btrfs"}
"""Kinds of file systems of which parts, with inode numbers of their own, have one UUID."""

OF_PROGRAMS = {"fuse", "fuseblk", "virtiofs"}
"""Kinds of file systems that give handles, and forget them when memory is short."""

_WITHOUT_SOURCE = {"", "none"}


class MountPoint(NamedTuple):
    """A line of mountinfo (proc(5)): ``point`` is where, ``source`` what is mounted."""

    number: int
    point: bytes
    kind: str
    source: str


def mount_points(text: bytes) -> Iterator[MountPoint]:
    """The mounts in a text like that of ``MOUNTINFO``."""
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        number, _, _, _, point = before.split(b" ")[:5]
        kind, source = (_unescaped(word) for word in after.split(b" ")[:2])
        yield MountPoint(int(number), _unescaped(point), os.fsdecode(kind), os.fsdecode(source))


def mount_of(descriptor: int) -> MountPoint | None:
    """The mount on which the descriptor's file is; None if it is not in this namespace."""
    info = Path(f"/proc/self/fdinfo/{descriptor}").read_bytes()
    found = re.search(rb"^mnt_id:\s*(\d+)$", info, re.MULTILINE)
    number = int(found[1]) if found else -1
    mounts = mount_points(Path(MOUNTINFO).read_bytes())
    return next((mount for mount in mounts if mount.number == number), None)


def may_hang(descriptor: int) -> bool:
    """Whether the file is of a program that may never answer: not to be asked for attributes."""
    mount = mount_of(descriptor)
    return mount is not None and is_of_program(mount)


def is_of_program(mount: MountPoint) -> bool:
    """Whether files of this mount come from a program. It may forget them, and may not answer."""
    return mount.kind in OF_PROGRAMS or mount.kind.startswith("fuse.")


def volume_identity(path: str | bytes) -> str:
    """The name of the file system on which a directory is, the same after a restart.

    Raises:
        OSError: the directory cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _identity(descriptor)
    finally:
        os.close(descriptor)


def _identity(descriptor: int) -> str:
    mount, number = mount_of(descriptor), os.fstatvfs(descriptor).f_fsid
    kind, source = (mount.kind, mount.source) if mount else ("", "")
    if uuid := _uuid(descriptor):
        return f"uuid={uuid} part={number:x}" if kind in SHARED_UUID else f"uuid={uuid}"
    if number:
        return f"fsid={kind}:{number:x}"
    device = os.fstat(descriptor).st_dev
    if source not in {kind, *_WITHOUT_SOURCE} and not source.startswith("/dev/"):
        return f"source={kind}:{source}"
    return f"device={kind}:{os.major(device)}:{os.minor(device)}"


def _uuid(descriptor: int) -> UUID | None:
    """The UUID of the file system, by the first way that knows it."""
    return _by_ioctl(descriptor) or _by_ext4_ioctl(descriptor) or _by_link(descriptor)


def _by_ioctl(descriptor: int) -> UUID | None:
    """Linux 6.9."""
    answer = bytearray(_UUID.size)
    try:
        fcntl.ioctl(descriptor, FS_IOC_GETFSUUID, answer)
    except OSError:
        return None
    size, value = _UUID.unpack(answer)
    return UUID(bytes=value) if size == _UUID_SIZE else None


def _by_ext4_ioctl(descriptor: int) -> UUID | None:
    """Linux 6.0."""
    answer = bytearray(_EXT4_UUID.pack(_UUID_SIZE, 0, b""))
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_GETFSUUID, answer)
    except OSError:
        return None
    return UUID(bytes=_EXT4_UUID.unpack(answer)[2])


def _by_link(descriptor: int) -> UUID | None:
    """The link of udev to the device."""
    device = os.fstat(descriptor).st_dev
    try:
        links = list(os.scandir(BY_UUID))
    except OSError:
        return None
    for link in links:
        try:
            found = link.stat()
            if stat.S_ISBLK(found.st_mode) and found.st_rdev == device:
                return UUID(link.name)
        except (OSError, ValueError):  # a broken link; a short serial number, as VFAT has it
            continue
    return None


def _unescaped(word: bytes) -> bytes:
    """Blanks, newlines and backslashes are written in octal."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), word)
