"""READ and WRITE of version 2 (RFC 1094 §2.2.7, §2.2.9): 32 bits of offset, 8 KiB, always stable.

A file of more than 2**32 - 1 bytes is shown with that size. To read the last of these bytes is
refused: a client that copies such a file learns that it cannot have all of it. In the same way a
file is not written beyond them.

What is not a regular file has no data: that is NFSERR_ISDIR, also for a symbolic link. RFC 1813
§3.3.6 calls that incorrect, but version 2 has no NFSERR_INVAL, and U-Boot reads a link after it.
"""

from __future__ import annotations

import errno

from oncrpc.nfs.filesystem import Attributes
from oncrpc.nfs.posix import refusal
from oncrpc.nfs.server.attributes import MAX32
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.data import read, write
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import MAXDATA
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how


async def read2(file: CallObject, offset: int, *, count: int) -> bytes:
    """At most 8 KiB of data. The attributes are read after it.

    Raises:
        NfsError: NFS3ERR_ISDIR; NFS3ERR_FBIG: the data goes beyond what version 2 can show; or as
            ``read``.
    """
    _must_have_data(file)
    data, _ = await read(file, offset, count=min(count, MAXDATA))
    if file.attributes.size > MAX32 and offset + len(data) >= MAX32:
        raise NfsError(nfsstat3.NFS3ERR_FBIG)
    return data


async def write2(file: CallObject, offset: int, data: bytes) -> Attributes:
    """Write all of the data to disk: a reply of version 2 cannot say that it was less.

    Returns the attributes after it.

    Raises:
        NfsError: NFS3ERR_ROFS; NFS3ERR_ISDIR; NFS3ERR_FBIG; or as ``write``.
    """
    if file.options.ro:
        raise NfsError(nfsstat3.NFS3ERR_ROFS)
    _must_have_data(file)
    if offset + len(data) > MAX32:
        raise NfsError(nfsstat3.NFS3ERR_FBIG)
    while True:
        part = file.beside(file.file)
        written = await write(part, offset, data, stable=stable_how.FILE_SYNC)
        if written.length >= len(data):
            return part.latest or await part.refresh()
        if written.length <= 0:
            raise refusal(errno.EIO)
        offset, data = offset + written.length, data[written.length :]


def _must_have_data(file: CallObject) -> None:
    if file.kind is not ftype3.NF3REG:
        raise NfsError(nfsstat3.NFS3ERR_ISDIR)
