"""``OverlayReading``: the operations of ``OverlayFileSystem`` that only read."""

from __future__ import annotations

import asyncio
import errno
import os
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.overlay.rows import ROOT, OverlayRow, OverlayRows
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Answer,
    Attributes,
    DirEntry,
    Features,
    FileSystem,
    Identity,
    KeptFile,
    Listing,
    SpaceInfo,
    permissions,
)
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import ftype3

R = TypeVar("R")

SERVER = Identity(0, 0)
"""The identity for what the overlay does by itself. It checks what users may do before."""

FILES, WORK = b"files", b"work"
"""The directories in the root of the upper layer: its files, and copies that are not ready."""

MAX_KEPT_IDS = 100_000
"""Ids of files of the lower layer that an overlay caches."""

ID_BYTES = 16
LISTED = 1000
MISSING = (FileNotFoundError, NotADirectoryError)


class OverlayReading(FileSystem):
    """The operations that read both layers; see ``OverlayFileSystem``.

    ``_rows`` says where each file is. ``_ids`` caches the ids of files in the lower layer by
    number; a file that is replaced there makes its entry stale, which is then looked up again.
    ``_starting`` is the task that prepares the upper layer, before the first operation. It sets
    ``_files`` and ``_work``, the ids of the two directories there.
    """

    def __init__(
        self,
        lower: FileSystem,
        upper: FileSystem,
        *,
        table: str | os.PathLike[str] | None = None,
    ) -> None:
        if table is not None and not upper.features.stable_ids:
            raise ValueError("the upper layer has other ids after a restart: it needs no table")
        self._lower, self._upper = lower, upper
        self._rows = OverlayRows(None if table is None else os.fspath(table))
        self._ids = dict[int, bytes]()
        self._starting: asyncio.Future[None] | None = None
        self._files = self._work = b""
        self.root = self._id(ROOT)
        self.features = _features_of(lower, upper, stable_ids=table is not None)

    async def getattr(self, who: Identity, file: bytes) -> Attributes:
        return await self._attributes(await self._row(file))

    async def access(self, who: Identity, file: bytes, attributes: Attributes) -> int:
        return await self._allowed(who, await self._row(file), attributes)

    async def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        row, _ = await self._directory(who, directory, MAY_EXECUTE)
        return self._id((await self._existing(row, name)).number)

    async def parent(self, who: Identity, directory: bytes) -> bytes:
        row, _ = await self._directory(who, directory, MAY_EXECUTE)
        return self._id((await self._above(row)).number)

    async def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        row, found = await self._directory(who, directory, MAY_READ)
        known = plus and await self._allowed(who, row, found) & MAY_EXECUTE
        if cookie == 0:
            self._rows.list(row.number, await self._names(row))
        wanted, listed = max(count, 1), list[DirEntry]()
        for place, name, dot in ((1, b".", row), (2, b"..", await self._above(row))):
            if place > cookie:
                listed.append(self._entry(name, place, dot, known=bool(known)))
        while True:
            after = self._rows.after(row.number, cookie, wanted + 1)
            for place, name in after[:wanted]:
                child = await self._found(row, name)
                if child is not None:
                    listed.append(self._entry(name, place, child, known=bool(known)))
                cookie = place
            if listed or len(after) <= wanted:
                return Listing(listed, eof=len(after) <= wanted)

    async def readlink(self, who: Identity, file: bytes) -> bytes:
        row = await self._row(file)
        return await self._on(row, lambda layer, found: layer.readlink(who, found))

    async def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        row = await self._row(file)
        return await self._on(row, lambda layer, found: layer.read(who, found, offset, count))

    async def get_acl(self, who: Identity, file: bytes) -> Acls:
        row = await self._row(file)
        return await self._on(row, lambda layer, found: layer.get_acl(who, found))

    async def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        await self._row(file)
        return await settled(self._upper.statfs(SERVER, self._files))

    def path_of(self, file: bytes) -> bytes | None:
        try:
            row = self._rows.get(self._number(file))
        except OSError:
            return None
        return None if row.upper is None else self._upper.path_of(row.upper)

    def kept_files(self) -> list[KeptFile]:
        return [*self._lower.kept_files(), *self._upper.kept_files()]

    def cached_files(self) -> int:
        return self._lower.cached_files() + self._upper.cached_files()

    def close(self) -> None:
        self._rows.close()
        self._upper.close()
        self._lower.close()

    # Files

    def _id(self, number: int) -> bytes:
        return self._rows.life + number.to_bytes(8, "big")

    def _number(self, file: bytes) -> int:
        if len(file) != ID_BYTES or file[:8] != self._rows.life:
            raise refusal(errno.ESTALE)
        return int.from_bytes(file[8:], "big")

    async def _row(self, file: bytes) -> OverlayRow:
        """The row of an id, once the overlay is ready."""
        if self._starting is None or (self._starting.done() and self._starting.exception()):
            self._starting = asyncio.ensure_future(self._start())
        if not self._starting.done():
            await asyncio.shield(self._starting)
        number = self._number(file)
        if number >= 1 << 63:
            raise refusal(errno.ESTALE)
        return self._rows.get(number)

    @abstractmethod
    async def _start(self) -> None:
        """Prepare the upper layer."""

    async def _on(self, row: OverlayRow, call: Callable[[FileSystem, bytes], Answer[R]]) -> R:
        """Call the layer that has a file, with the id of the file there.

        Raises:
            OSError: ESTALE: it is gone. Others are those of the layer.
        """
        if row.upper is None:
            return await self._on_lower(row, call)
        try:
            return await settled(call(self._upper, row.upper))
        except OSError as error:
            if error.errno == errno.ESTALE and row.name is None and row.number != ROOT:
                self._rows.forget(row.number)
            raise

    async def _on_lower(self, row: OverlayRow, call: Callable[[FileSystem, bytes], Answer[R]]) -> R:
        known = row.number in self._ids
        try:
            return await settled(call(self._lower, await self._lower_id(row)))
        except OSError as error:
            if error.errno != errno.ESTALE or not known:
                raise
            self._ids.pop(row.number, None)
            return await settled(call(self._lower, await self._lower_id(row)))

    async def _lower_id(self, row: OverlayRow) -> bytes:
        """The id of a file in the lower layer.

        Raises:
            OSError: ESTALE: the lower layer does not have it any more.
        """
        known = self._ids.get(row.number)
        if known is not None:
            return known
        found = self._lower.root
        for name in filter(None, self._rows.lower_path(row).split(b"/")):
            try:
                found = await settled(self._lower.lookup(SERVER, found, name))
            except MISSING:
                raise refusal(errno.ESTALE) from None
        self._keep_id(row.number, found)
        return found

    def _keep_id(self, number: int, found: bytes) -> None:
        if len(self._ids) >= MAX_KEPT_IDS:
            self._ids.clear()
        self._ids[number] = found

    async def _attributes(self, row: OverlayRow) -> Attributes:
        found = await self._on(row, lambda layer, file: layer.getattr(SERVER, file))
        # Each name of the lower layer is a separate file, and directories in it are not counted.
        single = row.upper is None or found.kind is ftype3.NF3DIR
        return found._replace(fileid=row.number, fsid=0, nlink=1 if single else found.nlink)

    async def _allowed(self, who: Identity, row: OverlayRow, found: Attributes) -> int:
        """The permissions of a user. The lower layer may say that it cannot be written."""
        allowed = await self._on(row, lambda layer, file: layer.access(who, file, found))
        if row.upper is not None:
            return allowed
        return allowed | permissions(who, found) & MAY_WRITE

    async def _require(
        self, who: Identity, row: OverlayRow, found: Attributes, wanted: int
    ) -> None:
        if wanted & ~await self._allowed(who, row, found):
            raise refusal(errno.EACCES)

    async def _directory(
        self, who: Identity, file: bytes, wanted: int
    ) -> tuple[OverlayRow, Attributes]:
        """A directory in which a user has the wanted permissions, and its attributes."""
        row = await self._row(file)
        found = await self._attributes(row)
        if found.kind is not ftype3.NF3DIR:
            raise refusal(errno.ENOTDIR)
        await self._require(who, row, found, wanted)
        return row, found

    async def _above(self, row: OverlayRow) -> OverlayRow:
        """The directory above a directory; the root is above itself."""
        if row.number == ROOT:
            return row
        if row.upper is None or row.parent is not None:
            return self._rows.get(row.parent or 0)
        above = await settled(self._upper.parent(SERVER, row.upper))
        return self._rows.of_upper(above)

    # Names

    async def _existing(self, above: OverlayRow, name: bytes) -> OverlayRow:
        """The file with a name.

        Raises:
            OSError: ENOENT, ENAMETOOLONG.
        """
        found = await self._found(above, name)
        if found is None:
            raise refusal(errno.ENOENT)
        return found

    async def _found(self, above: OverlayRow, name: bytes) -> OverlayRow | None:
        """The file with a name: that of the upper layer, else of the lower one."""
        if len(name) > self.features.name_max:
            raise refusal(errno.ENAMETOOLONG)
        if above.upper is not None:
            found = await looked_up(self._upper, above.upper, name)
            if found is not None:
                return self._rows.by_upper(found) or await self._adopted(above, name, found)
        lower = await self._shown_by_lower(above, name)
        if lower is None:
            return None
        row = self._rows.lower_named(above.number, name)
        self._keep_id(row.number, lower)
        return row

    async def _shown_by_lower(self, above: OverlayRow, name: bytes) -> bytes | None:
        """The id in the lower layer of a name that is not hidden."""
        if not above.has_lower or self._rows.is_hidden(above.number, name):
            return None
        try:
            return await self._on_lower(above, lambda layer, file: layer.lookup(SERVER, file, name))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ESTALE):
                return None
            raise

    async def _adopted(self, above: OverlayRow, name: bytes, upper: bytes) -> OverlayRow:
        """The row of a file that the upper layer has, and the table does not know.

        A directory is merged with that of the lower layer, as in the kernel's overlayfs.
        """
        covered = self._rows.by_name(above.number, name)
        found = await settled(self._upper.getattr(SERVER, upper))
        if found.kind is ftype3.NF3DIR:
            lower = await self._shown_by_lower(above, name)
            if lower is not None and await self._is_directory_below(lower):
                row = covered or self._rows.lower_named(above.number, name)
                origin = self._rows.lower_path(row)
                self._rows.place(row.number, upper)
                self._rows.placed(row.number, origin)
                return self._rows.get(row.number)
        if covered is not None:
            self._rows.forget(covered.number)
        return self._rows.of_upper(upper)

    async def _is_directory_below(self, lower: bytes) -> bool:
        return (await settled(self._lower.getattr(SERVER, lower))).kind is ftype3.NF3DIR

    async def _names(self, row: OverlayRow) -> list[bytes]:
        """All names of a directory but ``.`` and ``..``."""
        found = list[bytes]()
        if row.upper is not None:
            found += await _listed(self._upper, row.upper)
        if row.has_lower:
            hidden = self._rows.hidden(row.number)
            found += [name for name in await self._lower_names(row) if name not in hidden]
        return list(dict.fromkeys(found))

    async def _lower_names(self, row: OverlayRow) -> list[bytes]:
        def listed(layer: FileSystem, file: bytes) -> Awaitable[list[bytes]]:
            return _listed(layer, file)

        try:
            return await self._on_lower(row, listed)
        except OSError as error:
            if error.errno not in (errno.ESTALE, errno.ENOTDIR) or row.upper is None:
                raise
            return []  # the lower layer was changed, and does not have the directory any more

    def _entry(self, name: bytes, place: int, row: OverlayRow, *, known: bool) -> DirEntry:
        return DirEntry(name, row.number, place, self._id(row.number) if known else None)


async def looked_up(layer: FileSystem, directory: bytes, name: bytes) -> bytes | None:
    try:
        return await settled(layer.lookup(SERVER, directory, name))
    except FileNotFoundError:
        return None


async def _listed(layer: FileSystem, directory: bytes) -> list[bytes]:
    """All names of a directory of a layer but ``.`` and ``..``."""
    names, cookie, eof = list[bytes](), 0, False
    while not eof:
        listing = await settled(layer.readdir(SERVER, directory, cookie, LISTED, plus=False))
        names += [each.name for each in listing.entries if each.name not in (b".", b"..")]
        eof = listing.eof or not listing.entries
        cookie = listing.entries[-1].cookie if listing.entries else cookie
    return names


def _features_of(lower: FileSystem, upper: FileSystem, *, stable_ids: bool) -> Features:
    found = upper.features
    return found._replace(
        symlinks=found.symlinks or lower.features.symlinks,
        stable_ids=stable_ids and found.stable_ids,
        counts_directories=False,
        time_delta=max(found.time_delta, lower.features.time_delta),
    )
