"""Names of files, checked once for all procedures (RFC 1813 §3.2)."""

from __future__ import annotations

from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3

HERE, ABOVE = b".", b".."


def check_name(name: bytes) -> bytes:
    """Return the name if an entry of a directory may have it.

    Raises:
        NfsError: NFS3ERR_ACCES: empty, or it has a ``/`` or a NUL. NFS3ERR_EXIST: ``.`` or ``..``.
    """
    if name in (HERE, ABOVE):
        raise NfsError(nfsstat3.NFS3ERR_EXIST)
    if not name or b"/" in name or b"\0" in name:
        raise NfsError(nfsstat3.NFS3ERR_ACCES)
    return name
