"""``OperationsFileSystem``: a back end for the objects of FUSE modules."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable

from oncrpc.nfs.backends.fuse.changes import NO_CHANGES, changes_to
from oncrpc.nfs.backends.fuse.known import KnownFile
from oncrpc.nfs.backends.fuse.reading import SUPER_USER, OperationsReading, in_thread
from oncrpc.nfs.backends.fuse.stat_values import TYPE_BITS
from oncrpc.nfs.backends.fuse.tree import FileInTree, MadeFile
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_WRITE,
    Attributes,
    Identity,
    NewAttributes,
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

MAX_TARGET = 4095
"""Bytes of a symbolic link in a FUSE file system, as in Linux."""

UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EPERM, errno.EACCES}
"""Errors that leave the owner of a new file as the object has set it."""

Making = Callable[[KnownFile, Attributes], Awaitable[MadeFile]]


class OperationsFileSystem(OperationsReading):
    """The files of a FUSE object. Permissions are checked by mode and owner, as the kernel does
    with the mount option ``default_permissions``; without it, the object checks them."""

    # Changing a file

    @in_thread
    async def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Written:
        found = await self._found(who, file)
        require_data(self._judged(who), found.attributes, MAY_WRITE)
        most = self.features.max_file_size
        if data and offset >= most:
            raise refusal(errno.EFBIG)
        length = await self._write(who, found.file, offset, data[: most - offset])
        self._touch(found.file)
        await self._drop_privilege(who, found)
        if stable is not stable_how.UNSTABLE:
            await self._handles.sync(found.file)
        return Written(length, stable)

    @in_thread
    async def commit(self, who: Identity, file: bytes, offset: int, count: int) -> None:
        await self._handles.sync(self._files.get(file))

    @in_thread
    async def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        found = await self._found(who, file)
        judged = self._judged(who)
        require_change(judged, found.attributes, new)
        self._require_size(new)
        wanted = changed(judged, found.attributes, new, now=self._clock())
        await self._change(who, found, wanted, new)

    # Creating

    @in_thread
    async def create(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> bytes:
        self._require_size(new)

        async def make(above: KnownFile, wanted: Attributes) -> MadeFile:
            made = await self._tree.create(who, above, name, wanted.mode)
            if made.handle is not None:
                await self._handles.adopt(who, made.file, made.handle)
            return made

        return await self._made(who, directory, name, ftype3.NF3REG, new=new, make=make)

    @in_thread
    async def mkdir(
        self, who: Identity, directory: bytes, name: bytes, new: NewAttributes
    ) -> bytes:
        async def make(above: KnownFile, wanted: Attributes) -> MadeFile:
            return await self._tree.mkdir(who, above, name, wanted.mode)

        return await self._made(who, directory, name, ftype3.NF3DIR, new=new, make=make)

    @in_thread
    async def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> bytes:
        self._files.get(directory)
        if not target:
            raise refusal(errno.ENOENT)
        if len(target) > MAX_TARGET:
            raise refusal(errno.ENAMETOOLONG)
        if b"\0" in target:
            raise refusal(errno.EINVAL)

        async def make(above: KnownFile, _: Attributes) -> MadeFile:
            return await self._tree.symlink(who, above, name, target)

        return await self._made(who, directory, name, ftype3.NF3LNK, new=new, make=make)

    @in_thread
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
        async def make(above: KnownFile, wanted: Attributes) -> MadeFile:
            mode, number = TYPE_BITS[kind] | wanted.mode, os.makedev(*wanted.device)
            return await self._tree.mknod(who, above, name, mode=mode, device=number)

        return await self._made(who, directory, name, kind, new=new, make=make, device=device)

    @in_thread
    async def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> None:
        found = await self._found(who, file)
        above = await self._directory(who, directory, MAY_EXECUTE)
        await self._require_new(who, above.file, name)
        require(self._judged(who), above.attributes, MAY_WRITE)
        if found.attributes.kind is ftype3.NF3DIR:
            raise refusal(errno.EPERM)
        await self._tree.link(who, found.file, above.file, name)
        self._files.link(found.file, above.file, name)
        self._touch(above.file)

    # Removing and renaming

    @in_thread
    async def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        await self._remove(who, directory, name, as_directory=False)

    @in_thread
    async def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        await self._remove(who, directory, name, as_directory=True)

    async def _remove(
        self, who: Identity, directory: bytes, name: bytes, *, as_directory: bool
    ) -> None:
        above = await self._directory(who, directory, MAY_EXECUTE)
        found = await self._existing(who, above.file, name)
        require_removable(
            self._judged(who), above.attributes, found.attributes, as_directory=as_directory
        )
        if as_directory:
            await self._require_empty(who, found.file)
        await self._handles.close(found.file)
        await self._tree.remove(who, above.file, name, as_directory=as_directory)
        self._listings.drop(above.file.number, name)
        await self._unlinked(above.file, name, found)
        self._touch(above.file)

    @in_thread
    async def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        self._files.get(to_directory)  # ESTALE comes before EACCES
        above = await self._directory(who, directory, MAY_EXECUTE)
        to_above = await self._directory(who, to_directory, MAY_EXECUTE)
        moved = await self._existing(who, above.file, name)
        replaced = await self._existing_or_none(who, to_above.file, to_name)
        if replaced is not None and replaced.file is moved.file:
            return
        await self._require_rename(who, above, moved, to_above=to_above, replaced=replaced)
        if replaced is not None:
            await self._handles.close(replaced.file)
        await self._tree.rename(who, above.file, name, to_above.file, to_name)
        self._listings.drop(above.file.number, name)
        if replaced is not None:
            await self._unlinked(to_above.file, to_name, replaced)
        self._files.unlink(above.file, name)
        self._files.link(moved.file, to_above.file, to_name)
        self._touch(above.file, to_above.file)

    async def _require_rename(
        self,
        who: Identity,
        above: FileInTree,
        moved: FileInTree,
        *,
        to_above: FileInTree,
        replaced: FileInTree | None,
    ) -> None:
        """Check that a user may move a file, and replace a file; in the order of Linux."""
        judged, directory = self._judged(who), moved.attributes.kind is ftype3.NF3DIR
        if self._files.is_within(to_above.file, moved.file):
            raise refusal(errno.EINVAL)
        if replaced is not None and self._files.is_within(above.file, replaced.file):
            raise refusal(errno.ENOTEMPTY)
        require_removable(judged, above.attributes, moved.attributes, as_directory=directory)
        if replaced is None:
            require(judged, to_above.attributes, MAY_WRITE | MAY_EXECUTE)
        else:
            require_removable(
                judged, to_above.attributes, replaced.attributes, as_directory=directory
            )
        if directory and to_above.file is not above.file:
            require(judged, moved.attributes, MAY_WRITE)  # its ".." changes
        if replaced is not None and directory:
            await self._require_empty(who, replaced.file)

    # Steps of several operations

    def _require_size(self, new: NewAttributes) -> None:
        if new.size is not None and new.size > self.features.max_file_size:
            raise refusal(errno.EFBIG)

    async def _require_new(self, who: Identity, directory: KnownFile, name: bytes) -> None:
        if await self._existing_or_none(who, directory, name) is not None:
            raise refusal(errno.EEXIST)

    async def _require_empty(self, who: Identity, directory: KnownFile) -> None:
        if any(True for _ in await self._tree.names(who, directory)):
            raise refusal(errno.ENOTEMPTY)

    async def _write(self, who: Identity, file: KnownFile, offset: int, data: bytes) -> int:
        async with self._handles.using(who, file, write=True) as handle:
            handle.dirty = True
            length = await self._tree.write(file, handle.number, offset, data)
        if data and not length:
            raise refusal(errno.EIO)
        return length

    async def _drop_privilege(self, who: Identity, found: FileInTree) -> None:
        """Remove setuid and setgid after a write, as the kernel does."""
        before = found.attributes
        after = after_write(self._judged(who), before, now=self._clock(), size=before.size)
        if after.mode != before.mode:
            changes = NO_CHANGES._replace(mode=after.mode)
            await self._tree.change(SUPER_USER, found.file, before, changes)

    async def _change(
        self, who: Identity, found: FileInTree, wanted: Attributes, new: NewAttributes
    ) -> None:
        """Set attributes, after the checks."""
        changes = changes_to(found.attributes, wanted, new)
        if changes == NO_CHANGES:
            return
        await self._tree.change(who, found.file, found.attributes, changes)
        found.file.changed = 0 if new.mtime is not None else found.file.changed
        if new.size is not None and new.mtime is None:
            self._touch(found.file)

    async def _made(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        new: NewAttributes,
        make: Making,
        device: tuple[int, int] = (0, 0),
    ) -> bytes:
        """Check that a user may create a file, and create it."""
        above = await self._found(who, directory)
        judged = self._judged(who)
        require_directory(judged, above.attributes, MAY_EXECUTE)
        await self._require_new(who, above.file, name)
        wanted = new_file(
            judged, above.attributes, kind, new, now=self._clock(), fileid=0, device=device
        )
        made = await make(above.file, wanted)
        await self._complete(who, made.file, wanted, new)
        self._touch(above.file)
        return self._files.id_of(made.file)

    async def _complete(
        self, who: Identity, file: KnownFile, wanted: Attributes, new: NewAttributes
    ) -> None:
        """Give a new file the attributes that the object did not give it."""
        found = await self._attributes(who, file)
        if self._checks and (found.uid, found.gid) != (wanted.uid, wanted.gid):
            found = await self._with_owner(file, found, wanted)
        mode = found.mode if wanted.kind is ftype3.NF3LNK else wanted.mode
        size = new.size if new.size != found.size else None
        rest = changes_to(
            found._replace(uid=wanted.uid, gid=wanted.gid),
            wanted._replace(mode=mode),
            new._replace(mode=None, size=size),
        )
        if rest != NO_CHANGES:
            await self._tree.change(SUPER_USER, file, found, rest)

    async def _with_owner(
        self, file: KnownFile, found: Attributes, wanted: Attributes
    ) -> Attributes:
        """Set the owner of a new file, which may reset its mode; returns the new attributes.

        An object that has only one owner leaves it as it is.
        """
        owner = NO_CHANGES._replace(uid=wanted.uid, gid=wanted.gid)
        try:
            await self._tree.change(SUPER_USER, file, found, owner)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        return await self._attributes(SUPER_USER, file)

    async def _unlinked(self, directory: KnownFile, name: bytes, found: FileInTree) -> None:
        """A name is gone, and with its last name the file."""
        self._files.unlink(directory, name)
        others = found.file.places or self._tree.keeps(found.attributes)
        if not others:
            await self._forget(found.file)
