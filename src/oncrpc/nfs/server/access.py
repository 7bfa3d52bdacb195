"""ACCESS: from the permissions of POSIX to the bits of RFC 1813 §3.3.4, by the type of object."""

from __future__ import annotations

from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ, MAY_WRITE
from oncrpc.programs.nfs3 import (
    ACCESS3_DELETE,
    ACCESS3_EXECUTE,
    ACCESS3_EXTEND,
    ACCESS3_LOOKUP,
    ACCESS3_MODIFY,
    ACCESS3_READ,
    ftype3,
)

_FILE = {
    ACCESS3_READ: MAY_READ,
    ACCESS3_MODIFY: MAY_WRITE,
    ACCESS3_EXTEND: MAY_WRITE,
    ACCESS3_EXECUTE: MAY_EXECUTE,
}
_DIRECTORY = {
    ACCESS3_READ: MAY_READ,
    ACCESS3_LOOKUP: MAY_EXECUTE,
    ACCESS3_MODIFY: MAY_WRITE | MAY_EXECUTE,
    ACCESS3_EXTEND: MAY_WRITE | MAY_EXECUTE,
    ACCESS3_DELETE: MAY_WRITE | MAY_EXECUTE,
}
CHANGING = ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE
ON_DISK = {ftype3.NF3REG, ftype3.NF3DIR}
"""Types that a read-only export protects: a device or a pipe is the client's own."""


def access_bits(kind: ftype3, allowed: int, *, read_only: bool) -> int:
    """The bits for an object, with ``allowed`` a sum of ``MAY_READ`` and the like.

    LOOKUP and DELETE are for directories only, EXECUTE is not for directories.
    """
    needed = _DIRECTORY if kind is ftype3.NF3DIR else _FILE
    bits = sum(bit for bit, permissions in needed.items() if permissions & ~allowed == 0)
    return bits & ~CHANGING if read_only and kind in ON_DISK else bits
