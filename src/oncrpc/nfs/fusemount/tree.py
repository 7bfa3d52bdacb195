"""The files of a mount by path: what the kernel asks for, as calls of NFS.

All methods run in one event loop. Paths are below the mounted directory, without a slash at the
ends; that of the mounted directory is empty. The kernel follows symbolic links itself.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat as modes
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from oncrpc.errors import LimitExceeded
from oncrpc.nfs.client.errors import NfsStatusError
from oncrpc.nfs.client.filesystem import KINDS, access_bits
from oncrpc.nfs.client.listing import entries
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.open_handle import STALE, OpenHandle
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.results import FileHandle, FileStat, FoundFile
from oncrpc.nfs.filesystem import NOW, NewAttributes, SpaceInfo
from oncrpc.nfs.fusemount.known_files import RememberedFile, RememberedFiles, name_of, parent_of
from oncrpc.nfs.fusemount.open_files import MountedFiles
from oncrpc.programs.nfs3 import NFS3_CREATEVERFSIZE, nfsstat3

T = TypeVar("T")
LIFETIME = 1.0
"""Seconds for which attributes are used: in this program, and again in the kernel."""

ACCESS_OF_OPEN = {os.O_RDONLY: os.R_OK, os.O_WRONLY: os.W_OK, os.O_RDWR: os.R_OK | os.W_OK}


MAX_LISTING = 512 << 20
"""Bytes of memory for the listing of a directory in ``nfs mount``."""

ENTRY_COST = 200
"""Bytes of an entry in memory, without its name."""


class MountEntry(NamedTuple):
    """An entry of a directory, without what the kernel does not want: they may be many."""

    name: str
    mode: int
    fileid: int


class MountedTree:
    """The files below the directory ``root`` of a server."""

    def __init__(self, target: ServerTarget, operations: Operations, root: FileHandle) -> None:
        self.target, self.calls, self.root = target, operations, root
        self.known = RememberedFiles(lifetime=LIFETIME, clock=target.clock)
        self.files = MountedFiles()
        self._name_max: int | None = None

    async def close(self) -> None:
        """Close all files and the connection."""
        await self.files.close()
        self.calls.pipeline.close()

    async def getattr(self, path: bytes) -> FileStat:
        """The attributes of a file, after all writes of this mount so far."""

        async def current() -> FileStat:
            known = await self._look_up(path)
            file = self.files.by_handle(known.handle)
            return known.stat if file is None else await file.stat()

        return await self._retried(current)

    async def readdir(self, path: bytes) -> list[MountEntry]:
        """The entries of a directory; their attributes are remembered for the next questions.

        Raises:
            LimitExceeded: they need too much memory.
        """

        async def listed() -> list[MountEntry]:
            found, left = list[MountEntry](), MAX_LISTING
            directory = await self._handle(path)
            async for entry in entries(OpenHandle(self.calls, directory)):
                name = os.fsencode(entry.name)
                self.known.add(path + b"/" + name if path else name, entry.handle, entry.stat)
                found.append(MountEntry(entry.name, entry.stat.mode, entry.stat.fileid))
                left -= ENTRY_COST + len(name)
                if left < 0:
                    raise LimitExceeded(f"a listing of over {MAX_LISTING >> 20} MiB")
            return found

        return await self._retried(listed)

    async def readlink(self, path: bytes) -> bytes:
        """The text of a symbolic link."""
        return await self._on_file(path, self.calls.readlink)

    async def access(self, path: bytes, mode: int) -> bool:
        """Whether the server permits ``mode`` of ``os.access``; version 2 cannot tell."""
        known = await self._look_up(path)
        wanted = access_bits(mode, directory=known.stat.is_dir())
        try:
            granted = await self._on_file(path, lambda file: self.calls.access(file, wanted))
        except NfsStatusError as error:
            if error.status is nfsstat3.NFS3ERR_NOTSUPP:
                return True
            raise
        return granted == wanted

    async def mkdir(self, path: bytes, mode: int) -> None:
        """Create a directory."""
        new = NewAttributes(mode=mode)
        await self._on_name(path, lambda above, name: self.calls.mkdir(above, name, new))

    async def symlink(self, path: bytes, text: bytes) -> None:
        """Create a symbolic link with this text."""
        new = NewAttributes(mode=0o777)
        await self._on_name(path, lambda above, name: self.calls.symlink(above, name, text, new))

    async def mknod(self, path: bytes, mode: int, device: int) -> None:
        """Create a special file, or an empty regular file."""
        new = NewAttributes(mode=modes.S_IMODE(mode))
        kind = KINDS.get(modes.S_IFMT(mode))

        async def make(above: FileHandle, name: bytes) -> None:
            if kind is None:
                await self.calls.create(above, name, new, guarded=True)
                return
            numbers = (os.major(device), os.minor(device))
            await self.calls.mknod(above, name, kind, new=new, device=numbers)

        await self._on_name(path, make)

    async def unlink(self, path: bytes) -> None:
        """Remove a file."""
        await self._on_name(path, self.calls.remove)

    async def rmdir(self, path: bytes) -> None:
        """Remove an empty directory."""
        await self._on_name(path, self.calls.rmdir)
        self.known.clear()

    async def rename(self, path: bytes, new_path: bytes) -> None:
        """Rename a file or a directory; an existing target is replaced."""

        async def rename() -> None:
            above, new_above = await self._above(path), await self._above(new_path)
            await self.calls.rename(above, name_of(path), new_above, name_of(new_path))

        await self._retried(rename)
        self.known.clear()

    async def link(self, path: bytes, new_path: bytes) -> None:
        """Create a hard link to ``path`` at ``new_path``."""

        async def link(above: FileHandle, name: bytes) -> None:
            await self.calls.link(await self._handle(path), above, name)

        await self._on_name(new_path, link)
        self.known.forget(path)

    async def setattr(self, path: bytes, new: NewAttributes) -> None:
        """Set attributes, after all writes of this mount so far."""

        async def change(handle: FileHandle) -> None:
            file = self.files.by_handle(handle)
            if file is not None and new.size is not None:
                await file.truncate(new.size)
                return
            if file is not None:
                await file.stat()  # waits for the WRITEs, which would change the times again
            await self.calls.setattr(handle, new)

        await self._on_file(path, change)
        self.known.forget(path)

    async def statfs(self) -> tuple[SpaceInfo, int]:
        """Space and number of files of the file system, and the longest name."""
        if self._name_max is None:
            limits = await self._on_file(b"", self.calls.pathconf)
            self._name_max = limits.name_max
        return await self._on_file(b"", self.calls.fsstat), self._name_max

    async def open(self, path: bytes, flags: int) -> int:
        """Open a file; returns its number.

        NFS has no OPEN: the server is asked for permission, so that an error comes now and not
        with the first READ or WRITE.
        """
        wanted = ACCESS_OF_OPEN.get(flags & os.O_ACCMODE, os.R_OK)
        if not await self._is_permitted(path, wanted):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        async def opened() -> int:
            known = await self._look_up(path)
            if flags & os.O_TRUNC and known.stat.size:
                await self.setattr(path, NewAttributes(size=0))
            return self._open(path, known.handle, known.stat)

        return await self._retried(opened)

    async def create(self, path: bytes, mode: int, flags: int) -> int:
        """Create a file and open it; returns its number."""

        async def made(above: FileHandle, name: bytes) -> int:
            found = await self._created(above, name, mode, exclusive=bool(flags & os.O_EXCL))
            stat = found.stat or await self.calls.getattr(found.handle)
            return self._open(path, found.handle, stat)

        return await self._on_name(path, made)

    async def read(self, number: int, size: int, offset: int) -> bytes:
        """Read from an open file; fewer bytes only at its end."""
        return await self.files.by_number(number).file.pread(size, offset)

    async def write(self, number: int, data: bytes, offset: int) -> int:
        """Write to an open file. The data may be on their way when this returns."""
        shared = self.files.by_number(number)
        self.known.forget(shared.path)
        return await shared.file.pwrite(data, offset)

    async def flush(self, number: int) -> None:
        """Wait until all written data of a file are stored; ``close`` and ``fsync`` do it."""
        await self.files.by_number(number).file.flush()

    async def release(self, number: int) -> None:
        """Close a number of an open file."""
        await self.files.release(number)

    async def _is_permitted(self, path: bytes, wanted: int) -> bool:
        """Whether a file may be opened. One that may be executed may be read (RFC 1813 §4.4)."""
        if await self.access(path, wanted):
            return True
        return wanted == os.R_OK and await self.access(path, os.X_OK)

    def _open(self, path: bytes, handle: FileHandle, stat: FileStat) -> int:
        async def find() -> FoundFile:
            self.known.clear()
            found = await self._look_up(path)
            return FoundFile(found.handle, found.stat)

        kept = OpenHandle(self.calls, handle, fileid=stat.fileid, find=find)
        return self.files.open(kept, path)

    async def _created(
        self, above: FileHandle, name: bytes, mode: int, *, exclusive: bool
    ) -> FoundFile:
        """Create a file. With EXCLUSIVE its attributes hold the verifier until they are set."""
        if not exclusive:
            new = NewAttributes(mode=mode, size=0)
            return await self.calls.create(above, name, new, guarded=False)
        verifier = secrets.token_bytes(NFS3_CREATEVERFSIZE)
        found = await self.calls.create_exclusive(above, name, verifier)
        await self.calls.setattr(found.handle, NewAttributes(mode=mode, atime=NOW, mtime=NOW))
        return FoundFile(found.handle, None)

    async def _on_file(self, path: bytes, use: Callable[[FileHandle], Awaitable[T]]) -> T:
        async def used() -> T:
            return await use(await self._handle(path))

        return await self._retried(used)

    async def _on_name(self, path: bytes, use: Callable[[FileHandle, bytes], Awaitable[T]]) -> T:
        """Change the name of a path in its directory."""

        async def used() -> T:
            return await use(await self._above(path), name_of(path))

        try:
            return await self._retried(used)
        finally:
            self.known.forget(path)

    async def _above(self, path: bytes) -> FileHandle:
        return await self._handle(parent_of(path))

    async def _handle(self, path: bytes) -> FileHandle:
        return (await self._look_up(path)).handle if path else self.root

    async def _look_up(self, path: bytes) -> RememberedFile:
        """Find a file, by the nearest directory above it that is known."""
        known = self.known.get(path)
        if known is not None:
            return known
        if not path:
            return self.known.add(path, self.root, await self.calls.getattr(self.root))
        found = await self.calls.lookup(await self._above(path), name_of(path))
        stat = found.stat or await self.calls.getattr(found.handle)
        return self.known.add(path, found.handle, stat)

    async def _retried(self, use: Callable[[], Awaitable[T]]) -> T:
        """Make calls; if a handle is stale, forget what is known and try once more."""
        try:
            return await use()
        except NfsStatusError as error:
            if error.status not in STALE:
                raise
        self.known.clear()
        try:
            await self.calls.getattr(self.root)
        except NfsStatusError as error:
            if error.status not in STALE:
                raise
            self.root = await self.target.remount(self.calls)
        return await use()
