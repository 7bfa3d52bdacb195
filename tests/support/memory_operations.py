"""A complete file system in memory, as an ``Operations`` object with paths, as mfusepy has them.

It is the memory back end behind the methods of FUSE. It does not import mfusepy: an object needs no
base class.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from oncrpc.nfs.backends.fuse.stat_values import KINDS, TYPE_BITS
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import NOW, Attributes, Identity, NewAttributes
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import stable_how

OWNER = Identity(0, 0)


def stat_of(found: Attributes) -> dict[str, int]:
    """The attributes, with the names of ``os.stat_result``; times are nanoseconds."""
    return {
        "st_mode": TYPE_BITS[found.kind] | found.mode, "st_ino": found.fileid,
        "st_nlink": found.nlink, "st_uid": found.uid, "st_gid": found.gid, "st_size": found.size,
        "st_blocks": found.used // 512, "st_rdev": os.makedev(*found.device),
        "st_atime": found.atime, "st_mtime": found.mtime, "st_ctime": found.ctime,
    }  # fmt: skip


class MemoryOperations:
    """The object. ``calls`` are the names of the methods that were called, and their handles."""

    use_ns = True

    def __init__(self) -> None:
        self.files = MemoryFileSystem()
        self.calls: list[tuple[str, int]] = []
        self.handles: dict[int, bytes] = {}
        self.ended = False

    def _id(self, path: str) -> bytes:
        found = self.files.root
        for name in filter(None, os.fsencode(path).split(b"/")):
            found = self.files.lookup(OWNER, found, name)
        return found

    def _place(self, path: str) -> tuple[bytes, bytes]:
        above, name = os.path.split(path)
        return self._id(above), os.fsencode(name)

    def _handle(self, file: bytes) -> int:
        number = max(self.handles, default=0) + 1
        self.handles[number] = file
        return number

    def destroy(self, path: str) -> None:
        self.ended = True

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        return stat_of(self.files.getattr(OWNER, self._id(path)))

    def readdir(self, path: str, fh: int) -> list[str]:
        found = self.files.readdir(OWNER, self._id(path), 0, 10_000, plus=False)
        return [os.fsdecode(entry.name) for entry in found.entries]

    def readlink(self, path: str) -> str:
        return os.fsdecode(self.files.readlink(OWNER, self._id(path)))

    def chmod(self, path: str, mode: int) -> int:
        self.files.setattr(OWNER, self._id(path), NewAttributes(mode=stat.S_IMODE(mode)))
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        self.files.setattr(OWNER, self._id(path), NewAttributes(uid=uid, gid=gid))
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self.files.setattr(OWNER, self._id(path), NewAttributes(size=length))
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        atime, mtime = times or (NOW, NOW)
        self.files.setattr(OWNER, self._id(path), NewAttributes(atime=atime, mtime=mtime))
        return 0

    def create(self, path: str, mode: int, flags: int) -> int:
        above, name = self._place(path)
        made = self.files.create(OWNER, above, name, NewAttributes(mode=stat.S_IMODE(mode)))
        return self._handle(made)

    def mkdir(self, path: str, mode: int) -> int:
        above, name = self._place(path)
        self.files.mkdir(OWNER, above, name, NewAttributes(mode=mode))
        return 0

    def mknod(self, path: str, mode: int, dev: int) -> int:
        above, name = self._place(path)
        self.files.mknod(
            OWNER, above, name, KINDS[stat.S_IFMT(mode)],
            device=(os.major(dev), os.minor(dev)), new=NewAttributes(mode=stat.S_IMODE(mode)),
        )  # fmt: skip
        return 0

    def symlink(self, target: str, source: str) -> int:
        above, name = self._place(target)
        self.files.symlink(OWNER, above, name, os.fsencode(source), NewAttributes())
        return 0

    def link(self, target: str, source: str) -> int:
        above, name = self._place(target)
        self.files.link(OWNER, self._id(source), above, name)
        return 0

    def unlink(self, path: str) -> int:
        self.files.remove(OWNER, *self._place(path))
        return 0

    def rmdir(self, path: str) -> int:
        self.files.rmdir(OWNER, *self._place(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        self.files.rename(OWNER, *self._place(old), *self._place(new))
        return 0

    def open(self, path: str, flags: int) -> int:
        return self._handle(self._id(path))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return self.files.read(OWNER, self.handles[fh], offset, size)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        written = self.files.write(
            OWNER, self.handles[fh], offset, data, stable=stable_how.FILE_SYNC
        )
        return written.length

    def flush(self, path: str, fh: int) -> int:
        self.calls.append(("flush", fh))
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self.calls.append(("fsync", fh))
        return 0

    def release(self, path: str, fh: int) -> int:
        self.calls.append(("release", fh))
        del self.handles[fh]
        return 0

    def statfs(self, path: str) -> dict[str, Any]:
        found = self.files.statfs(OWNER, self._id(path))
        return {
            "f_frsize": 1, "f_blocks": found.total_bytes, "f_bfree": found.free_bytes,
            "f_bavail": found.available_bytes, "f_files": found.total_files,
            "f_ffree": found.free_files, "f_favail": found.available_files,
        }  # fmt: skip

    def access(self, path: str, amode: int) -> int:
        raise refusal(errno.EACCES)
