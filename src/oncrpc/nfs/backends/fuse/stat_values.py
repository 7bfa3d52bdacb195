"""Attributes of NFS from the values that a FUSE object returns, which may be anything."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import Any

from oncrpc.nfs.filesystem import Attributes, SpaceInfo
from oncrpc.nfs.posix import MODE_BITS, refusal
from oncrpc.programs.nfs3 import ftype3

KINDS = {
    stat.S_IFREG: ftype3.NF3REG, stat.S_IFDIR: ftype3.NF3DIR, stat.S_IFLNK: ftype3.NF3LNK,
    stat.S_IFCHR: ftype3.NF3CHR, stat.S_IFBLK: ftype3.NF3BLK, stat.S_IFIFO: ftype3.NF3FIFO,
    stat.S_IFSOCK: ftype3.NF3SOCK,
}  # fmt: skip
TYPE_BITS = {kind: bits for bits, kind in KINDS.items()}
MAX32, MAX63, MAX64 = (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1
SECOND = 1_000_000_000
LAST_TIME = MAX32 * SECOND
UNKNOWN_SPACE = SpaceInfo(*[1 << 50] * 3, *[1 << 32] * 3)
"""The space of an object that does not tell it: programs that check for space must find enough."""


def attributes_of(values: Mapping[str, Any], *, fileid: int, nanoseconds: bool) -> Attributes:
    """The attributes in a dictionary with the names of ``os.stat_result``.

    ``nanoseconds``: times are whole nanoseconds, otherwise seconds. What is missing is 0. The link
    count of a directory is 1, since objects rarely count the directories in it.

    Raises:
        OSError: EIO: the file has no known type.
    """
    mode = _number(values, "st_mode", MAX32)
    kind = KINDS.get(stat.S_IFMT(mode))
    if kind is None:
        raise refusal(errno.EIO)
    size, device = _number(values, "st_size", MAX63), _number(values, "st_rdev", MAX64)
    blocks = _number(values, "st_blocks", MAX63 >> 9)
    mtime = _time(values, "st_mtime", nanoseconds=nanoseconds)
    return Attributes(
        kind, mode & MODE_BITS,
        1 if kind is ftype3.NF3DIR else max(_number(values, "st_nlink", MAX32), 1),
        _number(values, "st_uid", MAX32), _number(values, "st_gid", MAX32),
        size, blocks * 512 if blocks else size, (os.major(device), os.minor(device)), fileid,
        _time(values, "st_atime", nanoseconds=nanoseconds), mtime,
        _time(values, "st_ctime", nanoseconds=nanoseconds) or mtime,
    )  # fmt: skip


def space_of(values: Mapping[str, Any]) -> SpaceInfo:
    """The space in a dictionary with the names of ``os.statvfs_result``; see ``UNKNOWN_SPACE``."""
    unit = _number(values, "f_frsize", MAX32) or _number(values, "f_bsize", MAX32)
    most = MAX63 // max(unit, 1)
    available = _number(values, "f_bavail", most) * unit
    free = max(_number(values, "f_bfree", most) * unit, available)
    available_files = _number(values, "f_favail", MAX63)
    free_files = max(_number(values, "f_ffree", MAX63), available_files)
    total = max(_number(values, "f_blocks", most) * unit, free)
    total_files = max(_number(values, "f_files", MAX63), free_files)
    return SpaceInfo(
        *((total, free, available) if total else UNKNOWN_SPACE[:3]),
        *((total_files, free_files, available_files) if total_files else UNKNOWN_SPACE[3:]),
    )


def checked_target(target: bytes) -> bytes:
    """The text of a symbolic link, if a client may see it; otherwise EIO."""
    if not 0 < len(target) < 4096 or b"\0" in target:
        raise refusal(errno.EIO)
    return target


def is_entry(name: bytes, name_max: int) -> bool:
    """Whether a directory may have an entry with that name, besides ``.`` and ``..``."""
    return (
        0 < len(name) <= name_max
        and name not in (b".", b"..")
        and b"/" not in name
        and b"\0" not in name
    )


def _number(values: Mapping[str, Any], name: str, most: int) -> int:
    return min(max(int(values.get(name) or 0), 0), most)


def _time(values: Mapping[str, Any], name: str, *, nanoseconds: bool) -> int:
    value = values.get(name) or 0
    return min(max(int(value if nanoseconds else value * SECOND), 0), LAST_TIME)
