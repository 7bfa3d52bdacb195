"""The handle of an open file, looked up again by its path when it becomes stale."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from oncrpc.nfs.client.errors import NfsStatusError
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.results import FileHandle, FoundFile
from oncrpc.programs.nfs3 import nfsstat3

K = TypeVar("K")
STALE = {nfsstat3.NFS3ERR_STALE, nfsstat3.NFS3ERR_BADHANDLE}
"""Statuses for a handle that the server does not know, or no longer knows."""


class OpenHandle:
    """The handle of an open file. ``find`` looks up its path; None if it was opened by handle."""

    def __init__(
        self,
        operations: Operations,
        handle: FileHandle,
        *,
        fileid: int | None = None,
        find: Callable[[], Awaitable[FoundFile]] | None = None,
    ) -> None:
        self.operations, self.handle, self.fileid, self.find = operations, handle, fileid, find

    async def use(self, call: Callable[[FileHandle], Awaitable[K]]) -> K:
        """Make a call with the handle. If it is stale, look the path up and try once more.

        Raises:
            NfsStatusError: NFS3ERR_STALE: the path no longer leads to this file.
        """
        used = self.handle
        try:
            return await self.operations.until_ready(lambda: call(used))
        except NfsStatusError as error:
            if error.status not in STALE or self.find is None:
                raise
            if self.handle == used and not await self._find_again(self.find):
                raise
        return await self.operations.until_ready(lambda: call(self.handle))

    async def _find_again(self, find: Callable[[], Awaitable[FoundFile]]) -> bool:
        """Look the path up; False if it does not lead to the same file."""
        try:
            found = await find()
        except FileNotFoundError:
            return False
        stat = found.stat or await self.operations.getattr(found.handle)
        if self.fileid is not None and stat.fileid != self.fileid:
            return False
        self.handle = found.handle
        return True
