"""``PathTree``: an ``Operations`` object of mfusepy or fusepy, whose methods have paths."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from oncrpc.nfs.backends.fuse.changes import AttributeChanges
from oncrpc.nfs.backends.fuse.known import KnownFile, KnownFiles
from oncrpc.nfs.backends.fuse.listings import MAX_ENTRIES
from oncrpc.nfs.backends.fuse.objects import made_object
from oncrpc.nfs.backends.fuse.path_context import calling_for, replace_context_functions
from oncrpc.nfs.backends.fuse.stat_values import (
    SECOND,
    TYPE_BITS,
    UNKNOWN_SPACE,
    attributes_of,
    checked_target,
    is_entry,
    space_of,
)
from oncrpc.nfs.backends.fuse.tree import FileInTree, MadeFile, OperationsTree
from oncrpc.nfs.filesystem import Attributes, Features, Identity, SpaceInfo
from oncrpc.nfs.posix import refusal

NOBODY_ASKS = Identity(0, 0)
"""The user of calls that no client makes, such as ``release``."""


class PathTree(OperationsTree):
    """The tree of an object, or of a class or function that makes one.

    Names are decoded with ``encoding``, as fusepy does. With more than one of ``threads`` the
    methods run at the same time in as many threads.
    """

    opens_for_both = False  # objects often open a new file for writing only

    def __init__(
        self, operations: Any, files: KnownFiles, *, encoding: str, threads: int, max_file_size: int
    ) -> None:
        self.files, self._operations, self._encoding = files, operations, encoding
        self._pool = ThreadPoolExecutor(threads, "fuse-call") if threads > 1 else None
        self._nanoseconds = bool(getattr(operations, "use_ns", False))
        self.features = Features(
            hard_links=self._has("link"), symlinks=self._has("symlink"),
            special_files=self._has("mknod"),
            settable_times=self._nanoseconds and self._has("utimens"),
            time_delta=1 if self._nanoseconds else SECOND // 1_000_000,
            counts_directories=False, link_max=65000, max_file_size=max_file_size,
        )  # fmt: skip

    async def begin(self) -> None:
        self._operations = made_object(self._operations)
        self._nanoseconds = bool(getattr(self._operations, "use_ns", False))
        replace_context_functions()
        if self._has("init_with_config"):
            await self._call(NOBODY_ASKS, "init_with_config", None, None)
        elif self._has("init"):
            await self._call(NOBODY_ASKS, "init", "/")

    async def end(self) -> None:
        if self._has("destroy"):
            await self._call(NOBODY_ASKS, "destroy", "/")
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    # Attributes and names

    async def getattr(self, who: Identity, file: KnownFile) -> Attributes:
        return await self._getattr(who, self._path(file), file)

    async def _getattr(self, who: Identity, path: str, file: KnownFile) -> Attributes:
        values = await self._call(who, "getattr", path)
        return attributes_of(values, fileid=file.number, nanoseconds=self._nanoseconds)

    async def lookup(self, who: Identity, directory: KnownFile, name: bytes) -> FileInTree:
        known = self.files.find(directory, name)
        path = self._path_of(directory, name)
        attributes = await self._getattr(who, path, known or directory)
        file = self.files.named(directory, name)
        return FileInTree(file, attributes._replace(fileid=file.number))

    async def names(self, who: Identity, directory: KnownFile) -> Iterable[tuple[bytes, int]]:
        path = self._path(directory)
        handle = await self._call(who, "opendir", path) if self._has("opendir") else 0
        try:
            found = await self._call(who, "", path, handle)
        finally:
            if self._has("releasedir"):
                await self._call(who, "releasedir", path, handle)
        return [(name, 0) for name in found]

    def _listed(self, path: str, handle: int) -> set[bytes]:
        """The names in a directory; the object may return a generator, so this runs in its
        thread."""
        if self._has("readdir_with_offset"):
            items = self._operations.readdir_with_offset(path, 0, handle)
        else:
            items = self._operations.readdir(path, handle)
        found = set[bytes]()
        for item in items:
            name = self._encoded(item if isinstance(item, str) else item[0])
            if is_entry(name, self.features.name_max):
                found.add(name)
            if len(found) > MAX_ENTRIES:
                raise refusal(errno.EFBIG)
        return found

    def fileid(self, directory: KnownFile, name: bytes, listed: int) -> int:
        return self.files.named(directory, name).number

    async def readlink(self, who: Identity, file: KnownFile) -> bytes:
        return checked_target(self._encoded(await self._call(who, "readlink", self._path(file))))

    async def statfs(self, who: Identity, file: KnownFile) -> SpaceInfo:
        if not self._has("statfs"):
            return UNKNOWN_SPACE
        return space_of(await self._call(who, "statfs", self._path(file)))

    # Changes

    async def change(
        self, who: Identity, file: KnownFile, found: Attributes, changes: AttributeChanges
    ) -> None:
        path = self._path(file)
        if changes.size is not None:
            await self._call(who, "truncate", path, changes.size)
        if changes.uid is not None:
            await self._call(who, "chown", path, changes.uid, changes.gid)
        if changes.mode is not None:
            await self._call(who, "chmod", path, TYPE_BITS[found.kind] | changes.mode)
        if changes.atime is not None and changes.mtime is not None:
            times = (changes.atime, changes.mtime)
            if not self._nanoseconds:
                times = (changes.atime / SECOND, changes.mtime / SECOND)  # type: ignore[assignment]  # seconds
            await self._call(who, "utimens", path, times)

    async def create(self, who: Identity, directory: KnownFile, name: bytes, mode: int) -> MadeFile:
        path, full = self._path_of(directory, name), stat.S_IFREG | mode
        if not self._has("create"):
            await self._call(who, "mknod", path, full, 0)
            return MadeFile(self.files.add(directory, name))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        takes_flags = len(inspect.signature(self._operations.create).parameters) > 2
        arguments = (path, full, flags) if takes_flags else (path, full)
        handle = await self._call(who, "create", *arguments)
        return MadeFile(self.files.add(directory, name), int(handle or 0))

    async def mkdir(self, who: Identity, directory: KnownFile, name: bytes, mode: int) -> MadeFile:
        await self._call(who, "mkdir", self._path_of(directory, name), mode)
        return MadeFile(self.files.add(directory, name))

    async def symlink(
        self, who: Identity, directory: KnownFile, name: bytes, target: bytes
    ) -> MadeFile:
        path = self._path_of(directory, name)
        await self._call(who, "symlink", path, self._decoded(target))
        return MadeFile(self.files.add(directory, name))

    async def mknod(
        self, who: Identity, directory: KnownFile, name: bytes, *, mode: int, device: int
    ) -> MadeFile:
        await self._call(who, "mknod", self._path_of(directory, name), mode, device)
        return MadeFile(self.files.add(directory, name))

    async def remove(
        self, who: Identity, directory: KnownFile, name: bytes, *, as_directory: bool
    ) -> None:
        method = "rmdir" if as_directory else "unlink"
        await self._call(who, method, self._path_of(directory, name))

    async def rename(
        self,
        who: Identity,
        directory: KnownFile,
        name: bytes,
        to_directory: KnownFile,
        to_name: bytes,
    ) -> None:
        old, new = self._path_of(directory, name), self._path_of(to_directory, to_name)
        await self._call(who, "rename", old, new)

    async def link(self, who: Identity, file: KnownFile, directory: KnownFile, name: bytes) -> None:
        await self._call(who, "link", self._path_of(directory, name), self._path(file))

    # Data

    async def open(self, who: Identity, file: KnownFile, flags: int) -> int:
        if not self._has("open"):
            return 0
        return int(await self._call(who, "open", self._path(file), flags) or 0)

    async def read(self, file: KnownFile, handle: int, offset: int, count: int) -> bytes:
        data = await self._call(NOBODY_ASKS, "read", self._path(file), count, offset, handle)
        return bytes(data or b"")[:count]

    async def write(self, file: KnownFile, handle: int, offset: int, data: bytes) -> int:
        written = await self._call(NOBODY_ASKS, "write", self._path(file), data, offset, handle)
        return min(int(written or 0), len(data))

    async def flush(self, file: KnownFile, handle: int) -> None:
        if self._has("flush"):
            await self._call(NOBODY_ASKS, "flush", self._last_path(file), handle)

    async def fsync(self, file: KnownFile, handle: int) -> bool:
        if not self._has("fsync"):
            return False
        await self._call(NOBODY_ASKS, "fsync", self._path(file), 0, handle)
        return True

    async def release(self, file: KnownFile, handle: int) -> None:
        if self._has("release"):
            await self._call(NOBODY_ASKS, "release", self._last_path(file), handle)

    # Calls

    def _path(self, file: KnownFile) -> str:
        return self._decoded(self.files.path(file))

    def _last_path(self, file: KnownFile) -> str:
        """The path, or the empty string for a file that has been removed: it must be closed too."""
        try:
            return self._path(file)
        except OSError:
            return ""

    def _path_of(self, directory: KnownFile, name: bytes) -> str:
        path = self.files.path(directory)
        return self._decoded(path + name if path == b"/" else path + b"/" + name)

    def _decoded(self, name: bytes) -> str:
        return name.decode(self._encoding, "surrogateescape")

    def _encoded(self, name: str) -> bytes:
        return name.encode(self._encoding, "surrogateescape")

    def _has(self, name: str) -> bool:
        """Whether the object has a method. mfusepy marks those that only refuse."""
        method = getattr(self._operations, name, None)
        return method is not None and not getattr(method, "libfuse_ignore", False)

    async def _call(self, who: Identity, name: str, *arguments: Any) -> Any:
        """Call a method, the listing if the name is empty.

        Raises:
            OSError: the object raised it, or returned a negative errno.
        """
        if self._pool is None:
            return self._called(who, name, arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._called, who, name, arguments)

    def _called(self, who: Identity, name: str, arguments: tuple[Any, ...]) -> Any:
        method = getattr(self._operations, name, None) if name else self._listed
        if method is None:
            raise refusal(errno.EOPNOTSUPP)
        try:
            with calling_for(who):
                result = method(*arguments)
        except OSError as error:  # one of a class of the module has no class for its errno
            raise refusal(error.errno or errno.EIO) from error
        if isinstance(result, int) and result < 0:
            raise refusal(-result)
        return result
