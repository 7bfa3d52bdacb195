"""A complete file system in memory, as an ``Operations`` object of pyfuse3.

It is the memory back end behind the methods of pyfuse3, and counts lookups: ``lookups`` has the
inodes that were not forgotten yet.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyfuse3

from oncrpc.nfs.backends.fuse.stat_values import KINDS
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Attributes, NewAttributes
from oncrpc.programs.nfs3 import stable_how
from support.memory_operations import OWNER, stat_of


@contextmanager
def as_fuse_errors() -> Iterator[None]:
    """An error of the block is one of pyfuse3."""
    try:
        yield
    except OSError as error:
        raise pyfuse3.FUSEError(error.errno or 0) from error


class MemoryInodes(pyfuse3.Operations):
    """The object. ``forgotten`` has each call of ``forget``."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryFileSystem()
        self.lookups: Counter[int] = Counter()
        self.forgotten: list[Sequence[tuple[int, int]]] = []
        self.handles: dict[int, bytes] = {}

    def _id(self, inode: int) -> bytes:
        return self.files.root[:8] + inode.to_bytes(8, "big")

    def _entry(self, found: Attributes) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        for name, value in stat_of(found).items():
            setattr(entry, name + "_ns" * name.endswith("time"), value)
        return entry

    def _looked_up(self, file: bytes) -> pyfuse3.EntryAttributes:
        entry = self._entry(self.files.getattr(OWNER, file))
        self.lookups[entry.st_ino] += 1
        return entry

    def _handle(self, file: bytes) -> pyfuse3.FileInfo:
        number = max(self.handles, default=0) + 1
        self.handles[number] = file
        return pyfuse3.FileInfo(fh=number)

    async def lookup(
        self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        with as_fuse_errors():
            return self._looked_up(self.files.lookup(OWNER, self._id(parent_inode), name))

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        self.forgotten.append(inode_list)
        for inode, count in inode_list:
            self.lookups[inode] -= count
            assert self.lookups[inode] >= 0, "forgotten more often than looked up"
            if not self.lookups[inode]:
                del self.lookups[inode]

    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        assert inode == pyfuse3.ROOT_INODE or self.lookups[inode], "it was not looked up"
        with as_fuse_errors():
            return self._entry(self.files.getattr(OWNER, self._id(inode)))

    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        new = NewAttributes(
            stat.S_IMODE(attr.st_mode) if fields.update_mode else None,
            attr.st_uid if fields.update_uid else None,
            attr.st_gid if fields.update_gid else None,
            attr.st_size if fields.update_size else None,
            attr.st_atime_ns if fields.update_atime else None,
            attr.st_mtime_ns if fields.update_mtime else None,
        )
        with as_fuse_errors():
            self.files.setattr(OWNER, self._id(inode), new)
        return await self.getattr(inode, ctx)

    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        return self.files.readlink(OWNER, self._id(inode))

    async def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        with as_fuse_errors():
            made = self.files.mknod(
                OWNER, self._id(parent_inode), name, KINDS[stat.S_IFMT(mode)],
                device=(os.major(rdev), os.minor(rdev)),
                new=NewAttributes(mode=stat.S_IMODE(mode)),
            )  # fmt: skip
        return self._looked_up(made)

    async def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        new = NewAttributes(mode=stat.S_IMODE(mode))
        with as_fuse_errors():
            return self._looked_up(self.files.mkdir(OWNER, self._id(parent_inode), name, new))

    async def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        with as_fuse_errors():
            self.files.remove(OWNER, self._id(parent_inode), name)

    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        with as_fuse_errors():
            self.files.rmdir(OWNER, self._id(parent_inode), name)

    async def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        with as_fuse_errors():
            made = self.files.symlink(
                OWNER, self._id(parent_inode), name, target, NewAttributes()
            )  # fmt: skip
        return self._looked_up(made)

    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        old, new = self._id(parent_inode_old), self._id(parent_inode_new)
        with as_fuse_errors():
            self.files.rename(OWNER, old, name_old, new, name_new)

    async def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        with as_fuse_errors():
            self.files.link(OWNER, self._id(inode), self._id(new_parent_inode), new_name)
        return self._looked_up(self._id(inode))

    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        return self._handle(self._id(inode))

    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        new = NewAttributes(mode=stat.S_IMODE(mode))
        with as_fuse_errors():
            made = self.files.create(OWNER, self._id(parent_inode), name, new)
        return self._handle(made), self._looked_up(made)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        return self.files.read(OWNER, self.handles[fh], off, size)

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        with as_fuse_errors():
            written = self.files.write(
                OWNER, self.handles[fh], off, buf, stable=stable_how.FILE_SYNC
            )  # fmt: skip
        return written.length

    async def release(self, fh: int) -> None:
        del self.handles[fh]

    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        found, data = self.files.statfs(OWNER, self.files.root), pyfuse3.StatvfsData()
        data.f_frsize, data.f_blocks = 1, found.total_bytes
        data.f_bfree, data.f_bavail = found.free_bytes, found.available_bytes
        data.f_files, data.f_ffree = found.total_files, found.free_files
        data.f_favail = found.available_files
        return data

    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        return inode

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        found = self.files.readdir(OWNER, self._id(fh), start_id, 7, plus=True)
        for entry in found.entries:
            assert entry.attributes is not None
            attr = self._entry(entry.attributes)
            if not pyfuse3.readdir_reply(token, entry.name, attr, entry.cookie):
                return
            if entry.name not in (b".", b".."):
                self.lookups[attr.st_ino] += 1
