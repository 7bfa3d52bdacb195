"""``InodeTree``: an ``Operations`` object of pyfuse3, whose methods have inodes.

The object counts how often an inode was looked up, and may drop it when all lookups are forgotten.
So each known file holds its lookups, until it is removed or is no longer known. To bound what the
object must keep, the lookups of the file that was not used for the longest time are forgotten
earlier: it is looked up again by its name when it is used, and is stale if the name has another
inode or another generation.

Key of ``_inodes``: the inode. It has exactly the files that hold lookups. Bound: 50,000 files,
besides directories of known files and open files.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import pyfuse3

from oncrpc.nfs.backends.fuse.changes import AttributeChanges
from oncrpc.nfs.backends.fuse.inode_values import (
    ChangedFields,
    EntryToken,
    InodeContext,
    attributes_of_entry,
    changed_entry,
    replace_readdir_reply,
    space_of_data,
)
from oncrpc.nfs.backends.fuse.known import MAX_REFERENCES, KnownFile, KnownFiles
from oncrpc.nfs.backends.fuse.listings import MAX_ENTRIES
from oncrpc.nfs.backends.fuse.objects import made_object
from oncrpc.nfs.backends.fuse.stat_values import TYPE_BITS, UNKNOWN_SPACE, checked_target, is_entry
from oncrpc.nfs.backends.fuse.tree import FileInTree, MadeFile, OperationsTree
from oncrpc.nfs.filesystem import Attributes, Features, Identity, SpaceInfo
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import ftype3

R = TypeVar("R")
SERVER = InodeContext(Identity(0, 0))
"""The user of lookups that no client asks for."""


class InodeTree(OperationsTree):
    """The tree of an object, or of a class or function that makes one."""

    def __init__(
        self,
        operations: Any,
        files: KnownFiles,
        *,
        max_file_size: int,
        max_references: int = MAX_REFERENCES,
    ) -> None:
        self.files, self._operations = files, operations
        self._most = max_references
        files.root.inode = pyfuse3.ROOT_INODE
        self._inodes: OrderedDict[int, KnownFile] = OrderedDict()
        self.features = Features(
            hard_links=_implements(operations, "link"),
            symlinks=_implements(operations, "symlink"),
            special_files=_implements(operations, "mknod"),
            settable_times=_implements(operations, "setattr"),
            counts_directories=False, link_max=65000, max_file_size=max_file_size,
        )  # fmt: skip

    async def begin(self) -> None:
        self._operations = made_object(self._operations)
        replace_readdir_reply(self._operations)
        self._operations.init()

    async def end(self) -> None:
        await self._forget_all(list(self._inodes.values()))

    # Attributes and names

    async def getattr(self, who: Identity, file: KnownFile) -> Attributes:
        inode = await self._inode(file)
        entry = await _refused(self._operations.getattr(inode, InodeContext(who)))
        return attributes_of_entry(entry, fileid=inode)

    async def lookup(self, who: Identity, directory: KnownFile, name: bytes) -> FileInTree:
        inode = await self._inode(directory)
        entry = await _refused(self._operations.lookup(inode, name, InodeContext(who)))
        if entry.st_ino == 0:
            raise refusal(errno.ENOENT)
        file = self._learned(directory, name, entry)
        return FileInTree(file, attributes_of_entry(entry, fileid=file.inode))

    async def names(self, who: Identity, directory: KnownFile) -> Iterable[tuple[bytes, int]]:
        context = InodeContext(who)
        opening = self._operations.opendir(await self._inode(directory), context)
        handle = await _unless_missing(opening, 0)
        try:
            return await self._listed(handle)
        finally:
            await _unless_missing(self._operations.releasedir(handle), None)

    async def _listed(self, handle: int) -> list[tuple[bytes, int]]:
        """All names and inodes. Each entry counts as a lookup, which is forgotten at once."""
        found, counted = dict[bytes, int](), Counter[int]()
        start, before = 0, -1
        try:
            while len(found) > before:
                before, token = len(found), EntryToken()
                await _refused(self._operations.readdir(handle, start, token))
                for name, inode, start in token.entries:  # noqa: B007  # the last one is used
                    if name not in (b".", b".."):
                        counted[inode] += 1
                    if is_entry(name, self.features.name_max):
                        found[name] = inode
                if token.full or len(found) > MAX_ENTRIES:
                    raise refusal(errno.EFBIG)
        finally:
            if counted:
                await self._operations.forget(list(counted.items()))
        return list(found.items())

    def fileid(self, directory: KnownFile, name: bytes, listed: int) -> int:
        return listed

    async def readlink(self, who: Identity, file: KnownFile) -> bytes:
        inode = await self._inode(file)
        return checked_target(await _refused(self._operations.readlink(inode, InodeContext(who))))

    async def statfs(self, who: Identity, file: KnownFile) -> SpaceInfo:
        found = await _unless_missing(self._operations.statfs(InodeContext(who)), None)
        return UNKNOWN_SPACE if found is None else space_of_data(found)

    # Changes

    async def change(
        self, who: Identity, file: KnownFile, found: Attributes, changes: AttributeChanges
    ) -> None:
        entry = changed_entry(changes, type_bits=TYPE_BITS[found.kind])
        fields, inode = ChangedFields(changes), await self._inode(file)
        await _refused(
            self._operations.setattr(inode, entry, fields, None, InodeContext(who))
        )  # fmt: skip

    async def create(self, who: Identity, directory: KnownFile, name: bytes, mode: int) -> MadeFile:
        inode, context, full = await self._inode(directory), InodeContext(who), stat.S_IFREG | mode
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        creating = self._operations.create(inode, name, full, flags, context)
        made = await _unless_missing(creating, None)
        if made is not None:
            info, entry = made
            return MadeFile(self._learned(directory, name, entry), info.fh)
        entry = await _refused(self._operations.mknod(inode, name, full, 0, context))
        return MadeFile(self._learned(directory, name, entry))

    async def mkdir(self, who: Identity, directory: KnownFile, name: bytes, mode: int) -> MadeFile:
        inode, full = await self._inode(directory), stat.S_IFDIR | mode
        entry = await _refused(self._operations.mkdir(inode, name, full, InodeContext(who)))
        return MadeFile(self._learned(directory, name, entry))

    async def symlink(
        self, who: Identity, directory: KnownFile, name: bytes, target: bytes
    ) -> MadeFile:
        inode = await self._inode(directory)
        entry = await _refused(self._operations.symlink(inode, name, target, InodeContext(who)))
        return MadeFile(self._learned(directory, name, entry))

    async def mknod(
        self, who: Identity, directory: KnownFile, name: bytes, *, mode: int, device: int
    ) -> MadeFile:
        inode = await self._inode(directory)
        making = self._operations.mknod(inode, name, mode, device, InodeContext(who))
        return MadeFile(self._learned(directory, name, await _refused(making)))

    async def remove(
        self, who: Identity, directory: KnownFile, name: bytes, *, as_directory: bool
    ) -> None:
        inode = await self._inode(directory)
        method = self._operations.rmdir if as_directory else self._operations.unlink
        await _refused(method(inode, name, InodeContext(who)))

    async def rename(
        self,
        who: Identity,
        directory: KnownFile,
        name: bytes,
        to_directory: KnownFile,
        to_name: bytes,
    ) -> None:
        old, new = await self._inode(directory), await self._inode(to_directory)
        await _refused(self._operations.rename(old, name, new, to_name, 0, InodeContext(who)))

    async def link(self, who: Identity, file: KnownFile, directory: KnownFile, name: bytes) -> None:
        inode, above = await self._inode(file), await self._inode(directory)
        entry = await _refused(self._operations.link(inode, above, name, InodeContext(who)))
        self._learned(directory, name, entry)

    def keeps(self, found: Attributes) -> bool:
        return found.kind is not ftype3.NF3DIR and found.nlink > 1

    # Data

    async def open(self, who: Identity, file: KnownFile, flags: int) -> int:
        opening = self._operations.open(await self._inode(file), flags, InodeContext(who))
        info = await _unless_missing(opening, None)
        return 0 if info is None else info.fh

    async def read(self, file: KnownFile, handle: int, offset: int, count: int) -> bytes:
        return bytes(await _refused(self._operations.read(handle, offset, count)))[:count]

    async def write(self, file: KnownFile, handle: int, offset: int, data: bytes) -> int:
        written = await _refused(self._operations.write(handle, offset, data))
        return min(int(written), len(data))

    async def flush(self, file: KnownFile, handle: int) -> None:
        await _unless_missing(self._operations.flush(handle), None)

    async def fsync(self, file: KnownFile, handle: int) -> bool:
        return await _unless_missing(self._operations.fsync(handle, False), False) is None

    async def release(self, file: KnownFile, handle: int) -> None:
        await _unless_missing(self._operations.release(handle), None)

    # Lookups

    async def forget(self) -> None:
        if not self.files.forgotten and len(self._inodes) <= self._most:
            return
        gone, self.files.forgotten = self.files.forgotten, []
        if len(self._inodes) > self._most:
            gone += self._unused()
        await self._forget_all(gone)

    def _unused(self) -> list[KnownFile]:
        """The files that were not used for the longest time, as many as are too many."""
        found = list[KnownFile]()
        for file in self._inodes.values():
            if len(found) == len(self._inodes) - self._most:
                break
            if not file.held:
                found.append(file)
        return found

    async def _forget_all(self, files: list[KnownFile]) -> None:
        lookups = list[tuple[int, int]]()
        for file in files:
            if self._inodes.get(file.inode) is file:
                del self._inodes[file.inode]
            if file.lookups:
                lookups.append((file.inode, file.lookups))
                file.lookups = 0
        if lookups:
            await self._operations.forget(lookups)

    def _learned(
        self, directory: KnownFile, name: bytes, entry: pyfuse3.EntryAttributes
    ) -> KnownFile:
        """The file of an entry that was looked up: the known one if it has the same inode."""
        inode, generation = entry.st_ino, entry.generation
        named = self.files.find(directory, name)
        file = self._inodes.get(inode)
        if file is None and named is not None and named.inode == inode:
            file = named
        if file is not None and file.generation != generation:
            self.files.remove(file)  # its inode belongs to another file now
            self._inodes.pop(inode, None)
            file = None
        if file is None:
            file = self.files.add(directory, name)
            file.inode, file.generation = inode, generation
        elif file is not named:
            self.files.link(file, directory, name)
        file.lookups += 1
        self._inodes[inode] = file
        self._inodes.move_to_end(inode)
        return file

    async def _inode(self, file: KnownFile) -> int:
        """The inode of a file, which is looked up again if its lookups were forgotten.

        Raises:
            OSError: ENOENT: its name is gone, or has another inode.
        """
        if file is self.files.root:
            return file.inode
        if file.lookups:
            self._inodes.move_to_end(file.inode)
            return file.inode
        if not file.places:
            raise refusal(errno.ENOENT)
        directory, name = file.places[0]
        inode = await self._inode(directory)
        entry = await _refused(self._operations.lookup(inode, name, SERVER))
        if entry.st_ino == 0 or self._learned(directory, name, entry) is not file:
            raise refusal(errno.ENOENT)
        return file.inode


def _implements(operations: Any, name: str) -> bool:
    """Whether an object or a class has its own method. A function that makes objects has all."""
    method = getattr(operations, name, None)
    method = getattr(method, "__func__", method)
    return method is not getattr(pyfuse3.Operations, name)


async def _refused(call: Awaitable[R]) -> R:
    """The result of a method, whose error becomes an ``OSError``."""
    try:
        return await call
    except pyfuse3.FUSEError as error:
        raise refusal(error.errno) from error


async def _unless_missing(call: Awaitable[R], default: R) -> R:
    """The result of a method, or a default if the object does not have it."""
    try:
        return await call
    except pyfuse3.FUSEError as error:
        if error.errno == errno.ENOSYS:
            return default
        raise refusal(error.errno) from error
