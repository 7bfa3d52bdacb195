"""The operations that versions 2 and 3 have in common, by handle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from oncrpc.errors import ProtocolError
from oncrpc.nfs.client.errors import refusal, status_of_version2
from oncrpc.nfs.client.pipeline import Pipeline, Started
from oncrpc.nfs.client.results import (
    DirectoryPage,
    FileHandle,
    FileStat,
    FoundFile,
    PathLimits,
    ServerLimits,
    WriteOutcome,
)
from oncrpc.nfs.client.window import TransferWindow
from oncrpc.nfs.filesystem import NewAttributes, SpaceInfo
from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.rpc.program import Procedure

K = TypeVar("K")
FIRST_BUSY, LONGEST_BUSY = 0.1, 5.0
"""Seconds between two tries after NFS3ERR_JUKEBOX: the first pause, doubled up to the longest."""

BUSY_LIMIT = 60.0
"""Seconds for which the NFS client repeats a call after NFS3ERR_JUKEBOX."""


class Operations(ABC):
    """The procedures of one version of NFS, called over a pipeline.

    Methods raise an ``NfsStatusError`` if the server refuses. ``read_size``, ``write_size`` and
    ``listing_size`` are the largest READ, WRITE and page of a directory, in bytes. ``reads`` and
    ``writes`` limit how many are in progress for a file.
    """

    version: int
    max_handle: int

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.read_size = self.write_size = self.listing_size = 8192
        self.reads, self.writes = (TransferWindow(local=pipeline.local) for _ in range(2))

    def handle(self, data: bytes) -> FileHandle:
        """Check a handle that the server has sent.

        Raises:
            ProtocolError: it is empty or too long.
        """
        if not 1 <= len(data) <= self.max_handle:
            raise ProtocolError(f"the server sent a file handle of {len(data)} bytes")
        return FileHandle(data)

    async def until_ready(self, call: Callable[[], Awaitable[K]]) -> K:
        """Make a call, and repeat it while the server answers NFS3ERR_JUKEBOX.

        The pauses grow. After ``BUSY_LIMIT`` seconds the error is raised.
        """
        pause, waited = FIRST_BUSY, 0.0
        while True:
            try:
                return await call()
            except OSError as error:
                busy = getattr(error, "status", None) is nfsstat3.NFS3ERR_JUKEBOX
                if not busy or waited >= BUSY_LIMIT:
                    raise
            await self.pipeline.sleep(pause)
            waited += pause
            pause = min(pause * 2, LONGEST_BUSY)

    async def ok(self, procedure: Procedure[Any, Any], argument: object, body: type[K]) -> K:
        """Make a call, and return the body of its successful result."""

        async def once() -> K:
            return self.body_of(await self.pipeline.call(procedure, argument), body)

        return await self.until_ready(once)

    def body_of(self, result: Any, body: type[K]) -> K:
        """The body of a successful result.

        Raises:
            NfsStatusError: the server refused. ProtocolError: the body has another type.
        """
        if result.status:
            raise refusal(status3(result.status))
        if not isinstance(result.body, body):
            raise ProtocolError(f"{type(result).__name__} with a body of another type")
        return result.body

    @abstractmethod
    async def getattr(self, file: FileHandle) -> FileStat:
        """The attributes of a file."""

    @abstractmethod
    async def setattr(self, file: FileHandle, new: NewAttributes) -> None:
        """Set attributes."""

    @abstractmethod
    async def lookup(self, directory: FileHandle, name: bytes) -> FoundFile:
        """Look up a name in a directory."""

    @abstractmethod
    async def access(self, file: FileHandle, wanted: int) -> int:
        """The ``ACCESS3_`` bits among ``wanted`` that the server grants."""

    @abstractmethod
    async def readlink(self, file: FileHandle) -> bytes:
        """The text of a symbolic link."""

    @abstractmethod
    def start_read(self, file: FileHandle, offset: int, buffer: memoryview) -> Started:
        """Start a READ into the buffer, which has at most ``read_size`` bytes."""

    @abstractmethod
    async def finish_read(self, started: Started, buffer: memoryview) -> tuple[int, bool]:
        """The number of bytes in the buffer after a READ, and whether the file ends there."""

    @abstractmethod
    def start_write(
        self, file: FileHandle, offset: int, data: memoryview, *, stable: bool
    ) -> Started:
        """Start a WRITE of at most ``write_size`` bytes, which must not change until it ends."""

    @abstractmethod
    async def finish_write(self, started: Started) -> WriteOutcome:
        """The outcome of a WRITE."""

    @abstractmethod
    async def commit(self, file: FileHandle) -> bytes:
        """Store all written data of a file; returns the write verifier."""

    @abstractmethod
    async def create(
        self, directory: FileHandle, name: bytes, new: NewAttributes, *, guarded: bool
    ) -> FoundFile:
        """Create a file. If it exists, ``guarded`` refuses; else its size is set if given."""

    @abstractmethod
    async def create_exclusive(
        self, directory: FileHandle, name: bytes, verifier: bytes
    ) -> FoundFile:
        """Create a file that does not exist. Safe to repeat with the same verifier of 8 bytes."""

    @abstractmethod
    async def mkdir(self, directory: FileHandle, name: bytes, new: NewAttributes) -> FoundFile:
        """Create a directory."""

    @abstractmethod
    async def symlink(
        self, directory: FileHandle, name: bytes, target: bytes, new: NewAttributes
    ) -> None:
        """Create a symbolic link."""

    @abstractmethod
    async def mknod(
        self,
        directory: FileHandle,
        name: bytes,
        kind: ftype3,
        *,
        new: NewAttributes,
        device: tuple[int, int],
    ) -> None:
        """Create a special file."""

    @abstractmethod
    async def remove(self, directory: FileHandle, name: bytes) -> None:
        """Remove a file."""

    @abstractmethod
    async def rmdir(self, directory: FileHandle, name: bytes) -> None:
        """Remove an empty directory."""

    @abstractmethod
    async def rename(
        self, directory: FileHandle, name: bytes, to_directory: FileHandle, to_name: bytes
    ) -> None:
        """Rename a file."""

    @abstractmethod
    async def link(self, file: FileHandle, directory: FileHandle, name: bytes) -> None:
        """Create a hard link."""

    @abstractmethod
    async def readdir(
        self, directory: FileHandle, cookie: int, verifier: bytes, *, plus: bool
    ) -> DirectoryPage:
        """A page of a directory; the first page has cookie 0 and an empty verifier."""

    @abstractmethod
    async def fsstat(self, file: FileHandle) -> SpaceInfo:
        """Space and files of the file system."""

    @abstractmethod
    async def fsinfo(self, file: FileHandle) -> ServerLimits:
        """Sizes and abilities of the server."""

    @abstractmethod
    async def pathconf(self, file: FileHandle) -> PathLimits:
        """Limits of names and links."""


def status3(status: nfsstat3 | stat) -> nfsstat3:
    """Convert a status of either version to version 3."""
    return status_of_version2(status) if isinstance(status, stat) else status
