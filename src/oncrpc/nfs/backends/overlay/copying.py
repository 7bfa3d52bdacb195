"""``OverlayCopying``: copies files from the lower layer to the upper one before they change.

A copy is made in a directory that clients do not see, stored on disk, and then renamed to its
place, with all directories above it. So a file is copied as a whole or not at all, also when the
server is killed.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
from typing import NamedTuple
from weakref import WeakValueDictionary

from oncrpc.nfs.acls import Acls
from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.overlay.reading import FILES, SERVER, WORK, OverlayReading, looked_up
from oncrpc.nfs.backends.overlay.rows import ROOT, OverlayRow
from oncrpc.nfs.filesystem import NOW, Attributes, NewAttributes
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import ftype3, stable_how

COPIED = 1 << 20
"""Bytes that are copied at a time. Those that are all zero become a hole."""

PRIVATE = NewAttributes(mode=0o700)
PRIVILEGE = 0o6000
WITHOUT_LISTS = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class LowerFile(NamedTuple):
    """A file to be copied: its id in the lower layer, its attributes and access control lists."""

    file: bytes
    attributes: Attributes
    lists: Acls = Acls()


class OverlayCopying(OverlayReading):
    """Copies files. ``_locks`` has one for each file that is copied or removed at the moment."""

    _locks: WeakValueDictionary[int, asyncio.Lock]
    _copies: itertools.count[int]

    async def _start(self) -> None:
        """Make the directories of the upper layer, and clean up after a crash."""
        self._locks, self._copies = WeakValueDictionary(), itertools.count(1)
        upper = self._upper
        work = await looked_up(upper, upper.root, WORK)
        if work is None:
            work = await settled(upper.mkdir(SERVER, upper.root, WORK, PRIVATE))
        self._work = work
        await self._clean()
        files = await looked_up(upper, upper.root, FILES)
        if files is None:
            found = await settled(self._lower.getattr(SERVER, self._lower.root))
            source = LowerFile(self._lower.root, found)
            files = await self._made(FILES, source, size=None)
            await settled(upper.rename(SERVER, self._work, FILES, upper.root, FILES))
        self._files = files
        self._rows.place(ROOT, files)
        for row in self._rows.in_between():
            await self._recover(row)

    async def _clean(self) -> None:
        """Remove the copies that did not get their names."""
        listing = await settled(self._upper.readdir(SERVER, self._work, 0, 1 << 16, plus=False))
        for entry in listing.entries:
            if entry.name not in (b".", b".."):
                await self._discard(entry.name)

    async def _recover(self, row: OverlayRow) -> None:
        """Find out whether a copy of an earlier run has got its name."""
        assert row.parent is not None
        assert row.name is not None
        above = self._rows.get(row.parent)
        assert above.upper is not None
        found = await looked_up(self._upper, above.upper, row.name)
        if found is None or found != row.upper:
            self._rows.unplace(row.number)
            return
        copied = await settled(self._upper.getattr(SERVER, found))
        self._rows.placed(row.number, self._origin(row, copied))

    def _lock(self, number: int) -> asyncio.Lock:
        """The lock of a file; copying takes those of the directories above besides."""
        return self._locks.setdefault(number, asyncio.Lock())

    async def _copied(self, row: OverlayRow, *, size: int | None = None) -> OverlayRow:
        """The row of a file that is in the upper layer, after copying it if it was not.

        ``size`` is what the file is truncated to afterwards: no more data are copied.

        Raises:
            OSError: ESTALE: it was removed meanwhile. ENOSPC, EFBIG: the upper layer has no room.
        """
        if row.upper is not None and row.name is None:
            return row
        async with self._lock(row.number):
            row = self._rows.get(row.number)
            if row.upper is None:
                await self._copy(row, size)
        return self._rows.get(row.number)

    async def _copy(self, row: OverlayRow, size: int | None) -> None:
        assert row.parent is not None
        assert row.name is not None
        above = await self._copied(self._rows.get(row.parent))
        assert above.upper is not None
        upper, source = self._upper, await self._source(row)
        copy = b"%d" % next(self._copies)
        try:
            made = await self._made(copy, source, size=size)
            if size is not None:
                await settled(upper.setattr(SERVER, made, NewAttributes(mtime=NOW)))
            before = await settled(upper.getattr(SERVER, above.upper))
            if await looked_up(upper, above.upper, row.name) is not None:
                raise refusal(errno.ESTALE)  # another file has the name
            self._rows.place(row.number, made)
            await settled(upper.rename(SERVER, self._work, copy, above.upper, row.name))
        except OSError:
            self._rows.unplace(row.number)
            await self._discard(copy)
            raise
        self._rows.placed(row.number, self._origin(row, source.attributes))
        times = NewAttributes(atime=before.atime, mtime=before.mtime)
        await settled(upper.setattr(SERVER, above.upper, times))

    def _origin(self, row: OverlayRow, found: Attributes) -> bytes | None:
        return self._rows.lower_path(row) if found.kind is ftype3.NF3DIR else None

    async def _source(self, row: OverlayRow) -> LowerFile:
        found = await self._on_lower(row, lambda layer, file: layer.getattr(SERVER, file))
        lists = Acls()
        if found.kind is not ftype3.NF3LNK:
            lists = await self._on_lower(row, lambda layer, file: layer.get_acl(SERVER, file))
        return LowerFile(await self._lower_id(row), found, lists)

    async def _made(self, name: bytes, source: LowerFile, *, size: int | None) -> bytes:
        """Copy a file, with all that belongs to it, into the directory for copies."""
        upper, kind = self._upper, source.attributes.kind
        if kind is ftype3.NF3REG:
            made = await settled(upper.create(SERVER, self._work, name, PRIVATE))
            length = source.attributes.size
            await self._copy_data(source.file, made, length if size is None else min(size, length))
        elif kind is ftype3.NF3DIR:
            made = await settled(upper.mkdir(SERVER, self._work, name, PRIVATE))
        elif kind is ftype3.NF3LNK:
            target = await settled(self._lower.readlink(SERVER, source.file))
            new = NewAttributes()
            made = await settled(upper.symlink(SERVER, self._work, name, target, new))
        else:
            device = source.attributes.device
            made = await settled(
                upper.mknod(SERVER, self._work, name, kind, device=device, new=PRIVATE)
            )
        await self._describe(made, source)
        return made

    async def _copy_data(self, source: bytes, made: bytes, size: int) -> None:
        upper, written = self._upper, 0
        for at in range(0, size, COPIED):
            wanted = min(COPIED, size - at)
            data = await settled(self._lower.read(SERVER, source, at, wanted))
            if len(data) < wanted:
                raise refusal(errno.ESTALE)  # the lower file has changed
            if data.count(0) < len(data):
                await self._write(made, at, data)
                written = at + len(data)
            await asyncio.sleep(0)  # lets other tasks run
        if written < size:
            await settled(upper.setattr(SERVER, made, NewAttributes(size=size)))
        await settled(upper.commit(SERVER, made, 0, 0))

    async def _write(self, made: bytes, at: int, data: bytes) -> None:
        while data:
            done = await settled(
                self._upper.write(SERVER, made, at, data, stable=stable_how.UNSTABLE)
            )
            at, data = at + done.length, data[done.length :]

    async def _describe(self, made: bytes, source: LowerFile) -> None:
        """Give a copy the attributes of the original.

        Without root the upper layer keeps its own owner: then a program loses setuid and setgid.
        """
        found, upper = source.attributes, self._upper
        wanted = NewAttributes(
            mode=None if found.kind is ftype3.NF3LNK else found.mode,
            uid=found.uid, gid=found.gid, atime=found.atime, mtime=found.mtime,
        )  # fmt: skip
        if source.lists != Acls():
            try:
                await settled(upper.set_acl(SERVER, made, source.lists))
            except OSError as error:
                if error.errno not in WITHOUT_LISTS:
                    raise
        try:
            await settled(upper.setattr(SERVER, made, wanted))
        except PermissionError:
            mode = None if wanted.mode is None else wanted.mode & ~PRIVILEGE
            own = wanted._replace(mode=mode, uid=None, gid=None)
            await settled(upper.setattr(SERVER, made, own))

    async def _discard(self, copy: bytes) -> None:
        """Remove a copy that did not get its name."""
        try:
            await settled(self._upper.remove(SERVER, self._work, copy))
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            await settled(self._upper.rmdir(SERVER, self._work, copy))
