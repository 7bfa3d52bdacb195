"""What both versions of NFS do with handles, and how a call is made and made again."""

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
from oncrpc.nfs.filesystem import NewAttributes, SpaceInfo
from oncrpc.programs.nfs2 import stat
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.rpc.program import Procedure

K = TypeVar("K")
FIRST_BUSY, LONGEST_BUSY = 0.1, 5.0
"""Seconds before a call that was answered NFS3ERR_JUKEBOX is made again: first, and at most."""

BUSY_LIMIT = 60.0
"""Seconds for which the NFS client repeats a call that is answered NFS3ERR_JUKEBOX."""


class Operations(ABC):
    """The procedures of a version of NFS over a pipeline, by handle.

    A refusal is raised as an ``NfsStatusError``. ``read_size`` and ``write_size`` are the bytes of
    one READ and one WRITE.
    """

    version: int
    max_handle: int

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.read_size = self.write_size = self.listing_size = 8192

    def handle(self, data: bytes) -> FileHandle:
        """A handle that the server has sent.

        Raises:
            ProtocolError: it is empty.
        """
        if not 1 <= len(data) <= self.max_handle:
            raise ProtocolError(f"the server sent a file handle of {len(data)} bytes")
        return FileHandle(data)

    async def until_ready(self, call: Callable[[], Awaitable[K]]) -> K:
        """Make the call, and make it again while the server answers NFS3ERR_JUKEBOX.

        The pauses grow. After ``BUSY_LIMIT`` seconds the refusal is final.
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
        """Make a call whose result is a union of status and body; returns the body of success."""

        async def once() -> K:
            return self.body_of(await self.pipeline.call(procedure, argument), body)

        return await self.until_ready(once)

    def body_of(self, result: Any, body: type[K]) -> K:
        """The body of a successful result.

        Raises:
            NfsStatusError: the server refused. ProtocolError: success, but another body.
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
        """The file of that name."""

    @abstractmethod
    async def access(self, file: FileHandle, wanted: int) -> int:
        """Those of the ``ACCESS3_`` bits that the server grants."""

    @abstractmethod
    async def readlink(self, file: FileHandle) -> bytes:
        """The text of a symbolic link."""

    @abstractmethod
    def start_read(self, file: FileHandle, offset: int, buffer: memoryview) -> Started:
        """Start a READ that fills the buffer, at most ``read_size`` bytes."""

    @abstractmethod
    async def finish_read(self, started: Started, buffer: memoryview) -> tuple[int, bool]:
        """The number of bytes that a READ has put into the buffer, and whether the file ends."""

    @abstractmethod
    def start_write(
        self, file: FileHandle, offset: int, data: memoryview, *, stable: bool
    ) -> Started:
        """Start a WRITE of at most ``write_size`` bytes, which must not change until it ended."""

    @abstractmethod
    async def finish_write(self, started: Started) -> WriteOutcome:
        """The outcome of a WRITE."""

    @abstractmethod
    async def commit(self, file: FileHandle) -> bytes:
        """Store what was written to a file; returns the write verifier."""

    @abstractmethod
    async def create(
        self, directory: FileHandle, name: bytes, new: NewAttributes, *, guarded: bool
    ) -> FoundFile:
        """Create a file; ``guarded`` refuses if there is one, else its size may be set."""

    @abstractmethod
    async def create_exclusive(
        self, directory: FileHandle, name: bytes, verifier: bytes
    ) -> FoundFile:
        """Create a file that did not exist: safe to repeat with the same 8 bytes of verifier."""

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
        """A page of a directory; cookie 0 and an empty verifier for the first one."""

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
    """A status of either version, as one of version 3."""
    return status_of_version2(status) if isinstance(status, stat) else status
