"""Attributes of version 2: from ``fattr``, and to ``sattr``."""

from __future__ import annotations

import stat as modes

from oncrpc.nfs.client.results import FileStat
from oncrpc.nfs.filesystem import NewAttributes, Now
from oncrpc.programs.nfs2 import fattr, ftype, sattr, timeval

UNSET = 0xFFFFFFFF
"""The value of a field of ``sattr`` that does not change (RFC 1094 §2.3.6)."""

BLOCK = 512
MODE = 0o7777
MICROSECOND = 1000
SECOND = 1_000_000
SERVER_TIME = timeval(0, SECOND)
"""Sets the time of the server, by a convention of Sun."""

FIFO_DEVICE = 0xFFFFFFFF
"""The number of a character device that stands for a named pipe, by a convention of Sun."""

TYPES = {
    ftype.NFREG: modes.S_IFREG,
    ftype.NFDIR: modes.S_IFDIR,
    ftype.NFBLK: modes.S_IFBLK,
    ftype.NFCHR: modes.S_IFCHR,
    ftype.NFLNK: modes.S_IFLNK,
    ftype.NFSOCK: modes.S_IFSOCK,
    ftype.NFFIFO: modes.S_IFIFO,
}


def stat_of_fattr(attributes: fattr) -> FileStat:
    """Convert the attributes that a server has sent."""
    return FileStat(
        _type(attributes) | attributes.mode & MODE,
        attributes.nlink,
        attributes.uid,
        attributes.gid,
        attributes.size,
        attributes.blocks * BLOCK,
        (attributes.rdev >> 8, attributes.rdev & 0xFF),
        attributes.fsid,
        attributes.fileid,
        _nanoseconds(attributes.atime),
        _nanoseconds(attributes.mtime),
        _nanoseconds(attributes.ctime),
    )


def sattr_of(new: NewAttributes) -> sattr:
    """Convert the attributes to set."""
    numbers = (new.mode, new.uid, new.gid, new.size)
    mode, uid, gid, size = (UNSET if number is None else number for number in numbers)
    return sattr(mode, uid, gid, size, _time(new.atime), _time(new.mtime))


def _type(attributes: fattr) -> int:
    if attributes.type is ftype.NFCHR and attributes.rdev == FIFO_DEVICE:
        return modes.S_IFIFO
    return TYPES.get(attributes.type, modes.S_IFMT(attributes.mode))


def _time(time: int | Now | None) -> timeval:
    if time is None:
        return timeval(UNSET, UNSET)
    if isinstance(time, Now):
        return SERVER_TIME
    return timeval(*divmod(time // MICROSECOND, SECOND))


def _nanoseconds(time: timeval) -> int:
    return (time.seconds * SECOND + time.useconds) * MICROSECOND
