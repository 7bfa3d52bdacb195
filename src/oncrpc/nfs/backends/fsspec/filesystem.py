"""``FsspecFileSystem``: a back end for the stores that fsspec supports."""

from __future__ import annotations

import errno

from oncrpc.nfs.backends.fsspec.reading import FsspecReading, StoredFile
from oncrpc.nfs.backends.fsspec.rows import ROOT, StoredRow
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_WRITE,
    Attributes,
    Identity,
    NewAttributes,
    SyncError,
    Written,
)
from oncrpc.nfs.posix import (
    after_write,
    changed,
    new_file,
    refusal,
    require,
    require_change,
    require_data,
    require_directory,
    require_removable,
)
from oncrpc.programs.nfs3 import ftype3, stable_how


class FsspecFileSystem(FsspecReading):
    """The files of a store below a URL, such as ``s3://bucket`` or ``memory://``.

    ``options`` are passed to fsspec. ``table`` is a database file for the numbers of files, and for
    attributes that a store lacks (modes, owners, times): with it, handles stay valid after a
    restart. ``directory`` is the directory for temporary files. ``uid`` and ``gid`` own the files
    that no client has created. Writing beyond ``max_file_size`` fails with EFBIG.

    Raises:
        ImportError: fsspec needs another package for this kind of store.
        ValueError: fsspec does not support this kind of store.
    """

    async def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Written:
        row = self._row(file)
        found = await self._attributes(row)
        require_data(who, found, MAY_WRITE)
        self._require_size(offset + len(data))
        written = await self._written.open(row.number)
        length = written.write(offset, data)
        self._keep(row, after_write(who, found, now=self._clock(), size=written.size))
        if stable is not stable_how.UNSTABLE:
            await self.commit(who, file, offset, length)
        return Written(length, stable)

    async def commit(self, who: Identity, file: bytes, offset: int, count: int) -> None:
        number = self._row(file).number
        try:
            await self._written.commit(number)
        except OSError as error:
            raise SyncError(error.errno, error.strerror) from error

    async def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        row = self._row(file)
        found = await self._attributes(row)
        require_change(who, found, new)
        if new.size is not None:
            self._require_size(new.size)
            written = await self._written.open(row.number, empty=new.size == 0)
            written.truncate(new.size)
            await self._written.commit(row.number)
        self._keep(row, changed(who, found, new, now=self._clock()))

    async def create(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> bytes:
        row, made = await self._new(who, directory, name, ftype3.NF3REG, new)
        written = await self._written.open(row.number, empty=True)
        written.truncate(new.size or 0)
        await self._written.commit(row.number)
        return self._made(row, made)

    async def mkdir(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> bytes:
        row, made = await self._new(who, directory, name, ftype3.NF3DIR, new)
        await self._store.make_directory(self._rows.path(row))
        self._rows.change(row.number, made=1)
        return self._made(row, made)

    async def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        row = await self._removable(who, directory, name, as_directory=False)
        await self._erase(row, directory=False)
        self._rows.remove(row)
        self._touch(row.parent)

    async def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        row = await self._removable(who, directory, name, as_directory=True)
        await self._require_empty(row)
        await self._erase(row, directory=True)
        self._rows.remove(row)
        self._touch(row.parent)

    async def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        above = await self._directory(who, directory, MAY_EXECUTE)
        to_above = await self._directory(who, to_directory, MAY_EXECUTE)
        moved = await self._existing(above, name)
        replaced = await self._existing_or_none(to_above, to_name)
        if replaced is not None and replaced.row.number == moved.row.number:
            return
        if self._is_within(to_above, moved.row):
            raise refusal(errno.EINVAL)
        if replaced is not None and self._is_within(above, replaced.row):
            raise refusal(errno.ENOTEMPTY)
        await self._require_rename(who, moved, to_above, replaced)
        await self._move(moved, to_above, to_name, replaced)
        for number in {above.number, to_above.number}:
            self._touch(number)

    # Steps of several operations

    def _require_size(self, size: int) -> None:
        if size > self.features.max_file_size:
            raise refusal(errno.EFBIG)

    def _keep(self, row: StoredRow, found: Attributes) -> None:
        """Store attributes in the table."""
        self._rows.change(
            row.number, mode=found.mode, uid=found.uid, gid=found.gid,
            atime=found.atime, mtime=found.mtime, ctime=found.ctime, seen=None,
        )  # fmt: skip

    def _touch(self, number: int) -> None:
        """Set the times of a directory that has changed."""
        now = self._clock()
        self._rows.change(number, mtime=now, ctime=now)

    async def _existing_or_none(self, above: StoredRow, name: bytes) -> StoredFile | None:
        try:
            return await self._existing(above, name)
        except FileNotFoundError:
            return None

    async def _new(
        self, who: Identity, directory: bytes, name: bytes, kind: ftype3, new: NewAttributes
    ) -> tuple[StoredRow, Attributes]:
        """Check that a user may create a file; returns its row and attributes."""
        above = self._row(directory)
        found = await self._attributes(above)
        require_directory(who, found, MAY_EXECUTE)
        if await self._existing_or_none(above, name) is not None:
            raise refusal(errno.EEXIST)
        made = new_file(who, found, kind, new, now=self._clock(), fileid=0)
        return self._rows.named(above.number, name), made

    def _made(self, row: StoredRow, made: Attributes) -> bytes:
        self._keep(row, made)
        self._touch(row.parent)
        return self._id(row.number)

    async def _removable(
        self, who: Identity, directory: bytes, name: bytes, *, as_directory: bool
    ) -> StoredRow:
        above = self._row(directory)
        found = await self._attributes(above)
        require_directory(who, found, MAY_EXECUTE)
        file = await self._existing(above, name)
        require_removable(who, found, file.attributes, as_directory=as_directory)
        return file.row

    async def _require_empty(self, row: StoredRow) -> None:
        infos = await self._store.list(self._rows.path(row))
        if self._rows.listed(row.number, infos):
            raise refusal(errno.ENOTEMPTY)

    async def _erase(self, row: StoredRow, *, directory: bool) -> None:
        """Remove a file from the store."""
        path = self._rows.path(row)
        if directory:
            await self._store.remove_directory(path)
            return
        await self._written.drop(row.number)
        await self._store.remove(path)

    async def _require_rename(
        self, who: Identity, moved: StoredFile, to_above: StoredRow, replaced: StoredFile | None
    ) -> None:
        """Check that a user may move a file, and replace a file; in the order of Linux."""
        directory = moved.attributes.kind is ftype3.NF3DIR
        source = await self._attributes(self._rows.get(moved.row.parent))
        target = await self._attributes(to_above)
        require_removable(who, source, moved.attributes, as_directory=directory)
        if replaced is not None:
            require_removable(who, target, replaced.attributes, as_directory=directory)
        else:
            require(who, target, MAY_WRITE | MAY_EXECUTE)
        if directory and to_above.number != moved.row.parent:
            require(who, moved.attributes, MAY_WRITE)  # its ".." changes
        if replaced is not None and directory:
            await self._require_empty(replaced.row)

    async def _move(
        self, moved: StoredFile, to_above: StoredRow, name: bytes, replaced: StoredFile | None
    ) -> None:
        """Move a file in the store, and its row.

        Most stores copy the data. The target does not exist for a moment if it is replaced.
        """
        directory = moved.attributes.kind is ftype3.NF3DIR
        await self._written.commit_all()
        path, above = self._rows.path(moved.row), self._rows.path(to_above)
        if replaced is not None:
            await self._erase(replaced.row, directory=directory)
        self._store.forget(path)
        if await self._store.info(path) is not None:
            to = above + b"/" + name if above else name
            await self._store.move(path, to, directory=directory)
        self._rows.rename(moved.row, to_above.number, name)
        self._rows.change(moved.row.number, ctime=self._clock())

    def _is_within(self, directory: StoredRow, above: StoredRow) -> bool:
        """Whether a directory is ``above``, or below it at any depth."""
        while directory.number != above.number:
            if directory.number == ROOT:
                return False
            directory = self._rows.get(directory.parent)
        return True
