"""CREATE of version 2, which also makes devices, and accepts a file that exists (RFC 1094 §2.2.10).

The RFC says that it "should pass an exclusive create flag". No client expects that: creat(2) is
CREATE, and truncates a file that exists. Of such a file only the size is set. Version 2 has no
MKNOD; clients of Sun and Linux send the type in ``mode`` and the device in ``size``.
"""

from __future__ import annotations

from oncrpc.nfs.server.attributes2 import Created, created
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.creation import find_or_make, truncate
from oncrpc.nfs.server.entries import make_special
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import sattr
from oncrpc.programs.nfs3 import ftype3, nfsstat3

DEVICES = {ftype3.NF3BLK, ftype3.NF3CHR}


async def create2(directory: CallObject, name: bytes, asked: sattr) -> bytes:
    """Create a file, or accept the one that is there. Returns its id.

    Raises:
        NfsError: NFS3ERR_EXIST: there is a file of another type, or another device. NFS3ERR_ISDIR.
            NFS3ERR_INVAL: CREATE does not make such files. OSError: of the file system.
    """
    name, wanted = directory.name(name), created(asked, directory.who)
    if wanted.new.size is not None:
        directory.check_size(wanted.new.size)
    file, found = await find_or_make(directory, name, lambda: _make(directory, name, wanted))
    if found:
        await _accept(directory.beside(file), wanted)
    return file


async def _make(directory: CallObject, name: bytes, wanted: Created) -> bytes:
    kind = wanted.kind
    if kind is None or kind is ftype3.NF3REG:
        made = directory.filesystem.create(directory.who, directory.file, name, wanted.new)
        return await directory.changed(made)
    return await make_special(directory, name, kind, device=wanted.device, new=wanted.new)


async def _accept(file: CallObject, wanted: Created) -> None:
    """Set the size of an existing file, or refuse it if it is not what CREATE asks for."""
    attributes = await file.refresh()
    if attributes.kind is ftype3.NF3DIR:
        raise NfsError(nfsstat3.NFS3ERR_ISDIR)
    if wanted.kind is not None and (
        attributes.kind is not wanted.kind
        or (wanted.kind in DEVICES and attributes.device != wanted.device)
    ):
        raise NfsError(nfsstat3.NFS3ERR_EXIST)
    if wanted.new.size is not None:
        await truncate(file, wanted.new.size)
