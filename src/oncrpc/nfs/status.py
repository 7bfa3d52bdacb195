"""The outcome of a call: from the errors of a file system to ``nfsstat3`` (RFC 1813 §2.6)."""

from __future__ import annotations

import errno
import logging

from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import nfsstat3

log = logging.getLogger("oncrpc.nfs")


class NfsError(OSError):
    """A refusal with a status of the RFC, for those without an errno."""

    def __init__(self, status: nfsstat3, reason: str = "") -> None:
        super().__init__(None, reason or status.name)
        self.status = status


_BY_ERRNO = {
    errno.EPERM: nfsstat3.NFS3ERR_PERM,
    errno.ENOENT: nfsstat3.NFS3ERR_NOENT,
    errno.EIO: nfsstat3.NFS3ERR_IO,
    errno.ENXIO: nfsstat3.NFS3ERR_NXIO,
    errno.EACCES: nfsstat3.NFS3ERR_ACCES,
    errno.EEXIST: nfsstat3.NFS3ERR_EXIST,
    errno.EXDEV: nfsstat3.NFS3ERR_XDEV,
    errno.ENODEV: nfsstat3.NFS3ERR_NODEV,
    errno.ENOTDIR: nfsstat3.NFS3ERR_NOTDIR,
    errno.EISDIR: nfsstat3.NFS3ERR_ISDIR,
    errno.EINVAL: nfsstat3.NFS3ERR_INVAL,
    errno.EFBIG: nfsstat3.NFS3ERR_FBIG,
    errno.EOVERFLOW: nfsstat3.NFS3ERR_FBIG,
    errno.ENOSPC: nfsstat3.NFS3ERR_NOSPC,
    errno.EROFS: nfsstat3.NFS3ERR_ROFS,
    errno.EMLINK: nfsstat3.NFS3ERR_MLINK,
    errno.ENAMETOOLONG: nfsstat3.NFS3ERR_NAMETOOLONG,
    errno.ENOTEMPTY: nfsstat3.NFS3ERR_NOTEMPTY,
    errno.EDQUOT: nfsstat3.NFS3ERR_DQUOT,
    errno.ESTALE: nfsstat3.NFS3ERR_STALE,
    errno.EOPNOTSUPP: nfsstat3.NFS3ERR_NOTSUPP,
    errno.ENOSYS: nfsstat3.NFS3ERR_NOTSUPP,
    errno.EAGAIN: nfsstat3.NFS3ERR_JUKEBOX,
    errno.EBUSY: nfsstat3.NFS3ERR_ACCES,
    errno.ELOOP: nfsstat3.NFS3ERR_INVAL,
    errno.ETXTBSY: nfsstat3.NFS3ERR_ACCES,
    errno.EMFILE: nfsstat3.NFS3ERR_JUKEBOX,
    errno.ENFILE: nfsstat3.NFS3ERR_JUKEBOX,
    errno.ENOMEM: nfsstat3.NFS3ERR_JUKEBOX,
    errno.ETIMEDOUT: nfsstat3.NFS3ERR_JUKEBOX,
}
_BY_CLASS: dict[type[OSError], nfsstat3] = {
    FileNotFoundError: nfsstat3.NFS3ERR_NOENT,
    FileExistsError: nfsstat3.NFS3ERR_EXIST,
    PermissionError: nfsstat3.NFS3ERR_ACCES,
    NotADirectoryError: nfsstat3.NFS3ERR_NOTDIR,
    IsADirectoryError: nfsstat3.NFS3ERR_ISDIR,
    BlockingIOError: nfsstat3.NFS3ERR_JUKEBOX,
    TimeoutError: nfsstat3.NFS3ERR_JUKEBOX,
}
"""Errors that were raised without an errno."""

_V2 = {number.value: number for number in stat}
_V2_FOR = {
    nfsstat3.NFS3ERR_XDEV: stat.NFSERR_IO,
    nfsstat3.NFS3ERR_INVAL: stat.NFSERR_IO,
    nfsstat3.NFS3ERR_BADHANDLE: stat.NFSERR_STALE,
}
"""Outcomes of version 3 that version 2 lacks, and what is nearest. All others are NFSERR_IO."""


def status_of(error: OSError) -> nfsstat3:
    """The status of an error; NFS3ERR_IO, and a log line, for one that is not in the table."""
    if isinstance(error, NfsError):
        return error.status
    if error.errno is not None:
        found = _BY_ERRNO.get(error.errno)
    else:
        found = next((s for cls, s in _BY_CLASS.items() if isinstance(error, cls)), None)
    if found is None:
        log.warning("a file system failed: %s", error)
        return nfsstat3.NFS3ERR_IO
    return found


def status_of_v2(status: nfsstat3) -> stat:
    """The outcome in version 2 (RFC 1094 §2.3.1)."""
    return _V2_FOR.get(status) or _V2.get(status.value, stat.NFSERR_IO)
