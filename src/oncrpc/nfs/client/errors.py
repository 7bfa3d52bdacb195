"""Errors of the NFS client: the status of a server as an ``OSError``.

::

    OSError
    └── NfsStatusError       the server refused; ``status`` is the ``nfsstat3`` (RFC 1813 §2.6)
        ├── NfsNotFound      also FileNotFoundError
        ├── NfsExists        also FileExistsError
        ├── NfsDenied        also PermissionError
        ├── NfsNotDirectory  also NotADirectoryError
        └── NfsIsDirectory   also IsADirectoryError
"""

from __future__ import annotations

import errno
import os

from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import nfsstat3

_NUMBERS = {
    nfsstat3.NFS3ERR_NAMETOOLONG: errno.ENAMETOOLONG,
    nfsstat3.NFS3ERR_NOTEMPTY: errno.ENOTEMPTY,
    nfsstat3.NFS3ERR_DQUOT: errno.EDQUOT,
    nfsstat3.NFS3ERR_STALE: errno.ESTALE,
    nfsstat3.NFS3ERR_REMOTE: errno.EREMOTE,
    nfsstat3.NFS3ERR_BADHANDLE: errno.ESTALE,
    nfsstat3.NFS3ERR_NOT_SYNC: errno.EAGAIN,
    nfsstat3.NFS3ERR_BAD_COOKIE: errno.EINVAL,
    nfsstat3.NFS3ERR_NOTSUPP: errno.EOPNOTSUPP,
    nfsstat3.NFS3ERR_TOOSMALL: errno.EINVAL,
    nfsstat3.NFS3ERR_SERVERFAULT: errno.EREMOTEIO,
    nfsstat3.NFS3ERR_BADTYPE: errno.EINVAL,
    nfsstat3.NFS3ERR_JUKEBOX: errno.EAGAIN,
}
"""The ``errno`` of a status. A status that is missing here has the same number."""


class NfsStatusError(OSError):
    """The server refused. ``errno`` is the reason, ``status`` the status that it sent."""

    status: nfsstat3


class NfsNotFound(NfsStatusError, FileNotFoundError):
    """NFS3ERR_NOENT."""


class NfsExists(NfsStatusError, FileExistsError):
    """NFS3ERR_EXIST."""


class NfsDenied(NfsStatusError, PermissionError):
    """NFS3ERR_ACCES or NFS3ERR_PERM."""


class NfsNotDirectory(NfsStatusError, NotADirectoryError):
    """NFS3ERR_NOTDIR."""


class NfsIsDirectory(NfsStatusError, IsADirectoryError):
    """NFS3ERR_ISDIR."""


_CLASSES: dict[nfsstat3, type[NfsStatusError]] = {
    nfsstat3.NFS3ERR_NOENT: NfsNotFound,
    nfsstat3.NFS3ERR_EXIST: NfsExists,
    nfsstat3.NFS3ERR_ACCES: NfsDenied,
    nfsstat3.NFS3ERR_PERM: NfsDenied,
    nfsstat3.NFS3ERR_NOTDIR: NfsNotDirectory,
    nfsstat3.NFS3ERR_ISDIR: NfsIsDirectory,
}


def refusal(status: nfsstat3, name: str | None = None) -> NfsStatusError:
    """The exception for a status; ``name`` is its ``filename``."""
    number = _NUMBERS.get(status, int(status))
    made = _CLASSES.get(status, NfsStatusError)(
        number, f"{os.strerror(number)} ({status.name})", name
    )
    made.status = status
    return made


def status_of_version2(status: stat) -> nfsstat3:
    """The status of version 3 for one of version 2. NFSERR_WFLUSH becomes NFS3ERR_IO."""
    if status is stat.NFSERR_WFLUSH:
        return nfsstat3.NFS3ERR_IO
    return nfsstat3(int(status))
