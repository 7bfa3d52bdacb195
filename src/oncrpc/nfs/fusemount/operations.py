"""The operations that mfusepy calls, from several threads, as coroutines of one event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

from oncrpc.errors import CallTimeout, OncRpcError
from oncrpc.nfs.client.results import FileStat
from oncrpc.nfs.filesystem import NewAttributes, Now
from oncrpc.nfs.fusemount.tree import MountedTree

T = TypeVar("T")
BLOCK = 4096
"""Bytes of a block in the answer to statfs(2)."""

SECTOR = 512
"""The unit of ``st_blocks``."""

FILE_TIME = int | Now | None
"""Nanoseconds; ``NOW``; or None, which leaves the time alone."""


class LoopThread:
    """An event loop in a thread of its own, while the context lasts."""

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.loop = new_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="nfs")

    def __enter__(self) -> LoopThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(_cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and block until it has ended."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()


async def _cancel_all() -> None:
    """Cancel what still runs in the loop, such as after Ctrl-C."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class MountOperations:
    """The operations of mfusepy on the files of a server; paths begin with a slash.

    ``ready`` is called once the kernel can use the file system. There are no methods for extended
    attributes and locks: the kernel then refuses the former, and keeps the latter by itself.
    """

    use_ns = True

    def __init__(self, thread: LoopThread, tree: MountedTree, ready: Callable[[], None]) -> None:
        self._thread, self._tree, self._ready = thread, tree, ready
        self.mounted = False

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine; each error becomes an ``OSError`` with a number."""
        try:
            return self._thread.call(coroutine)
        except CallTimeout:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        except OncRpcError as error:
            number = getattr(error, "errno", None) or errno.EIO
            raise OSError(number, os.strerror(number)) from None
        except ValueError:  # a name that NFS cannot carry
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None

    def init(self, path: str) -> None:
        """The file system is mounted."""
        self.mounted = True
        self._ready()

    def destroy(self, path: str) -> None:
        """The file system is unmounted."""
        self._call(self._tree.close())

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """The attributes of a file, as stat(2) names them."""
        return stat_fields(self._call(self._tree.getattr(place(path))))

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        """The entries of a directory."""
        for name in (".", ".."):
            yield name, {}, 0
        for entry in self._call(self._tree.readdir(place(path))):
            yield entry.name, {"st_mode": entry.mode, "st_ino": entry.fileid}, 0

    def readlink(self, path: str) -> str:
        """The text of a symbolic link."""
        return text(self._call(self._tree.readlink(place(path))))

    def access(self, path: str, amode: int) -> int:
        """Whether access(2) permits; the number of an error if not."""
        if not amode or self._call(self._tree.access(place(path), amode)):
            return 0
        return -errno.EACCES

    def mknod(self, path: str, mode: int, dev: int) -> None:
        """Create a special file."""
        self._call(self._tree.mknod(place(path), mode, dev))

    def mkdir(self, path: str, mode: int) -> None:
        """Create a directory."""
        self._call(self._tree.mkdir(place(path), mode))

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self._call(self._tree.unlink(place(path)))

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self._call(self._tree.rmdir(place(path)))

    def symlink(self, target: str, source: str) -> None:
        """Create a symbolic link at ``target`` with the text ``source``."""
        self._call(self._tree.symlink(place(target), encoded(source)))

    def rename(self, old: str, new: str) -> None:
        """Rename a file or directory."""
        self._call(self._tree.rename(place(old), place(new)))

    def link(self, target: str, source: str) -> None:
        """Create a hard link at ``target`` to ``source``."""
        self._call(self._tree.link(place(source), place(target)))

    def chmod(self, path: str, mode: int) -> None:
        """Set the permissions."""
        self._set(path, NewAttributes(mode=mode & 0o7777))

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Set owner and group; -1 leaves one alone."""
        owner, group = (None if number == -1 else number for number in (uid, gid))
        self._set(path, NewAttributes(uid=owner, gid=group))

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        """Set the size."""
        self._set(path, NewAttributes(size=length))

    def utimens(self, path: str, times: tuple[FILE_TIME, FILE_TIME]) -> None:
        """Set the times of access and modification."""
        self._set(path, NewAttributes(atime=times[0], mtime=times[1]))

    def _set(self, path: str, new: NewAttributes) -> None:
        self._call(self._tree.setattr(place(path), new))

    def statfs(self, path: str) -> Mapping[str, int]:
        """Space and number of files, as statvfs(3) names them."""
        space, name_max = self._call(self._tree.statfs())
        return {
            "f_bsize": BLOCK,
            "f_frsize": BLOCK,
            "f_blocks": space.total_bytes // BLOCK,
            "f_bfree": space.free_bytes // BLOCK,
            "f_bavail": space.available_bytes // BLOCK,
            "f_files": space.total_files,
            "f_ffree": space.free_files,
            "f_favail": space.available_files,
            "f_namemax": name_max,
        }

    def open(self, path: str, flags: int) -> int:
        """Open a file; returns its number."""
        return self._call(self._tree.open(place(path), flags))

    def create(self, path: str, mode: int, flags: int) -> int:
        """Create a file and open it; returns its number."""
        return self._call(self._tree.create(place(path), mode & 0o7777, flags))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Read from an open file."""
        return self._call(self._tree.read(fh, size, offset))

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write to an open file."""
        return self._call(self._tree.write(fh, data, offset))

    def flush(self, path: str, fh: int) -> None:
        """Store what was written: a descriptor of the file is closed."""
        self._call(self._tree.flush(fh))

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        """Store what was written."""
        self._call(self._tree.flush(fh))

    def release(self, path: str, fh: int) -> None:
        """Close the file: its last descriptor is closed."""
        self._call(self._tree.release(fh))


def place(path: str) -> bytes:
    """The path for ``MountedTree``."""
    return encoded(path).strip(b"/")


def encoded(name: str) -> bytes:
    """A name as the server has it; mfusepy decodes names as UTF-8 with ``surrogateescape``."""
    return name.encode("utf-8", "surrogateescape")


def text(name: bytes) -> str:
    """A name of the server for mfusepy."""
    return name.decode("utf-8", "surrogateescape")


def stat_fields(stat: FileStat) -> dict[str, int]:
    """The attributes as stat(2) names them; times are nanoseconds."""
    return {
        "st_mode": stat.mode,
        "st_ino": stat.fileid,
        "st_nlink": stat.nlink,
        "st_uid": stat.uid,
        "st_gid": stat.gid,
        "st_size": stat.size,
        "st_blksize": BLOCK,
        "st_blocks": -(-stat.used // SECTOR),
        "st_rdev": os.makedev(*stat.device),
        "st_atime": stat.atime_ns,
        "st_mtime": stat.mtime_ns,
        "st_ctime": stat.ctime_ns,
    }
