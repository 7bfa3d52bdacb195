"""The blocking client: the same methods, which return results instead of coroutines.

Each method runs the coroutine of the same name until it returns, over a pipeline that blocks. A
transfer still has many calls in progress. Only one thread at a time may use a file system and its
files.
"""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from oncrpc.client.port_mapper import MapperClient
from oncrpc.nfs.client.blocking_pipeline import dial_blocking
from oncrpc.nfs.client.copy_report import CopyOptions, CopyReport
from oncrpc.nfs.client.file import Data, RemoteFile
from oncrpc.nfs.client.filesystem import DIRECTORY_MODE, FILE_MODE, RemoteFileSystem
from oncrpc.nfs.client.locking import LockHolder
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.paths import RemotePath
from oncrpc.nfs.client.pipeline import DEFAULT_CALL_TIMEOUT
from oncrpc.nfs.client.results import (
    FileHandle,
    FileStat,
    PathLimits,
    RemoteEntry,
    ServerLimits,
)
from oncrpc.nfs.client.url import NfsUrl, credential_of, parse_url
from oncrpc.nfs.filesystem import SpaceInfo
from oncrpc.rpc.auth import Auth
from oncrpc.rpc.blocking import run


class SyncRemoteFile:
    """A ``RemoteFile`` whose methods block."""

    def __init__(self, file: RemoteFile) -> None:
        self.file, self.name, self.mode = file, file.name, file.mode

    def __repr__(self) -> str:
        return f"<SyncRemoteFile {self.name!r} mode {self.mode!r}{' closed' * self.closed}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    @property
    def handle(self) -> FileHandle:
        """The handle of the file."""
        return self.file.handle

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self.file.closed

    def read(self, size: int = -1) -> bytes:
        """As ``RemoteFile.read``."""
        return run(self.file.read(size))

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """As ``RemoteFile.readinto``."""
        return run(self.file.readinto(buffer))

    def write(self, data: Data) -> int:
        """As ``RemoteFile.write``."""
        return run(self.file.write(data))

    def pread(self, size: int, offset: int) -> bytes:
        """As ``RemoteFile.pread``."""
        return run(self.file.pread(size, offset))

    def preadinto(self, buffer: bytearray | memoryview, offset: int) -> int:
        """As ``RemoteFile.preadinto``."""
        return run(self.file.preadinto(buffer, offset))

    def pwrite(self, data: Data, offset: int) -> int:
        """As ``RemoteFile.pwrite``."""
        return run(self.file.pwrite(data, offset))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As ``RemoteFile.seek``."""
        return run(self.file.seek(offset, whence))

    def tell(self) -> int:
        """The position."""
        return self.file.tell()

    def stat(self) -> FileStat:
        """As ``RemoteFile.stat``."""
        return run(self.file.stat())

    def truncate(self, size: int | None = None) -> int:
        """As ``RemoteFile.truncate``."""
        return run(self.file.truncate(size))

    def flush(self) -> None:
        """As ``RemoteFile.flush``."""
        run(self.file.flush())

    def close(self) -> None:
        """As ``RemoteFile.close``."""
        run(self.file.close())

    def abandon(self) -> None:
        """As ``RemoteFile.abandon``."""
        self.file.abandon()


class SyncRemoteFileSystem:
    """A ``RemoteFileSystem`` whose methods block; made by ``oncrpc.nfs.sync_connect``."""

    def __init__(self, fs: RemoteFileSystem) -> None:
        self.fs = fs

    def __repr__(self) -> str:
        return f"<Sync{repr(self.fs)[1:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def version(self) -> int:
        """The version of NFS, 3 or 2."""
        return self.fs.version

    @property
    def root(self) -> FileHandle:
        """The handle of the mounted directory."""
        return self.fs.root

    def handle(self, path: RemotePath) -> FileHandle:
        """As ``RemoteFileSystem.handle``."""
        return run(self.fs.handle(path))

    def stat(self, path: RemotePath) -> FileStat:
        """As ``RemoteFileSystem.stat``."""
        return run(self.fs.stat(path))

    def lstat(self, path: RemotePath) -> FileStat:
        """As ``RemoteFileSystem.lstat``."""
        return run(self.fs.lstat(path))

    def exists(self, path: RemotePath) -> bool:
        """As ``RemoteFileSystem.exists``."""
        return run(self.fs.exists(path))

    def access(self, path: RemotePath, mode: int) -> bool:
        """As ``RemoteFileSystem.access``."""
        return run(self.fs.access(path, mode))

    def listdir(self, path: RemotePath = "/") -> list[str]:
        """As ``RemoteFileSystem.listdir``."""
        return run(self.fs.listdir(path))

    def scandir(self, path: RemotePath = "/") -> Iterator[RemoteEntry]:
        """As ``RemoteFileSystem.scandir``."""
        entries = aiter(self.fs.scandir(path))

        async def following() -> RemoteEntry | None:
            return await anext(entries, None)

        while (entry := run(following())) is not None:
            yield entry

    def readlink(self, path: RemotePath) -> str:
        """As ``RemoteFileSystem.readlink``."""
        return run(self.fs.readlink(path))

    def read_bytes(self, path: RemotePath) -> bytes:
        """As ``RemoteFileSystem.read_bytes``."""
        return run(self.fs.read_bytes(path))

    def write_bytes(self, path: RemotePath, data: Data) -> int:
        """As ``RemoteFileSystem.write_bytes``."""
        return run(self.fs.write_bytes(path, data))

    def open(
        self, path: RemotePath, mode: str = "rb", *, permissions: int = FILE_MODE
    ) -> SyncRemoteFile:
        """As ``RemoteFileSystem.open``; ``with fs.open(path) as file`` closes it."""
        return SyncRemoteFile(run(self.fs.open(path, mode, permissions=permissions)))

    def mkdir(
        self,
        path: RemotePath,
        mode: int = DIRECTORY_MODE,
        *,
        parents: bool = False,
        exist_ok: bool = False,
    ) -> None:
        """As ``RemoteFileSystem.mkdir``."""
        run(self.fs.mkdir(path, mode, parents=parents, exist_ok=exist_ok))

    def rmdir(self, path: RemotePath) -> None:
        """As ``RemoteFileSystem.rmdir``."""
        run(self.fs.rmdir(path))

    def unlink(self, path: RemotePath, *, missing_ok: bool = False) -> None:
        """As ``RemoteFileSystem.unlink``."""
        run(self.fs.unlink(path, missing_ok=missing_ok))

    def rename(self, source: RemotePath, target: RemotePath) -> None:
        """As ``RemoteFileSystem.rename``."""
        run(self.fs.rename(source, target))

    def link(self, source: RemotePath, target: RemotePath) -> None:
        """As ``RemoteFileSystem.link``."""
        run(self.fs.link(source, target))

    def symlink(self, text: str | bytes | os.PathLike[str], path: RemotePath) -> None:
        """As ``RemoteFileSystem.symlink``."""
        run(self.fs.symlink(text, path))

    def mknod(
        self, path: RemotePath, mode: int = FILE_MODE | modes.S_IFIFO, device: int = 0
    ) -> None:
        """As ``RemoteFileSystem.mknod``."""
        run(self.fs.mknod(path, mode, device))

    def chmod(self, path: RemotePath, mode: int) -> None:
        """As ``RemoteFileSystem.chmod``."""
        run(self.fs.chmod(path, mode))

    def chown(
        self, path: RemotePath, uid: int = -1, gid: int = -1, *, follow_symlinks: bool = True
    ) -> None:
        """As ``RemoteFileSystem.chown``."""
        run(self.fs.chown(path, uid, gid, follow_symlinks=follow_symlinks))

    def utime(
        self,
        path: RemotePath,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """As ``RemoteFileSystem.utime``."""
        run(self.fs.utime(path, times, ns=ns, follow_symlinks=follow_symlinks))

    def truncate(self, path: RemotePath, size: int) -> None:
        """As ``RemoteFileSystem.truncate``."""
        run(self.fs.truncate(path, size))

    def copy_in(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        options: CopyOptions | None = None,
        report: CopyReport | None = None,
    ) -> CopyReport:
        """As ``RemoteFileSystem.copy_in``, one file at a time."""
        return run(
            self.fs.copy_in(source, target, (options or CopyOptions())._replace(jobs=1), report)
        )

    def copy_out(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        options: CopyOptions | None = None,
        report: CopyReport | None = None,
    ) -> CopyReport:
        """As ``RemoteFileSystem.copy_out``, one file at a time."""
        return run(
            self.fs.copy_out(source, target, (options or CopyOptions())._replace(jobs=1), report)
        )

    @contextmanager
    def lock(
        self,
        path: RemotePath,
        *,
        exclusive: bool = True,
        offset: int = 0,
        length: int = 0,
        timeout: float | None = None,
    ) -> Iterator[None]:
        """As ``RemoteFileSystem.lock``."""
        held = self.fs.lock(
            path, exclusive=exclusive, offset=offset, length=length, timeout=timeout
        )
        run(held.__aenter__())
        try:
            yield
        finally:
            run(held.__aexit__(None, None, None))

    def lock_holder(
        self, path: RemotePath, *, exclusive: bool = True, offset: int = 0, length: int = 0
    ) -> LockHolder | None:
        """As ``RemoteFileSystem.lock_holder``."""
        return run(self.fs.lock_holder(path, exclusive=exclusive, offset=offset, length=length))

    def close(self) -> None:
        """As ``RemoteFileSystem.close``; the end of the context does it."""
        self.fs.close()

    def fsstat(self, path: RemotePath = "/") -> SpaceInfo:
        """As ``RemoteFileSystem.fsstat``."""
        return run(self.fs.fsstat(path))

    def fsinfo(self, path: RemotePath = "/") -> ServerLimits:
        """As ``RemoteFileSystem.fsinfo``."""
        return run(self.fs.fsinfo(path))

    def pathconf(self, path: RemotePath = "/") -> PathLimits:
        """As ``RemoteFileSystem.pathconf``."""
        return run(self.fs.pathconf(path))


def sync_connect(
    url: str | NfsUrl,
    *,
    auth: Auth | None = None,
    timeout: float = DEFAULT_CALL_TIMEOUT,
    reserved_port: bool | None = None,
    mapper: str | MapperClient | None = None,
) -> SyncRemoteFileSystem:
    """Mount a directory of an NFS server; all methods block.

    ::

        with oncrpc.nfs.sync_connect("nfs://files.example/export") as fs:
            print(fs.listdir("photos"))

    The connections are closed at the end of the context, or by ``fs.close()``. The arguments and
    the errors are those of ``connect``.
    """
    target = blocking_target(
        url, auth=auth, timeout=timeout, reserved_port=reserved_port, mapper=mapper
    )
    operations, root = run(target.connect())
    return SyncRemoteFileSystem(RemoteFileSystem(target, operations, root))


def blocking_target(
    url: str | NfsUrl,
    *,
    auth: Auth | None = None,
    timeout: float = DEFAULT_CALL_TIMEOUT,
    reserved_port: bool | None = None,
    mapper: str | MapperClient | None = None,
) -> ServerTarget:
    """How to reach a server with blocking calls; the arguments are those of ``sync_connect``."""
    place = parse_url(url) if isinstance(url, str) else url
    return ServerTarget(
        place,
        credential_of(place) if auth is None else auth,
        timeout,
        reserved_port,
        mapper,
        dial_blocking,
        time.monotonic,
    )
