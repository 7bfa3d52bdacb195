"""``OverlayFileSystem``: makes a back end writable by keeping all changes in another one."""

from __future__ import annotations

import errno
from collections.abc import Callable

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.overlay.copying import OverlayCopying
from oncrpc.nfs.backends.overlay.reading import SERVER
from oncrpc.nfs.backends.overlay.rows import ROOT, OverlayRow
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_WRITE,
    NOW,
    Answer,
    Attributes,
    Identity,
    NewAttributes,
    Written,
)
from oncrpc.nfs.posix import (
    refusal,
    require_change,
    require_data,
    require_new_acl,
    require_removable,
)
from oncrpc.programs.nfs3 import ftype3, stable_how

MAX_TARGET = 4095
"""Bytes of a symbolic link in an overlay, as in Linux."""


class OverlayFileSystem(OverlayCopying):
    """The files of ``lower``, which is only read, with all changes in ``upper``.

    A file of ``lower`` is copied to ``upper`` before its first change. ``upper`` has the changed
    files in a directory ``files``, with their paths, and a directory ``work``. ``table`` is a
    database file for the numbers of files and the names that were removed; it belongs to the upper
    layer, and with it handles stay valid after a restart. Both layers are closed with the overlay.

    Each name of ``lower`` is a file of its own here: of several names of one file only that which
    is written to changes. Names that clients link themselves are one file.

    Raises:
        ValueError: there is a table, and the ids of ``upper`` are other ones after a restart.
        OSError: EBUSY: another server uses the table.
    """

    # Changing a file

    async def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Written:
        row = await self._row(file)
        if row.upper is None:
            require_data(who, await self._attributes(row), MAY_WRITE)
            if offset + len(data) > self.features.max_file_size:
                raise refusal(errno.EFBIG)
            row = await self._copied(row)
        return await self._on(
            row, lambda layer, found: layer.write(who, found, offset, data, stable=stable)
        )

    async def commit(self, who: Identity, file: bytes, offset: int, count: int) -> None:
        row = await self._row(file)
        if row.upper is not None:
            await self._on(row, lambda layer, found: layer.commit(who, found, offset, count))

    async def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        row = await self._row(file)
        if row.upper is None:
            require_change(who, await self._attributes(row), new)
            if new == NewAttributes():
                return
            row = await self._copied(row, size=new.size)
        await self._on(row, lambda layer, found: layer.setattr(who, found, new))

    async def set_acl(self, who: Identity, file: bytes, new: Acls) -> None:
        row = await self._row(file)
        if row.upper is None:
            require_new_acl(who, await self._attributes(row), new)
            row = await self._copied(row)
        await self._on(row, lambda layer, found: layer.set_acl(who, found, new))

    # Creating

    async def create(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> bytes:
        return await self._create(
            who, directory, name, lambda above: self._upper.create(who, above, name, new)
        )

    async def mkdir(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> bytes:
        return await self._create(
            who, directory, name, lambda above: self._upper.mkdir(who, above, name, new)
        )

    async def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> bytes:
        await self._row(directory)  # ESTALE comes first
        if not target:
            raise refusal(errno.ENOENT)
        if len(target) > MAX_TARGET:
            raise refusal(errno.ENAMETOOLONG)
        return await self._create(
            who, directory, name, lambda above: self._upper.symlink(who, above, name, target, new)
        )

    async def mknod(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        device: tuple[int, int],
        new: NewAttributes,
    ) -> bytes:
        def make(above: bytes) -> Answer[bytes]:
            return self._upper.mknod(who, above, name, kind, device=device, new=new)

        return await self._create(who, directory, name, make)

    async def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> None:
        row = await self._row(file)
        above, found = await self._directory(who, directory, MAY_EXECUTE)
        await self._require_new(above, name)
        await self._require(who, above, found, MAY_WRITE | MAY_EXECUTE)
        if (await self._attributes(row)).kind is ftype3.NF3DIR:
            raise refusal(errno.EPERM)
        above, row = await self._copied(above), await self._copied(row)
        assert above.upper is not None
        assert row.upper is not None
        await settled(self._upper.link(who, row.upper, above.upper, name))

    async def _create(
        self, who: Identity, directory: bytes, name: bytes, make: Callable[[bytes], Answer[bytes]]
    ) -> bytes:
        """Make a file in the upper layer; returns its id."""
        above, found = await self._directory(who, directory, MAY_EXECUTE)
        await self._require_new(above, name)
        await self._require(who, above, found, MAY_WRITE | MAY_EXECUTE)
        above = await self._copied(above)
        assert above.upper is not None
        return self._id(self._rows.of_upper(await settled(make(above.upper))).number)

    async def _require_new(self, above: OverlayRow, name: bytes) -> None:
        if await self._found(above, name) is not None:
            raise refusal(errno.EEXIST)

    # Removing and renaming

    async def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        await self._remove(who, directory, name, as_directory=False)

    async def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        await self._remove(who, directory, name, as_directory=True)

    async def _remove(
        self, who: Identity, directory: bytes, name: bytes, *, as_directory: bool
    ) -> None:
        above, found = await self._directory(who, directory, MAY_EXECUTE)
        row = await self._existing(above, name)
        require_removable(who, found, await self._attributes(row), as_directory=as_directory)
        if as_directory:
            await self._require_empty(row)
        above = await self._copied(above)
        assert above.upper is not None
        async with self._lock(row.number):  # until a copy is ready
            row = self._rows.get(row.number)
            await self._hide(above, name)
            if row.upper is None:
                await settled(self._upper.setattr(SERVER, above.upper, NewAttributes(mtime=NOW)))
            elif as_directory:
                await settled(self._upper.rmdir(who, above.upper, name))
            else:
                await settled(self._upper.remove(who, above.upper, name))
            await self._forget_removed(row)

    async def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        await self._row(to_directory)  # ESTALE comes before EACCES
        above, found = await self._directory(who, directory, MAY_EXECUTE)
        to_above, to_found = await self._directory(who, to_directory, MAY_EXECUTE)
        moved, replaced = await self._existing(above, name), await self._found(to_above, to_name)
        if replaced is not None and replaced.number == moved.number:
            return
        attributes = await self._attributes(moved)
        directory_moves = attributes.kind is ftype3.NF3DIR
        if directory_moves and await self._is_within(to_above, moved):
            raise refusal(errno.EINVAL)
        if replaced is not None and await self._is_within(above, replaced):
            raise refusal(errno.ENOTEMPTY)
        require_removable(who, found, attributes, as_directory=directory_moves)
        if replaced is None:
            await self._require(who, to_above, to_found, MAY_WRITE | MAY_EXECUTE)
        else:
            await self._require_replaceable(who, to_found, replaced, as_directory=directory_moves)
        if directory_moves and above.number != to_above.number:
            await self._require(who, moved, attributes, MAY_WRITE)  # its ".." changes
        await self._move(who, (above, name, moved), (to_above, to_name, replaced))

    async def _require_replaceable(
        self, who: Identity, above: Attributes, replaced: OverlayRow, *, as_directory: bool
    ) -> None:
        found = await self._attributes(replaced)
        require_removable(who, above, found, as_directory=as_directory)
        if as_directory:
            await self._require_empty(replaced)

    async def _move(
        self,
        who: Identity,
        source: tuple[OverlayRow, bytes, OverlayRow],
        target: tuple[OverlayRow, bytes, OverlayRow | None],
    ) -> None:
        """Rename in the upper layer, after everything is there.

        The old name is hidden before: the file still shows there, since the upper layer has it.
        """
        above, name, moved = source
        to_above, to_name, replaced = target
        await self._copied(moved)
        above, to_above = await self._copied(above), await self._copied(to_above)
        assert above.upper is not None
        assert to_above.upper is not None
        async with self._lock((replaced or moved).number):
            await self._hide(above, name)
            await settled(self._upper.rename(who, above.upper, name, to_above.upper, to_name))
            if replaced is not None:
                await self._forget_removed(self._rows.get(replaced.number))

    async def _hide(self, above: OverlayRow, name: bytes) -> None:
        """Hide the file that the lower layer has with a name."""
        if await self._shown_by_lower(above, name) is not None:
            self._rows.hide(above.number, name)

    async def _forget_removed(self, row: OverlayRow) -> None:
        """Remove the row of a file that has lost a name, if that was the last one."""
        if row.upper is not None:
            try:
                await settled(self._upper.getattr(SERVER, row.upper))
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
            else:
                return
        self._rows.forget(row.number)

    async def _require_empty(self, row: OverlayRow) -> None:
        if await self._names(row):
            raise refusal(errno.ENOTEMPTY)

    async def _is_within(self, directory: OverlayRow, above: OverlayRow) -> bool:
        """Whether a directory is ``above``, or below it at any depth."""
        while directory.number != above.number:
            if directory.number == ROOT:
                return False
            directory = await self._above(directory)
        return True
