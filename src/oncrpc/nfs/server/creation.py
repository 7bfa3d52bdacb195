"""The three ways to CREATE a file (RFC 1813 §3.3.8), and the results of a new entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.nfs.server.attributes import initial_attributes
from oncrpc.nfs.server.call_objects import CallObject
from oncrpc.nfs.server.exclusive import attributes_for, is_created_by
from oncrpc.nfs.status import NfsError, status_of
from oncrpc.programs.nfs3 import (
    createhow3,
    createmode3,
    ftype3,
    nfsstat3,
    post_op_attr,
    post_op_fh3,
    wcc_data,
)

ATTEMPTS = 3
"""Tries to find or make a file: a local process may create or remove the name in between."""


async def create(directory: CallObject, name: bytes, how: createhow3) -> bytes:
    """Create a file, or accept the one that is there. Returns its id.

    Raises:
        NfsError: NFS3ERR_EXIST: there is another one. NFS3ERR_NOTSUPP: EXCLUSIVE, without times to
            keep the verifier in. OSError: of the file system.
    """
    if isinstance(how.body, bytes):
        return await _create_exclusive(directory, name, how.body)
    new = initial_attributes(how.body, directory.who)
    if new.size is not None:
        directory.check_size(new.size)
    if how.mode is createmode3.GUARDED:
        return await _make(directory, name, new)
    file, found = await find_or_make(directory, name, lambda: _make(directory, name, new))
    if found and new.size is not None:
        await truncate(directory.beside(file), new.size)
    return file


async def _create_exclusive(directory: CallObject, name: bytes, verifier: bytes) -> bytes:
    features = directory.filesystem.features
    if not features.settable_times:
        raise NfsError(nfsstat3.NFS3ERR_NOTSUPP)
    new = attributes_for(verifier)
    file, found = await find_or_make(directory, name, lambda: _make(directory, name, new))
    if found:
        attributes = await directory.beside(file).refresh()
        if not is_created_by(verifier, attributes, time_delta=features.time_delta):
            raise NfsError(nfsstat3.NFS3ERR_EXIST)
    return file


async def find_or_make(
    directory: CallObject, name: bytes, make: Callable[[], Awaitable[bytes]]
) -> tuple[bytes, bool]:
    """The file with that name, and whether it was there before.

    Looking first needs no permission to write to the directory.

    Raises:
        OSError: of the file system, or of ``make``.
    """
    for _ in range(ATTEMPTS):
        try:
            file = await directory.lookup(name)
            # It may have been made by a call that still waits for the disk.
            directory.waits_for += directory.share.unstored.of(directory.file)
            return file, True
        except OSError as error:
            if status_of(error) is not nfsstat3.NFS3ERR_NOENT:
                raise
        try:
            return await make(), False
        except OSError as error:
            if status_of(error) is not nfsstat3.NFS3ERR_EXIST:
                raise
    raise NfsError(nfsstat3.NFS3ERR_JUKEBOX)


async def _make(directory: CallObject, name: bytes, new: NewAttributes) -> bytes:
    made = directory.filesystem.create(directory.who, directory.file, name, new)
    return await directory.changed(made)


async def truncate(file: CallObject, size: int) -> None:
    """An UNCHECKED create of a file that exists sets its size and nothing else, as Linux does.

    Raises:
        OSError: of the file system.
    """
    async with file.share.locks.hold(file.file):
        if (await file.refresh()).kind is ftype3.NF3REG:
            new = NewAttributes(size=size)
            await settled(file.filesystem.setattr(file.who, file.file, new))


async def new_entry(
    directory: CallObject, made: bytes
) -> tuple[post_op_fh3, post_op_attr, wcc_data]:
    """The results of CREATE, MKDIR, SYMLINK and MKNOD, with the id of the new file."""
    file = directory.beside(made)
    handle = post_op_fh3(True, directory.handle(file.file))
    return handle, await file.post_op_now(), await directory.wcc()
