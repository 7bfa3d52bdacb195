"""Open files of a FUSE object: NFS has no OPEN, so they stay open for a moment.

Key: the number of a file, with the user if the object checks permissions itself. Bound: 128
handles; then the one that was not used for the longest time is closed. A handle is closed after 3
seconds without use, before its file is removed, or if it was opened for reading and a client
writes.

Invariants: a handle in ``_open`` is not retired. A retired one is released after its
last use. ``lost`` has the errors of handles that were released with data that were not synced: the
next COMMIT reports them.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from oncrpc.nfs.backends.fuse.known import KnownFile
from oncrpc.nfs.backends.fuse.tree import OperationsTree
from oncrpc.nfs.filesystem import Identity, SyncError

MAX_OPEN_HANDLES = 128
"""Open files of a FUSE object; then the one that was not used for the longest time is closed."""

MAX_LOST = 1000
"""Files of a FUSE object whose data were lost, until the next COMMIT reports it."""

IDLE_SECONDS = 3.0
"""Seconds without use after which a file of a FUSE object is closed."""

HandleKey = tuple[int, int, int]


@dataclass(eq=False, slots=True)
class ObjectHandle:
    """A handle. ``users`` are the calls that use it now; ``dirty``: it has data that are not
    synced."""

    file: KnownFile
    number: int
    readable: bool
    writable: bool
    used: float = 0.0
    users: int = 0
    dirty: bool = False
    retired: bool = False


class FileHandles:
    """The open handles of a tree. ``by_user``: each user has handles of its own."""

    def __init__(
        self,
        tree: OperationsTree,
        *,
        by_user: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree, self._by_user, self._clock = tree, by_user, clock
        self._open: OrderedDict[HandleKey, ObjectHandle] = OrderedDict()
        self.lost: OrderedDict[int, OSError] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def using(
        self, who: Identity, file: KnownFile, *, write: bool
    ) -> AsyncIterator[ObjectHandle]:
        """A handle to read from, or to write to; it stays open in the block."""
        handle = await self._suitable(who, file, write=write)
        handle.users += 1
        try:
            yield handle
        finally:
            handle.users -= 1
            handle.used = self._clock()
            await self._release_if_unused(handle)

    async def adopt(self, who: Identity, file: KnownFile, number: int) -> None:
        """Keep the handle of a file that was just created."""
        handle = ObjectHandle(file, number, readable=self._tree.opens_for_both, writable=True)
        await self._keep(self._key(who, file), handle)

    async def sync(self, file: KnownFile) -> None:
        """Store the written data of a file in the object.

        An object without ``fsync`` stores them with ``release``.

        Raises:
            SyncError: data are lost.
        """
        for handle in self._of(file):
            if handle.dirty:
                handle.dirty = False
                await self._synced(handle)
        lost = self.lost.pop(file.number, None)
        if lost is not None:
            raise SyncError(lost.errno, lost.strerror)

    async def close(self, file: KnownFile) -> None:
        """Close all handles of a file."""
        for handle in self._of(file):
            await self._retire(handle)

    async def close_idle(self, *, all_of_them: bool = False) -> None:
        """Close the handles that were not used for some time."""
        before = self._clock() - IDLE_SECONDS
        for handle in list(self._open.values()):
            if all_of_them or (handle.used <= before and not handle.users):
                await self._retire(handle)

    async def _synced(self, handle: ObjectHandle) -> None:
        try:
            await self._tree.flush(handle.file, handle.number)
            stored = await self._tree.fsync(handle.file, handle.number)
        except OSError as error:
            self._lose(handle, error)
            return
        if not stored:
            handle.dirty = True  # until it is released
            await self._retire(handle)

    async def _suitable(self, who: Identity, file: KnownFile, *, write: bool) -> ObjectHandle:
        key = self._key(who, file)
        found = self._open.get(key)
        if found is not None and (found.writable if write else found.readable):
            self._open.move_to_end(key)
            return found
        if found is not None:
            await self._retire(found)
        handle = await self._opened(who, file, write=write)
        await self._keep(key, handle)
        return handle

    async def _opened(self, who: Identity, file: KnownFile, *, write: bool) -> ObjectHandle:
        if not write:
            number = await self._tree.open(who, file, os.O_RDONLY)
            return ObjectHandle(file, number, readable=True, writable=False)
        try:
            number = await self._tree.open(who, file, os.O_RDWR)
        except PermissionError:
            number = await self._tree.open(who, file, os.O_WRONLY)
            return ObjectHandle(file, number, readable=False, writable=True)
        return ObjectHandle(file, number, readable=True, writable=True)

    async def _keep(self, key: HandleKey, handle: ObjectHandle) -> None:
        handle.used = self._clock()
        handle.file.held += 1  # so the table does not forget its path
        other = self._open.pop(key, None)
        self._open[key] = handle
        handle.users += 1  # not to be closed while another one is
        if other is not None:
            await self._retire(other)
        if len(self._open) > MAX_OPEN_HANDLES:
            await self._retire(next(iter(self._open.values())))
        handle.users -= 1

    async def _retire(self, handle: ObjectHandle) -> None:
        """Remove a handle from the table, and release it after its last use."""
        for key in [key for key in self._keys(handle.file) if self._open[key] is handle]:
            del self._open[key]
        if not handle.retired:
            handle.retired = True
            await self._release_if_unused(handle)

    async def _release_if_unused(self, handle: ObjectHandle) -> None:
        if not handle.retired or handle.users:
            return
        handle.users = 1  # it is released once
        handle.file.held -= 1
        try:
            if handle.writable:
                await self._tree.flush(handle.file, handle.number)
            await self._tree.release(handle.file, handle.number)
        except OSError as error:
            if handle.dirty:
                self._lose(handle, error)

    def _lose(self, handle: ObjectHandle, error: OSError) -> None:
        self.lost[handle.file.number] = error
        if len(self.lost) > MAX_LOST:
            self.lost.popitem(last=False)

    def _key(self, who: Identity, file: KnownFile) -> HandleKey:
        return (file.number, who.uid, who.gid) if self._by_user else (file.number, -1, -1)

    def _keys(self, file: KnownFile) -> list[HandleKey]:
        if not self._by_user:
            key = (file.number, -1, -1)
            return [key] if key in self._open else []
        return [key for key in self._open if key[0] == file.number]

    def _of(self, file: KnownFile) -> list[ObjectHandle]:
        return [self._open[key] for key in self._keys(file)]
