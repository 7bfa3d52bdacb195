"""Attributes of version 3: from ``fattr3``, and to ``sattr3``."""

from __future__ import annotations

from oncrpc.nfs.client.results import SECOND, TYPE_BITS, FileStat
from oncrpc.nfs.filesystem import NewAttributes, Now
from oncrpc.programs.nfs3 import (
    fattr3,
    nfstime3,
    post_op_attr,
    sattr3,
    set_atime,
    set_gid3,
    set_mode3,
    set_mtime,
    set_size3,
    set_uid3,
    time_how,
)

MODE = 0o7777


def stat_of(attributes: fattr3) -> FileStat:
    """Convert the attributes that a server has sent."""
    return FileStat(
        TYPE_BITS[attributes.type] | attributes.mode & MODE,
        attributes.nlink,
        attributes.uid,
        attributes.gid,
        attributes.size,
        attributes.used,
        (attributes.rdev.specdata1, attributes.rdev.specdata2),
        attributes.fsid,
        attributes.fileid,
        _nanoseconds(attributes.atime),
        _nanoseconds(attributes.mtime),
        _nanoseconds(attributes.ctime),
    )


def optional_stat(attributes: post_op_attr) -> FileStat | None:
    """Convert the attributes after an operation, if the server has sent them."""
    return None if attributes.body is None else stat_of(attributes.body)


def sattr3_of(new: NewAttributes) -> sattr3:
    """Convert the attributes to set."""
    return sattr3(
        set_mode3(new.mode is not None, new.mode),
        set_uid3(new.uid is not None, new.uid),
        set_gid3(new.gid is not None, new.gid),
        set_size3(new.size is not None, new.size),
        set_atime(*_time(new.atime)),
        set_mtime(*_time(new.mtime)),
    )


def _time(time: int | Now | None) -> tuple[time_how, nfstime3 | None]:
    if time is None:
        return time_how.DONT_CHANGE, None
    if isinstance(time, Now):
        return time_how.SET_TO_SERVER_TIME, None
    return time_how.SET_TO_CLIENT_TIME, nfstime3(*divmod(time, SECOND))


def _nanoseconds(time: nfstime3) -> int:
    return time.seconds * SECOND + time.nseconds
