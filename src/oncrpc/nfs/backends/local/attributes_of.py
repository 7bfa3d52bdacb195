"""From ``stat`` to the attributes that NFS shows."""

from __future__ import annotations

import os
import stat

from oncrpc.nfs.filesystem import Attributes
from oncrpc.programs.nfs3 import ftype3

KINDS = {
    stat.S_IFREG: ftype3.NF3REG,
    stat.S_IFDIR: ftype3.NF3DIR,
    stat.S_IFBLK: ftype3.NF3BLK,
    stat.S_IFCHR: ftype3.NF3CHR,
    stat.S_IFLNK: ftype3.NF3LNK,
    stat.S_IFSOCK: ftype3.NF3SOCK,
    stat.S_IFIFO: ftype3.NF3FIFO,
}
ST_BLOCK = 512
"""The unit of ``st_blocks``."""


def attributes_of(found: os.stat_result, *, fsid: int) -> Attributes:
    """The attributes of a file."""
    mode = found.st_mode
    device = found.st_rdev
    return Attributes(
        KINDS[stat.S_IFMT(mode)],
        stat.S_IMODE(mode),
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_blocks * ST_BLOCK,
        (os.major(device), os.minor(device)),
        found.st_ino,
        found.st_atime_ns,
        found.st_mtime_ns,
        found.st_ctime_ns,
        fsid,
    )
