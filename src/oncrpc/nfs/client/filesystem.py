"""A mounted directory of a server: the functions of ``os``, by path or by handle."""

from __future__ import annotations

import errno
import os
import secrets
import stat as modes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oncrpc.nfs.client.copy_remote import RemoteTree
from oncrpc.nfs.client.copy_report import CopyOptions, CopyReport
from oncrpc.nfs.client.errors import refusal
from oncrpc.nfs.client.file import Data, OpenMode, RemoteFile, check_size
from oncrpc.nfs.client.listing import entries, pages
from oncrpc.nfs.client.locking import LockHolder, LockManagerClient, RangeToLock
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.path_operations import PathOperations, found_of, naming
from oncrpc.nfs.client.paths import Ending, Located, RemotePath, parent_of, text_of
from oncrpc.nfs.client.reading import read_all
from oncrpc.nfs.client.results import (
    SECOND,
    FileHandle,
    FileStat,
    FoundFile,
    PathLimits,
    RemoteEntry,
    ServerLimits,
)
from oncrpc.nfs.filesystem import NOW, NewAttributes, SpaceInfo
from oncrpc.programs.nfs3 import (
    ACCESS3_EXECUTE,
    ACCESS3_EXTEND,
    ACCESS3_LOOKUP,
    ACCESS3_MODIFY,
    ACCESS3_READ,
    NFS3_CREATEVERFSIZE,
    ftype3,
    nfsstat3,
)

FILE_MODE, DIRECTORY_MODE = 0o644, 0o755
"""The default permissions of new files and directories."""

KINDS = {
    modes.S_IFIFO: ftype3.NF3FIFO,
    modes.S_IFSOCK: ftype3.NF3SOCK,
    modes.S_IFCHR: ftype3.NF3CHR,
    modes.S_IFBLK: ftype3.NF3BLK,
}
"""The special files that ``mknod`` creates, by the type bits of the mode."""


class RemoteFileSystem:
    """A directory of a server, mounted by ``oncrpc.nfs.connect``.

    The methods are coroutines with the names of functions of ``os`` and ``pathlib``. A path is
    relative to the mounted directory, with or without a leading ``/``. Each method also takes a
    ``FileHandle``, or ``handle / "name"``, in place of a path.

    If the server refuses, a method raises an ``NfsStatusError``, which is an ``OSError``. The
    client follows symbolic links itself: an absolute link begins at the mounted directory, and no
    path leads out of it.
    """

    def __init__(self, target: ServerTarget, operations: Operations, root: FileHandle) -> None:
        self._target, self._calls = target, operations
        self._paths = PathOperations(target, operations, root)
        self._locks = LockManagerClient(target)
        self.tree = RemoteTree(self._paths)
        """The files, for ``copy_trees``."""

    def __repr__(self) -> str:
        where = f"{self._target.url.host}:{os.fsdecode(self._target.url.path)}"
        return f"<RemoteFileSystem {where} by NFS {self.version}>"

    @property
    def version(self) -> int:
        """The version of NFS, 3 or 2."""
        return self._calls.version

    @property
    def root(self) -> FileHandle:
        """The handle of the mounted directory."""
        return self._paths.root

    async def handle(self, path: RemotePath) -> FileHandle:
        """The handle of a file. Symbolic links are followed."""

        async def same(handle: FileHandle) -> FileHandle:
            return handle

        return await self._paths.file(path, same)

    async def stat(self, path: RemotePath) -> FileStat:
        """The attributes of a file. Symbolic links are followed."""
        return await self._paths.stat(path)

    async def lstat(self, path: RemotePath) -> FileStat:
        """The attributes of a file, or of a symbolic link itself."""
        return await self._paths.stat(path, follow=False)

    async def exists(self, path: RemotePath) -> bool:
        """Whether the file exists; False also for a broken symbolic link."""
        try:
            await self.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    async def access(self, path: RemotePath, mode: int) -> bool:
        """Whether the server permits all of ``os.R_OK``, ``os.W_OK`` and ``os.X_OK`` in ``mode``.

        Raises:
            NfsStatusError: NFS3ERR_NOTSUPP: version 2 of NFS cannot tell.
        """
        stat, file = await self.stat(path), await self.handle(path)
        wanted = access_bits(mode, directory=stat.is_dir())
        return not wanted or await self._calls.access(file, wanted) == wanted

    async def listdir(self, path: RemotePath = "/") -> list[str]:
        """The names in a directory, in the order of the server."""
        directory, _ = await self._paths.opened(path)
        with naming(path):
            return [
                os.fsdecode(entry.name)
                async for page in pages(directory, plus=False)
                for entry in page
            ]

    async def scandir(self, path: RemotePath = "/") -> AsyncIterator[RemoteEntry]:
        """The entries of a directory with their attributes, page by page from the server."""
        directory, _ = await self._paths.opened(path)
        with naming(path):
            async for entry in entries(directory):
                yield entry

    async def readlink(self, path: RemotePath) -> str:
        """The text of a symbolic link."""
        return os.fsdecode(await self._paths.file(path, self._calls.readlink, follow=False))

    async def read_bytes(self, path: RemotePath) -> bytes:
        """The content of a file."""
        file, stat = await self._paths.opened(path)
        with naming(path):
            return await read_all(file, stat.size)

    async def write_bytes(self, path: RemotePath, data: Data) -> int:
        """Create or overwrite a file with these data; returns the number of bytes."""
        async with await self.open(path, "wb") as file:
            return await file.write(data)

    async def open(
        self, path: RemotePath, mode: str = "rb", *, permissions: int = FILE_MODE
    ) -> RemoteFile:
        """Open a file in one of the binary modes of Python's ``open``.

        Use it as ``async with await fs.open(path) as file``, which closes the file. ``x`` creates
        the file with EXCLUSIVE (RFC 1813 §3.3.8). ``a`` starts at the present end of the file: NFS
        has no append that is safe with several writers. ``permissions`` are those of a new file.

        Raises:
            FileExistsError, FileNotFoundError, IsADirectoryError: as ``open``. ValueError: an
                invalid mode.
        """
        parsed = OpenMode.parse(mode)

        async def with_place(located: Located) -> tuple[FileHandle, FileStat]:
            return await self._opened(located, parsed.first, permissions)

        ending = Ending.LEAVE if parsed.first == "x" else Ending.FOLLOW
        handle, stat = await self._paths.located(path, with_place, ending)
        file = self._paths.open_handle(path, handle, stat)
        position = stat.size if parsed.first == "a" else 0
        return RemoteFile(file, name=text_of(path), mode=mode, position=position)

    async def _opened(
        self, located: Located, first: str, permissions: int
    ) -> tuple[FileHandle, FileStat]:
        if first == "x":
            found = await self._created_exclusive(located, permissions)
        elif located.found is None and first != "r":
            new = NewAttributes(mode=permissions, size=0)
            found = await self._calls.create(located.directory, located.name, new, guarded=False)
        else:
            found = found_of(located)
        stat = await self._paths.stat_of(found)
        if stat.is_dir():
            raise refusal(nfsstat3.NFS3ERR_ISDIR)
        if first == "w" and stat.size:
            await self._calls.setattr(found.handle, NewAttributes(size=0))
            stat = stat._replace(size=0)
        return found.handle, stat

    async def _created_exclusive(self, located: Located, permissions: int) -> FoundFile:
        """Create a file, then set its attributes: until then they hold the verifier."""
        if not located.name:
            raise refusal(nfsstat3.NFS3ERR_EXIST)
        verifier = secrets.token_bytes(NFS3_CREATEVERFSIZE)
        found = await self._calls.create_exclusive(located.directory, located.name, verifier)
        new = NewAttributes(mode=permissions, atime=NOW, mtime=NOW)
        await self._calls.setattr(found.handle, new)
        return FoundFile(found.handle, None)

    async def mkdir(
        self,
        path: RemotePath,
        mode: int = DIRECTORY_MODE,
        *,
        parents: bool = False,
        exist_ok: bool = False,
    ) -> None:
        """Create a directory; ``parents`` and ``exist_ok`` as in ``pathlib.Path.mkdir``."""

        async def make(directory: FileHandle, name: bytes) -> None:
            await self._calls.mkdir(directory, name, NewAttributes(mode=mode))

        try:
            await self._paths.name(path, make, unnamed=errno.EEXIST)
        except FileNotFoundError:
            above = parent_of(path)
            if not parents or above is None:
                raise
            await self.mkdir(above, parents=True, exist_ok=True)
            await self.mkdir(path, mode, exist_ok=exist_ok)
        except FileExistsError:
            if not exist_ok or not (await self.stat(path)).is_dir():
                raise

    async def rmdir(self, path: RemotePath) -> None:
        """Remove an empty directory."""
        await self._paths.name(path, self._calls.rmdir)

    async def unlink(self, path: RemotePath, *, missing_ok: bool = False) -> None:
        """Remove a file or a symbolic link."""
        try:
            await self._paths.name(path, self._calls.remove)
        except FileNotFoundError:
            if not missing_ok:
                raise

    async def rename(self, source: RemotePath, target: RemotePath) -> None:
        """Rename a file or directory; replace an existing target, as ``os.replace`` does."""

        async def from_name(directory: FileHandle, name: bytes) -> None:
            async def to_name(to_directory: FileHandle, new_name: bytes) -> None:
                with naming(source, target):
                    await self._calls.rename(directory, name, to_directory, new_name)

            await self._paths.name(target, to_name)

        await self._paths.name(source, from_name)

    async def link(self, source: RemotePath, target: RemotePath) -> None:
        """Create a hard link to ``source`` at ``target``. Symbolic links are followed."""

        async def from_file(file: FileHandle) -> None:
            async def to_name(directory: FileHandle, name: bytes) -> None:
                with naming(source, target):
                    await self._calls.link(file, directory, name)

            await self._paths.name(target, to_name, unnamed=errno.EEXIST)

        await self._paths.file(source, from_file)

    async def symlink(self, text: str | bytes | os.PathLike[str], path: RemotePath) -> None:
        """Create a symbolic link at ``path`` with this text."""

        async def make(directory: FileHandle, name: bytes) -> None:
            new = NewAttributes(mode=0o777)
            await self._calls.symlink(directory, name, os.fsencode(text), new)

        await self._paths.name(path, make, unnamed=errno.EEXIST)

    async def mknod(
        self, path: RemotePath, mode: int = FILE_MODE | modes.S_IFIFO, device: int = 0
    ) -> None:
        """Create a named pipe, a socket or a device, by the upper bits of ``mode``.

        Raises:
            ValueError: ``mode`` is that of another type of file. NfsStatusError: NFS3ERR_NOTSUPP:
                version 2 of NFS has no MKNOD.
        """
        kind = KINDS.get(modes.S_IFMT(mode))
        if kind is None:
            raise ValueError(f"mode {mode:#o} is not that of a special file")
        new, numbers = NewAttributes(mode=modes.S_IMODE(mode)), (os.major(device), os.minor(device))

        async def make(directory: FileHandle, name: bytes) -> None:
            await self._calls.mknod(directory, name, kind, new=new, device=numbers)

        await self._paths.name(path, make, unnamed=errno.EEXIST)

    async def chmod(self, path: RemotePath, mode: int) -> None:
        """Set the permissions."""
        await self._set(path, NewAttributes(mode=modes.S_IMODE(mode)))

    async def chown(
        self, path: RemotePath, uid: int = -1, gid: int = -1, *, follow_symlinks: bool = True
    ) -> None:
        """Set the owner and the group; -1 keeps the present one."""
        owner, group = (None if number == -1 else number for number in (uid, gid))
        await self._set(path, NewAttributes(uid=owner, gid=group), follow=follow_symlinks)

    async def utime(
        self,
        path: RemotePath,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Set the times of access and modification, in seconds or nanoseconds; default now."""
        if ns is None and times is not None:
            ns = round(times[0] * SECOND), round(times[1] * SECOND)
        atime, mtime = (NOW, NOW) if ns is None else ns
        await self._set(path, NewAttributes(atime=atime, mtime=mtime), follow=follow_symlinks)

    async def truncate(self, path: RemotePath, size: int) -> None:
        """Cut or extend a file to this size.

        Raises:
            OSError: EINVAL: the size is negative.
        """
        check_size(size, path)
        await self._set(path, NewAttributes(size=size))

    async def _set(self, path: RemotePath, new: NewAttributes, *, follow: bool = True) -> None:
        await self._paths.file(path, lambda handle: self._calls.setattr(handle, new), follow=follow)

    async def copy_in(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        options: CopyOptions | None = None,
        report: CopyReport | None = None,
    ) -> CopyReport:
        """Copy a local file or directory to the server, as cp(1) does.

        ``report`` counts files and receives errors; without it, the first error is raised at the
        end.

        Raises:
            CopyFailure: an ``OSError``: it was not copied, or a part of it was not.
        """
        from oncrpc.nfs.client.copy_local import LocalTree
        from oncrpc.nfs.client.copy_places import CopySource, CopyTarget
        from oncrpc.nfs.client.copying import copied

        local, remote = CopySource.of(LocalTree(), source), CopyTarget.of(self.tree, target)
        return await copied(local, remote, options or CopyOptions(), report)

    async def copy_out(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        options: CopyOptions | None = None,
        report: CopyReport | None = None,
    ) -> CopyReport:
        """Copy a file or directory of the server to this host, as ``copy_in`` does."""
        from oncrpc.nfs.client.copy_local import LocalTree
        from oncrpc.nfs.client.copy_places import CopySource, CopyTarget
        from oncrpc.nfs.client.copying import copied

        remote, local = CopySource.of(self.tree, source), CopyTarget.of(LocalTree(), target)
        return await copied(remote, local, options or CopyOptions(), report)

    @asynccontextmanager
    async def lock(
        self,
        path: RemotePath,
        *,
        exclusive: bool = True,
        offset: int = 0,
        length: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[None]:
        """Hold a lock on a range of a file while the context lasts; version 3 only.

        ``length`` 0 locks to the end of the file. ``timeout`` is how many seconds to wait for a
        conflicting lock: None waits for ever, 0 does not wait. Locks that are not exclusive do not
        conflict with each other. Locks are advisory. Flush written data before the context ends. A
        server that restarts forgets the lock.

        Raises:
            BlockingIOError: another client or user holds a conflicting lock after ``timeout``.
            NotRegistered: the server has no lock manager.
        """
        self._check_locks()
        file, _ = await self._paths.opened(path)
        wanted = RangeToLock(exclusive, offset, length)
        async with self._locks.held(file, wanted, timeout=timeout):
            yield

    async def lock_holder(
        self, path: RemotePath, *, exclusive: bool = True, offset: int = 0, length: int = 0
    ) -> LockHolder | None:
        """The lock that conflicts with such a lock; None if the server would grant it."""
        self._check_locks()
        file, _ = await self._paths.opened(path)
        return await self._locks.holder(file, RangeToLock(exclusive, offset, length))

    def _check_locks(self) -> None:
        if self.version != 3:
            raise refusal(nfsstat3.NFS3ERR_NOTSUPP)

    def close(self) -> None:
        """Close the connections; the end of the context of ``connect`` does it."""
        self._calls.pipeline.close()
        self._locks.close()

    async def fsstat(self, path: RemotePath = "/") -> SpaceInfo:
        """Space and number of files, total and free, of the file system with this file."""
        return await self._paths.file(path, self._calls.fsstat)

    async def fsinfo(self, path: RemotePath = "/") -> ServerLimits:
        """The sizes and abilities of the server."""
        return await self._paths.file(path, self._calls.fsinfo)

    async def pathconf(self, path: RemotePath = "/") -> PathLimits:
        """The limits of names and links."""
        return await self._paths.file(path, self._calls.pathconf)


def access_bits(mode: int, *, directory: bool) -> int:
    """The bits of ACCESS for a mode of ``os.access``."""
    write, execute = ACCESS3_MODIFY | ACCESS3_EXTEND, ACCESS3_EXECUTE
    if directory:
        execute = ACCESS3_LOOKUP
    bits = {os.R_OK: ACCESS3_READ, os.W_OK: write, os.X_OK: execute}
    return sum(bit for flag, bit in bits.items() if mode & flag)
