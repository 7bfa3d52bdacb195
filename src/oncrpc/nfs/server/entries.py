"""Changes of attributes and of the entries of a directory, as both versions make them.

The caller holds the change locks (``call_objects.locked_for_change``). All names are checked here.
"""

from __future__ import annotations

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import MAY_WRITE, NewAttributes
from oncrpc.nfs.names import ABOVE, HERE
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3

MAX_PATH = 4095
"""Bytes of the text of a symbolic link, as PATH_MAX of Linux without the NUL."""

SOME = 3
"""Entries to look at for one that is not ``.`` or ``..``."""


async def set_attributes(file: CallObject, new: NewAttributes) -> None:
    """Set attributes.

    Raises:
        NfsError: as ``CallObject.must_have_size``. OSError: of the file system.
    """
    if new.size is not None:
        file.must_have_size(new.size)
    if new != NewAttributes():
        await file.changed(file.filesystem.setattr(file.who, file.file, new))


async def make_directory(directory: CallObject, name: bytes, new: NewAttributes) -> bytes:
    """Create a directory. Returns its id.

    Raises:
        NfsError: as ``CallObject.name``. OSError: of the file system.
    """
    made = directory.filesystem.mkdir(
        directory.who, directory.file, directory.name(name), new._replace(size=None)
    )
    return await directory.changed(made)


async def make_symlink(
    directory: CallObject, name: bytes, text: bytes, new: NewAttributes
) -> bytes:
    """Create a symbolic link. Its text is stored, not interpreted. Returns its id.

    Raises:
        NfsError: as ``CallObject.name``; NFS3ERR_NOTSUPP; NFS3ERR_INVAL: the text is
            empty or has a NUL. NFS3ERR_NAMETOOLONG. OSError: of the file system.
    """
    name = directory.name(name)
    if not directory.filesystem.features.symlinks:
        raise NfsError(nfsstat3.NFS3ERR_NOTSUPP)
    if not text or b"\0" in text:
        raise NfsError(nfsstat3.NFS3ERR_INVAL)
    if len(text) > MAX_PATH:
        raise NfsError(nfsstat3.NFS3ERR_NAMETOOLONG)
    made = directory.filesystem.symlink(
        directory.who, directory.file, name, text, new._replace(size=None)
    )
    return await directory.changed(made)


async def make_special(
    directory: CallObject,
    name: bytes,
    kind: ftype3,
    *,
    device: tuple[int, int],
    new: NewAttributes,
) -> bytes:
    """Create a device, a socket or a named pipe. Returns its id.

    Raises:
        NfsError: as ``CallObject.name``; NFS3ERR_NOTSUPP. OSError: of the file system.
    """
    name = directory.name(name)
    if not directory.filesystem.features.special_files:
        raise NfsError(nfsstat3.NFS3ERR_NOTSUPP)
    made = directory.filesystem.mknod(
        directory.who, directory.file, name, kind, device=device, new=new._replace(size=None)
    )
    return await directory.changed(made)


async def remove(directory: CallObject, name: bytes) -> None:
    """Remove an entry that is not a directory.

    Raises:
        NfsError: as ``CallObject.name``. OSError: of the file system.
    """
    refused = nfsstat3.NFS3ERR_ACCES
    name = directory.name(name, here=refused, above=refused)
    await directory.changed(directory.filesystem.remove(directory.who, directory.file, name))


async def remove_directory(directory: CallObject, name: bytes) -> None:
    """Remove an empty directory. ``.`` is INVAL and ``..`` is EXIST (RFC 1813 §3.3.13).

    That it is empty is checked here too: some back ends would remove all that is below.

    Raises:
        NfsError: as ``CallObject.name``; NFS3ERR_NOTEMPTY. OSError: of the file system.
    """
    name = directory.name(name, here=nfsstat3.NFS3ERR_INVAL)
    if await _has_entries(directory, name):
        allowed = await directory.access() & MAY_WRITE
        raise NfsError(nfsstat3.NFS3ERR_NOTEMPTY if allowed else nfsstat3.NFS3ERR_ACCES)
    await directory.changed(directory.filesystem.rmdir(directory.who, directory.file, name))


async def _has_entries(directory: CallObject, name: bytes) -> bool:
    """Whether an entry is a directory with entries; False if the caller may not read it."""
    filesystem, who, cookie = directory.filesystem, directory.who, 0
    try:
        file = await settled(filesystem.lookup(who, directory.file, name))
        if (await settled(filesystem.getattr(who, file))).kind is not ftype3.NF3DIR:
            return False
        while True:
            found = await settled(filesystem.readdir(who, file, cookie, SOME, plus=False))
            if any(each.name not in (HERE, ABOVE) for each in found.entries):
                return True
            if found.eof or not found.entries:
                return False
            cookie = found.entries[-1].cookie
    except OSError:
        return False


async def rename(from_dir: CallObject, name: bytes, to_dir: CallObject, to_name: bytes) -> None:
    """Rename. If the target cannot be replaced the error is that of rename(2), not EXIST.

    Raises:
        NfsError: as ``CallObject.name``. OSError: of the file system.
    """
    refused = nfsstat3.NFS3ERR_INVAL
    name = from_dir.name(name, here=refused, above=refused)
    to_name = to_dir.name(to_name, here=refused, above=refused)
    renamed = from_dir.filesystem.rename(from_dir.who, from_dir.file, name, to_dir.file, to_name)
    await from_dir.changed(renamed)


async def link(file: CallObject, directory: CallObject, name: bytes) -> None:
    """Give a file one more name, and read its attributes.

    Raises:
        NfsError: as ``CallObject.name``; NFS3ERR_NOTSUPP; NFS3ERR_ISDIR. OSError: of the file
            system.
    """
    refused = nfsstat3.NFS3ERR_INVAL
    name = directory.name(name, here=refused, above=refused)
    if not file.filesystem.features.hard_links:
        raise NfsError(nfsstat3.NFS3ERR_NOTSUPP)
    if file.kind is ftype3.NF3DIR:
        raise NfsError(nfsstat3.NFS3ERR_ISDIR)
    async with file.share.locks.hold(file.file):
        await directory.changed(file.filesystem.link(file.who, file.file, directory.file, name))
        await file.try_refresh()
