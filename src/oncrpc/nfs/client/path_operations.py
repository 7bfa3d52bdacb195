"""Calls on the file of a path, repeated once with a new handle if the handle is stale."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from oncrpc.errors import GarbageArguments
from oncrpc.nfs.client.errors import NfsStatusError, refusal
from oncrpc.nfs.client.mounting import ServerTarget
from oncrpc.nfs.client.open_handle import STALE, OpenHandle
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.paths import Ending, Located, RemotePath, locate, text_of
from oncrpc.nfs.client.results import FileHandle, FileStat, FoundFile
from oncrpc.programs.nfs3 import nfsstat3

T = TypeVar("T")
LONGEST_NAME = 255
"""Bytes of a name that every server can decode."""


class PathOperations:
    """Calls on files below ``root``, by path.

    After a stale handle the path is followed once more. If the handle of the root is stale too,
    the root is mounted again first.
    """

    def __init__(self, target: ServerTarget, operations: Operations, root: FileHandle) -> None:
        self.target, self.operations, self.root = target, operations, root

    async def located(
        self, path: RemotePath, use: Callable[[Located], Awaitable[T]], ending: Ending
    ) -> T:
        """Follow the path, and call ``use`` with the result.

        Raises:
            OSError: with the path as its ``filename``.
        """
        try:
            try:
                return await use(await locate(self.operations, self.root, path, ending))
            except NfsStatusError as error:
                if error.status not in STALE or isinstance(path, FileHandle):
                    raise
            await self._renew_root()
            return await use(await locate(self.operations, self.root, path, ending))
        except GarbageArguments as error:  # Linux cannot decode a longer name
            names = os.fsencode(text_of(path)).split(b"/")
            if max(map(len, names)) <= LONGEST_NAME:
                raise
            raise refusal(nfsstat3.NFS3ERR_NAMETOOLONG, text_of(path)) from error
        except OSError as error:
            if error.filename is None and error.errno is not None:
                error.filename = text_of(path)
            raise

    async def file(
        self,
        path: RemotePath,
        use: Callable[[FileHandle], Awaitable[T]],
        *,
        follow: bool = True,
    ) -> T:
        """Call ``use`` with the handle of the file.

        Raises:
            NfsNotFound: the file does not exist.
        """

        async def with_file(located: Located) -> T:
            return await use(found_of(located).handle)

        ending = Ending.FOLLOW if follow else Ending.LOOK_UP
        return await self.located(path, with_file, ending)

    async def name(
        self,
        path: RemotePath,
        use: Callable[[FileHandle, bytes], Awaitable[T]],
        *,
        unnamed: int = errno.EBUSY,
    ) -> T:
        """Call ``use`` with the directory and the last name of the path.

        Raises:
            OSError: with the ``errno`` ``unnamed``: the path has no last name, such as ``/``.
        """

        async def with_name(located: Located) -> T:
            if not located.name:
                raise OSError(unnamed, os.strerror(unnamed))
            return await use(located.directory, located.name)

        return await self.located(path, with_name, Ending.LEAVE)

    async def stat(self, path: RemotePath, *, follow: bool = True) -> FileStat:
        """The attributes of a file, from the reply to LOOKUP if it has them."""

        async def with_file(located: Located) -> FileStat:
            return await self.stat_of(found_of(located))

        return await self.located(path, with_file, Ending.FOLLOW if follow else Ending.LOOK_UP)

    async def stat_of(self, found: FoundFile) -> FileStat:
        """The attributes of a file that was looked up."""
        if found.stat is not None:
            return found.stat
        return await self.operations.until_ready(lambda: self.operations.getattr(found.handle))

    async def opened(self, path: RemotePath) -> tuple[OpenHandle, FileStat]:
        """A handle for many calls, as ``open_handle`` makes it, and the attributes."""

        async def with_file(located: Located) -> tuple[OpenHandle, FileStat]:
            found = found_of(located)
            stat = await self.stat_of(found)
            return self.open_handle(path, found.handle, stat), stat

        return await self.located(path, with_file, Ending.FOLLOW)

    def open_handle(self, path: RemotePath, handle: FileHandle, stat: FileStat) -> OpenHandle:
        """A handle for many calls, which is looked up again by its path when it is stale."""

        async def find() -> FoundFile:
            async def with_file(located: Located) -> FoundFile:
                return found_of(located)

            return await self.located(path, with_file, Ending.FOLLOW)

        by_handle = isinstance(path, FileHandle)
        return OpenHandle(
            self.operations, handle, fileid=stat.fileid, find=None if by_handle else find
        )

    async def _renew_root(self) -> None:
        """Mount again if the handle of the root is stale."""
        try:
            await self.operations.getattr(self.root)
        except NfsStatusError as error:
            if error.status not in STALE:
                raise
            self.root = await self.target.remount(self.operations)


@contextmanager
def naming(path: RemotePath, second: RemotePath | None = None) -> Iterator[None]:
    """Give an ``OSError`` of the server the path, and the second path, of the call."""
    try:
        yield
    except NfsStatusError as error:
        if error.filename is None:
            error.filename = text_of(path)
            if second is not None:
                error.filename2 = text_of(second)
        raise


def found_of(located: Located) -> FoundFile:
    """The file at the end of a path.

    Raises:
        NfsNotFound: it does not exist.
    """
    if located.found is None:
        raise refusal(nfsstat3.NFS3ERR_NOENT)
    return located.found
