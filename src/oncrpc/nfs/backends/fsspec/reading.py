"""``FsspecReading``: the operations of ``FsspecFileSystem`` that only read."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import fsspec
from fsspec.spec import AbstractFileSystem

from oncrpc.nfs.backends.fsspec.rows import ROOT, StoredRow, StoredRows
from oncrpc.nfs.backends.fsspec.store import Info, RemoteStore, changed_at, is_directory
from oncrpc.nfs.backends.fsspec.written import WrittenFiles
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    Attributes,
    DirEntry,
    Features,
    FileSystem,
    Identity,
    Listing,
    SpaceInfo,
    permissions,
)
from oncrpc.nfs.posix import (
    refusal,
    require_data,
    require_directory,
)
from oncrpc.programs.nfs3 import ftype3

log = logging.getLogger("oncrpc.nfs")

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
"""Permissions of files that no client has created or changed."""

DIRECTORY_SIZE = 4096
MAX_FILE_SIZE = 64 << 30
"""Bytes of a file of a store, by default; writing one needs a temporary file of its size."""

ID_BYTES = 16
SPACE = SpaceInfo(*[1 << 50] * 3, *[1 << 32] * 3)
"""A store does not tell its size: programs that check for space must find enough."""


class StoredFile(NamedTuple):
    """A file of a directory."""

    row: StoredRow
    attributes: Attributes


class FsspecReading(FileSystem):
    """The operations that read a store; see ``FsspecFileSystem``."""

    def __init__(
        self,
        url: str,
        *,
        options: dict[str, Any] | None = None,
        table: str | os.PathLike[str] | None = None,
        directory: str | None = None,
        uid: int = 0,
        gid: int = 0,
        max_file_size: int = MAX_FILE_SIZE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        files: AbstractFileSystem
        files, root = fsspec.core.url_to_fs(url, **(options or {}))
        self.features = Features(
            stable_ids=table is not None, counts_directories=False, max_file_size=max_file_size
        )
        self._store = RemoteStore(files, root)
        self._rows = StoredRows(None if table is None else os.fspath(table))
        self._written = WrittenFiles(self._store, self._path_of, directory=directory)
        self._owner, self._clock, self._begun = (uid, gid), clock, clock()
        self.root = self._id(ROOT)

    # Reading

    async def getattr(self, who: Identity, file: bytes) -> Attributes:
        return await self._attributes(self._row(file))

    async def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        above = await self._directory(who, directory, MAY_EXECUTE)
        return self._id((await self._existing(above, name)).row.number)

    async def parent(self, who: Identity, directory: bytes) -> bytes:
        return self._id((await self._directory(who, directory, MAY_EXECUTE)).parent)

    async def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        row = self._row(directory)
        found = await self._attributes(row)
        require_directory(who, found, MAY_READ)
        infos = await self._store.list(self._rows.path(row))
        rows = self._rows.listed(row.number, infos)
        entries = [(1, b".", row), (2, b"..", self._rows.get(row.parent))]
        entries += [(each.cookie, each.name, each) for each in rows]
        after = [entry for entry in entries if entry[0] > cookie]
        known = plus and permissions(who, found) & MAY_EXECUTE
        chosen = after[: max(count, 1)]
        listed = [self._entry(each, infos.get(each[1]) if known else None) for each in chosen]
        return Listing(listed, eof=len(chosen) == len(after))

    def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        return SPACE

    async def readlink(self, who: Identity, file: bytes) -> bytes:
        await self._attributes(self._row(file))
        raise refusal(errno.EINVAL)  # a store has no symbolic links

    async def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        row = self._row(file)
        found = await self._attributes(row)
        require_data(who, found, MAY_READ)
        written = self._written.get(row.number)
        if written is not None:
            return written.read(offset, count)
        wanted = min(count, found.size - offset)
        return await self._store.read(self._rows.path(row), offset, wanted) if wanted > 0 else b""

    def close(self) -> None:
        self._store.close()  # waits for uploads
        self._written.close()
        self._rows.close()

    # Files and their attributes

    def _id(self, number: int) -> bytes:
        return self._rows.life + number.to_bytes(8, "big")

    def _row(self, file: bytes) -> StoredRow:
        if len(file) != ID_BYTES or file[:8] != self._rows.life:
            raise refusal(errno.ESTALE)
        return self._rows.get(int.from_bytes(file[8:], "big"))

    def _path_of(self, number: int) -> bytes:
        return self._rows.path(self._rows.get(number))

    async def _attributes(self, row: StoredRow) -> Attributes:
        """The attributes of a file.

        Raises:
            OSError: ESTALE: the store no longer has it.
        """
        found = await self._known(row)
        if found is None:
            self._rows.remove(row)
            raise refusal(errno.ESTALE)
        return found

    async def _known(self, row: StoredRow) -> Attributes | None:
        """The attributes of a file, None if the store does not have it."""
        written = self._written.get(row.number)
        if written is not None:
            found = self._composed(row, {"type": "file", "size": written.size})
            return found._replace(used=written.used)
        info = None if row.number == ROOT else await self._store.info(self._rows.path(row))
        if info is None and (row.made or row.number == ROOT):
            info = {"type": "directory"}
        return None if info is None else self._composed(row, info)

    def _composed(self, row: StoredRow, info: Info) -> Attributes:
        """The attributes: from the table, else from the store, else a default."""
        directory = is_directory(info)
        size = DIRECTORY_SIZE if directory else int(info.get("size") or 0)
        mtime = _first(self._own_time(row, info), changed_at(info), self._begun)
        return Attributes(
            ftype3.NF3DIR if directory else ftype3.NF3REG,
            _first(row.mode, DIRECTORY_MODE if directory else FILE_MODE),
            uid=_first(row.uid, self._owner[0]), gid=_first(row.gid, self._owner[1]),
            size=size, used=size, fileid=row.number,
            atime=_first(row.atime, mtime), mtime=mtime, ctime=max(mtime, row.ctime or 0),
        )  # fmt: skip

    def _own_time(self, row: StoredRow, info: Info) -> int | None:
        """The time of the last change in the table, unless another program made a later one."""
        stored = changed_at(info)
        if row.mtime is None or stored is None or is_directory(info):
            return row.mtime
        if row.seen is None:  # the first look after a change by this server
            self._rows.change(row.number, seen=stored)
        return row.mtime if row.seen in (None, stored) else stored

    async def _directory(self, who: Identity, file: bytes, wanted: int) -> StoredRow:
        """Check that a user has the wanted permissions in a directory; returns its row."""
        row = self._row(file)
        require_directory(who, await self._attributes(row), wanted)
        return row

    async def _existing(self, above: StoredRow, name: bytes) -> StoredFile:
        """A file of a directory.

        Raises:
            OSError: ENOENT, ENAMETOOLONG.
        """
        if len(name) > self.features.name_max:
            raise refusal(errno.ENAMETOOLONG)
        row = self._rows.find(above.number, name)
        if row is None:
            path = self._rows.path(above)
            if await self._store.info(path + b"/" + name if path else name) is None:
                raise refusal(errno.ENOENT)
            row = self._rows.named(above.number, name)
        found = await self._known(row)
        if found is None:
            self._rows.remove(row)
            raise refusal(errno.ENOENT)
        return StoredFile(row, found)

    def _entry(self, entry: tuple[int, bytes, StoredRow], info: Info | None) -> DirEntry:
        place, name, row = entry
        if info is None or self._written.get(row.number) is not None:
            return DirEntry(name, row.number, place)
        return DirEntry(name, row.number, place, self._id(row.number), self._composed(row, info))


def _first(*values: int | None) -> int:
    """The first value that is not None."""
    return next(value for value in values if value is not None)
