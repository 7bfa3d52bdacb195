"""The objects that a call names by their handles, and their attributes in a reply of version 3.

An object is opened for one call. Its attributes are read before the procedure runs, for its checks
and for ``wcc_data.before``, and again when a reply needs them as they are afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from oncrpc.nfs.answers import settled
from oncrpc.nfs.filesystem import MAY_EXECUTE, Answer, Attributes, Syncing
from oncrpc.nfs.names import ABOVE, HERE, check_name
from oncrpc.nfs.server.attributes import fattr3_of, post_op_attr_of, wcc_data_of
from oncrpc.nfs.server.other_changes import Seen
from oncrpc.nfs.server.shares import Opened, Shares
from oncrpc.nfs.server.unstored import Stored
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import (
    fattr3,
    ftype3,
    nfs_fh3,
    nfsstat3,
    post_op_attr,
    wcc_data,
)

R = TypeVar("R")


class CallObject:
    """A file that a call names, and its attributes.

    ``share``, ``file``, ``who`` and ``options`` do not change. ``latest`` are the attributes that
    were read last; None before the first read, and after one that failed. ``before`` are the
    attributes before a change: ``begin`` sets them once, and they stay None if the call fails
    before it changes anything. ``end`` reads ``latest`` after the change and sets ``ended``; a
    second ``end`` does nothing, so the reply has the attributes from within the change lock.
    ``seen`` is set between ``begin`` and ``finish`` if other processes change files, too; ``end``
    sets ``overlaps`` if one has changed this file. ``waits_for`` are changes that must be on disk
    before the reply is sent (``stored``).
    """

    __slots__ = (
        "before", "ended", "file", "filesystem", "latest", "options", "overlaps", "seen", "share",
        "shares", "waits_for", "who",
    )  # fmt: skip

    def __init__(self, shares: Shares, opened: Opened) -> None:
        self.share, self.file, self.who, self.options = opened
        self.shares, self.filesystem = shares, self.share.filesystem
        self.before: Attributes | None = None
        self.latest: Attributes | None = None
        self.ended = self.overlaps = False
        self.seen: Seen | None = None
        self.waits_for: list[Stored] = []

    @property
    def is_root(self) -> bool:
        """Whether it is the root of its export."""
        return self.file == self.filesystem.root

    @property
    def attributes(self) -> Attributes:
        """The attributes that were read last. A procedure runs only after a read."""
        assert self.latest is not None, "read before the procedure runs"
        return self.latest

    @property
    def kind(self) -> ftype3:
        """Its type, which never changes."""
        return self.attributes.kind

    async def refresh(self) -> Attributes:
        """Read the attributes.

        Raises:
            OSError: the object is gone, for example.
        """
        self.latest = None
        self.latest = await settled(self.filesystem.getattr(self.who, self.file))
        return self.latest

    async def begin(self) -> None:
        """Read the attributes before a change.

        Raises:
            OSError: as ``refresh``.
        """
        if self.share.others is not None:
            self.seen = self.share.others.begin(self.file)
        self.before = await self.refresh()

    async def end(self) -> None:
        """Read the attributes after a change, once. If that fails, the reply has none."""
        if not self.ended:
            self.ended = True
            await self.try_refresh()
            if self.share.others is not None and self.seen is not None:
                self.overlaps = self.share.others.overlaps(self.seen)

    def finish(self) -> None:
        """Give up the change lock; the attributes after the change have been read."""
        if self.share.others is not None and self.seen is not None:
            self.share.others.end(self.seen)
            self.seen = None

    async def try_refresh(self) -> None:
        """Read the attributes; None if that fails."""
        with suppress(OSError):
            await self.refresh()

    async def changed(self, answer: Answer[R]) -> R:
        """The answer to a change of this object, which may still have to go to disk.

        Raises:
            OSError: the change was refused.
        """
        if not isinstance(answer, Syncing):
            return await settled(answer)
        stored = asyncio.ensure_future(answer)
        self.share.unstored.add(self.file, stored)
        self.waits_for.append(stored)
        result: R = answer.result
        return result

    async def stored(self) -> None:
        """Wait until the changes are on disk, without the change lock.

        Raises:
            SyncError: a change was not stored.
        """
        for each in self.waits_for:
            await asyncio.shield(each)

    def fattr3(self) -> fattr3:
        """The attributes that were read last."""
        return fattr3_of(self.attributes, self.share.fsid)

    def post_op(self) -> post_op_attr:
        """The attributes that were read last, if any."""
        return post_op_attr_of(self.latest, self.share.fsid)

    async def post_op_now(self) -> post_op_attr:
        """The attributes after an operation, read now; absent if that fails."""
        await self.try_refresh()
        return self.post_op()

    async def wcc(self) -> wcc_data:
        """The attributes before and after a change. Without ``begin`` nothing has changed, and the
        attributes before are those after. If another process changed the file meanwhile there are
        none before: the client could not tell that change from its own."""
        await self.end()
        before = self.latest if self.before is None else self.before
        if self.overlaps:
            before = None
        return wcc_data_of(before, self.latest, self.share.fsid)

    def handle(self, file: bytes) -> nfs_fh3:
        """The handle of a file of the same export."""
        return nfs_fh3(self.shares.handle(self.share, file))

    def beside(self, file: bytes) -> CallObject:
        """Another object of the same export, for the same caller."""
        return CallObject(self.shares, Opened(self.share, file, self.who, self.options))

    def must_be_directory(self) -> None:
        """Refuse an object that is not a directory.

        Raises:
            NfsError: NFS3ERR_NOTDIR.
        """
        if self.kind is not ftype3.NF3DIR:
            raise NfsError(nfsstat3.NFS3ERR_NOTDIR)

    def must_be(self, kind: ftype3) -> None:
        """Refuse an object of another type.

        Raises:
            NfsError: NFS3ERR_INVAL. Version 2 had NFSERR_ISDIR, which is incorrect here (§3.3.6).
        """
        if self.kind is not kind:
            raise NfsError(nfsstat3.NFS3ERR_INVAL)

    def must_have_size(self, size: int) -> None:
        """Refuse a size that this object cannot be given.

        Raises:
            NfsError: NFS3ERR_ISDIR, NFS3ERR_INVAL: not a regular file; or as ``check_size``.
        """
        if self.kind is ftype3.NF3DIR:
            raise NfsError(nfsstat3.NFS3ERR_ISDIR)
        self.must_be(ftype3.NF3REG)
        self.check_size(size)

    def check_size(self, size: int) -> None:
        """Refuse a size that no file of this file system can have.

        Raises:
            NfsError: NFS3ERR_FBIG, as the Linux server.
        """
        if size > self.filesystem.features.max_file_size:
            raise NfsError(nfsstat3.NFS3ERR_FBIG)

    def name(
        self,
        name: bytes,
        *,
        here: nfsstat3 = nfsstat3.NFS3ERR_EXIST,
        above: nfsstat3 = nfsstat3.NFS3ERR_EXIST,
    ) -> bytes:
        """Return a name that an entry of this directory may have.

        ``here`` and ``above`` are the refusals of ``.`` and ``..``.

        Raises:
            NfsError: ``here``; ``above``; NFS3ERR_NOTDIR; NFS3ERR_NAMETOOLONG; NFS3ERR_ACCES for an
                empty name, a ``/`` or a NUL (``check_name``).
        """
        self.must_be_directory()
        if name in (HERE, ABOVE):
            raise NfsError(here if name == HERE else above)
        if len(name) > self.filesystem.features.name_max:
            raise NfsError(nfsstat3.NFS3ERR_NAMETOOLONG)
        return check_name(name)

    async def lookup(self, name: bytes) -> bytes:
        """The file with that name. ``.`` is the directory, and ``..`` of the root is the root.

        Raises:
            NfsError: as ``name``. OSError: there is no such file, or no permission.
        """
        if name not in (HERE, ABOVE):
            return await settled(self.filesystem.lookup(self.who, self.file, self.name(name)))
        self.must_be_directory()
        if not await self.access() & MAY_EXECUTE:
            raise NfsError(nfsstat3.NFS3ERR_ACCES)
        if name == HERE or self.is_root:
            return self.file
        return await settled(self.filesystem.parent(self.who, self.file))

    async def access(self) -> int:
        """The permissions of the caller: a sum of ``MAY_READ``, ``MAY_WRITE``, ``MAY_EXECUTE``."""
        return await settled(self.filesystem.access(self.who, self.file, self.attributes))


def check_objects(objects: Sequence[CallObject], *, changes: bool) -> None:
    """Refuse objects that one call may not use together.

    Raises:
        NfsError: NFS3ERR_XDEV: they are of different exports. NFS3ERR_ROFS: the call ``changes``
            some, and the export is read-only.
    """
    if any(item.share is not objects[0].share for item in objects):
        raise NfsError(nfsstat3.NFS3ERR_XDEV)
    if changes and objects[0].options.ro:
        raise NfsError(nfsstat3.NFS3ERR_ROFS)


@asynccontextmanager
async def locked_for_change(*objects: CallObject) -> AsyncIterator[None]:
    """Hold the change locks of objects of one export, and read their attributes before a change.

    A call locks its directories first, all at once, and at most one file after them. So two calls
    cannot deadlock. If the block fails, the attributes afterwards are read before the locks are
    released.

    Raises:
        OSError: an object is gone, for example.
    """
    async with objects[0].share.locks.hold(*(item.file for item in objects)):
        try:
            for item in objects:
                await item.begin()
            try:
                yield
            except OSError:
                for item in objects:
                    await item.end()
                raise
        finally:
            for item in objects:
                item.finish()
