"""READ, WRITE and COMMIT: data, and how well it is stored (RFC 1813 §3.3.6, §3.3.7, §3.3.21).

``committed`` never says more than was done, except on an export with the option ``async``: there
the server answers as if data were on disk, which is what exports(5) says of that option.

A WRITE holds the change lock only until the file has changed, not while its data goes to disk. So
all calls that wait for the same file may share one sync.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import (
    MAY_WRITE,
    Answer,
    SyncError,
    Syncing,
    Written,
    data_permissions,
)
from oncrpc.nfs.server.call_objects import CallObject, locked_for_change
from oncrpc.nfs.status import NfsError, status_of
from oncrpc.programs.nfs3 import ftype3, nfsstat3, stable_how

HARMLESS = {
    nfsstat3.NFS3ERR_PERM,
    nfsstat3.NFS3ERR_ACCES,
    nfsstat3.NFS3ERR_INVAL,
    nfsstat3.NFS3ERR_ROFS,
    nfsstat3.NFS3ERR_STALE,
    nfsstat3.NFS3ERR_BADHANDLE,
    nfsstat3.NFS3ERR_NOTSUPP,
    nfsstat3.NFS3ERR_JUKEBOX,
}
"""Refusals of a COMMIT that lose no data. They do not change the verifier: otherwise any user could
make all clients send their data again."""


async def read(file: CallObject, offset: int, *, count: int) -> tuple[bytes, bool]:
    """Data, and whether they end at the end of the file. The attributes are read afterwards.

    Raises:
        NfsError: NFS3ERR_INVAL: not a regular file. OSError: of the file system.
    """
    file.must_be(ftype3.NF3REG)
    last = file.filesystem.features.max_file_size
    offset = min(offset, last)
    count = min(count, last - offset)
    data = await settled(file.filesystem.read(file.who, file.file, offset, count))
    data = data[:count]
    size = (await file.refresh()).size
    # A back end that returns no data before the end: report eof, or clients read there for ever.
    return data, offset + len(data) >= size or (count > 0 and not data)


async def write(file: CallObject, offset: int, data: bytes, *, stable: stable_how) -> Written:
    """Write, and store as well as ``stable`` asks.

    Raises:
        NfsError: NFS3ERR_INVAL: not a regular file. NFS3ERR_FBIG. OSError: of the file system.
    """
    needed = stable if file.options.sync else stable_how.UNSTABLE
    async with locked_for_change(file):
        file.must_be(ftype3.NF3REG)
        begun = await _begin_write(file, offset, data, needed)
        await file.end()
    length, committed = await _finish_write(file, begun)
    if committed < needed:
        await _commit(file, offset, length)
        committed = stable_how.FILE_SYNC
    return Written(length, max(committed, stable))


async def _begin_write(
    file: CallObject, offset: int, data: bytes, needed: stable_how
) -> Written | Syncing[Written]:
    """Change the file; its data may still have to go to disk."""
    if not data:  # the time of the file must not change
        if not data_permissions(file.who, file.attributes) & MAY_WRITE:
            raise NfsError(nfsstat3.NFS3ERR_ACCES)
        return Written(0, stable_how.FILE_SYNC)
    file.check_size(offset + len(data))
    with _renewing(file):
        answer = file.filesystem.write(file.who, file.file, offset, data, stable=needed)
    return answer if isinstance(answer, Syncing) else await _finish_write(file, answer)


async def _finish_write(file: CallObject, begun: Answer[Written]) -> Written:
    with _renewing(file):
        return await settled(begun)


@contextmanager
def _renewing(file: CallObject) -> Iterator[None]:
    """Change the verifier if data could not be stored."""
    try:
        yield
    except SyncError:
        file.share.verifier.renew()
        raise


async def commit(file: CallObject, offset: int, *, count: int) -> None:
    """Bring a range to disk, up to the end of the file if ``count`` is 0.

    Raises:
        NfsError: NFS3ERR_INVAL: not a regular file. OSError: of the file system.
    """
    await file.refresh()
    file.must_be(ftype3.NF3REG)
    last = file.filesystem.features.max_file_size
    offset = min(offset, last)
    if file.options.sync:
        await _commit(file, offset, 0 if offset + count > last else count)


async def _commit(file: CallObject, offset: int, count: int) -> None:
    try:
        await settled(file.filesystem.commit(file.who, file.file, offset, count))
    except OSError as error:
        if isinstance(error, SyncError) or status_of(error) not in HARMLESS:
            file.share.verifier.renew()
        raise
