"""Attributes on the wire: ``fattr3``, ``sattr3`` and ``wcc_data`` (RFC 1813 §2.5 and §2.6).

Numbers that a field has no room for are cut: times to the years 1970 to 2106, others to their lower
bits. A reply never fails because of a file's attributes.
"""

from __future__ import annotations

from oncrpc.nfs.filesystem import NOW, Attributes, Identity, NewAttributes, Now
from oncrpc.nfs.options import NO_ID
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    fattr3,
    nfsstat3,
    nfstime3,
    post_op_attr,
    pre_op_attr,
    sattr3,
    set_atime,
    set_mtime,
    specdata3,
    time_how,
    wcc_attr,
    wcc_data,
)

SECOND = 1_000_000_000
MAX32, MAX64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
MODE = 0o7777
"""The bits of ``mode3`` that the RFC defines."""

NO_ATTRIBUTES = post_op_attr(False, None)
NO_PRE_ATTRIBUTES = pre_op_attr(False, None)
_FIRST, _LAST = nfstime3(0, 0), nfstime3(MAX32, SECOND - 1)


def nfstime3_of(nanoseconds: int) -> nfstime3:
    """A time in 32 bits of seconds: 1970, or 2106, for one that has no room."""
    seconds, rest = divmod(nanoseconds, SECOND)
    if 0 <= seconds <= MAX32:
        return nfstime3(seconds, rest)
    return _FIRST if seconds < 0 else _LAST


def nanoseconds_of(time: nfstime3) -> int:
    """The same in nanoseconds.

    Raises:
        NfsError: NFS3ERR_INVAL: the nanoseconds are a second or more.
    """
    if time.nseconds >= SECOND:
        raise NfsError(nfsstat3.NFS3ERR_INVAL)
    return time.seconds * SECOND + time.nseconds


def fsid_of(attributes: Attributes, fsid: int) -> int:
    """The ``fsid`` of a file: that of the export, or that of a file system below it."""
    return (attributes.fsid or fsid) & MAX64


def fattr3_of(attributes: Attributes, fsid: int) -> fattr3:
    """The attributes of a file of the export with this ``fsid``."""
    major, minor = attributes.device
    return fattr3(
        attributes.kind,
        attributes.mode & MODE,
        attributes.nlink & MAX32,
        attributes.uid & MAX32,
        attributes.gid & MAX32,
        attributes.size & MAX64,
        attributes.used & MAX64,
        specdata3(major & MAX32, minor & MAX32),
        fsid_of(attributes, fsid),
        attributes.fileid & MAX64,
        nfstime3_of(attributes.atime),
        nfstime3_of(attributes.mtime),
        nfstime3_of(attributes.ctime),
    )


def post_op_attr_of(attributes: Attributes | None, fsid: int) -> post_op_attr:
    """The attributes after an operation, if there are any."""
    if attributes is None:
        return NO_ATTRIBUTES
    return post_op_attr(True, fattr3_of(attributes, fsid))


def pre_op_attr_of(attributes: Attributes | None) -> pre_op_attr:
    """The attributes before an operation, if there are any."""
    if attributes is None:
        return NO_PRE_ATTRIBUTES
    times = nfstime3_of(attributes.mtime), nfstime3_of(attributes.ctime)
    return pre_op_attr(True, wcc_attr(attributes.size & MAX64, *times))


def wcc_data_of(before: Attributes | None, after: Attributes | None, fsid: int) -> wcc_data:
    """Both, as weak cache consistency data."""
    return wcc_data(pre_op_attr_of(before), post_op_attr_of(after, fsid))


def new_attributes(new: sattr3) -> NewAttributes:
    """The attributes that SETATTR sets.

    Raises:
        NfsError: NFS3ERR_INVAL: user or group -1, which to system calls means "leave it alone"; or
            a time with a second or more of nanoseconds.
    """
    if NO_ID in (new.uid.body, new.gid.body):
        raise NfsError(nfsstat3.NFS3ERR_INVAL)
    mode = None if new.mode.body is None else new.mode.body & MODE
    atime, mtime = _time_of(new.atime), _time_of(new.mtime)
    return NewAttributes(mode, new.uid.body, new.gid.body, new.size.body, atime, mtime)


def initial_attributes(new: sattr3, who: Identity) -> NewAttributes:
    """The attributes of a new object. As with the Linux server, only root chooses their owner.

    Some clients send the owner that they expect; without this a user's CREATE would be refused.

    Raises:
        NfsError: NFS3ERR_INVAL, as for ``new_attributes``.
    """
    found = new_attributes(new)
    return found if who.uid == 0 else found._replace(uid=None, gid=None)


def _time_of(new: set_atime | set_mtime) -> int | Now | None:
    if new.set_it is time_how.SET_TO_SERVER_TIME:
        return NOW
    return None if new.body is None else nanoseconds_of(new.body)
