"""Files that are being written: copies in temporary files, until they are in the store.

A store accepts only whole files. So the first change of a file downloads it, unless the change
empties it, and COMMIT uploads it. If there are too many copies, the least recently used one is
uploaded and removed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import IO

from oncrpc.nfs.backends.fsspec.store import RemoteStore
from oncrpc.nfs.posix import refusal

MAX_WRITTEN_FILES = 64
"""Files of a store with a local copy; then the least recently used one is uploaded."""


COPY_KEPT = 10.0
"""Seconds for which a copy that the store has is used; then the file of the store is."""

MAX_HOLES = 1 << 30
"""Bytes of holes in a file of a store: it would store them as zeros."""


class WrittenFile:
    """The copy of one file. ``changed`` is true while the store has an older version.

    ``used_at`` is when it was written or stored last. ``_holes`` are the bytes that were skipped so
    far; some of them may have been written later.
    """

    def __init__(self, file: IO[bytes], now: float) -> None:
        self._file, self.used_at = file, now
        self.lock = asyncio.Lock()
        self.changed = False
        self._holes = 0

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._file.fileno()

    @property
    def size(self) -> int:
        """The size in bytes."""
        return os.fstat(self.descriptor).st_size

    @property
    def used(self) -> int:
        """Bytes on disk."""
        return os.fstat(self.descriptor).st_blocks * 512

    def read(self, offset: int, count: int) -> bytes:
        """Read a range."""
        return os.pread(self.descriptor, count, offset)

    def write(self, offset: int, data: bytes) -> int:
        """Write bytes; returns how many were written.

        Raises:
            OSError: EFBIG: there would be more holes than ``MAX_HOLES``.
        """
        self._skip(offset)
        self.changed = True
        return os.pwrite(self.descriptor, data, offset)

    def truncate(self, size: int) -> None:
        """Set the size.

        Raises:
            OSError: EFBIG: there would be more holes than ``MAX_HOLES``.
        """
        self._skip(size)
        self._holes = min(self._holes, size)
        self.changed = True
        os.ftruncate(self.descriptor, size)

    def _skip(self, offset: int) -> None:
        """Count a hole from the end of the file to an offset.

        The blocks of the file are not enough to find holes: a file system that compresses data has
        few blocks, or counts them late.
        """
        size, used = self.size, self.used
        holes = self._holes + max(0, offset - size)
        if holes > MAX_HOLES and max(size, offset) - used > MAX_HOLES:
            raise refusal(errno.EFBIG)
        self._holes = holes

    def close(self) -> None:
        """Remove the copy."""
        self._file.close()


class WrittenFiles:
    """The copies by file number. ``path_of`` returns the present path of a file."""

    def __init__(
        self,
        store: RemoteStore,
        path_of: Callable[[int], bytes],
        *,
        directory: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._store, self._path_of, self._directory = store, path_of, directory
        self._files: OrderedDict[int, WrittenFile] = OrderedDict()
        self._opening: dict[int, asyncio.Lock] = {}

    def get(self, number: int) -> WrittenFile | None:
        """The copy of a file, if it has one.

        One that the store has, too, is removed after a while: another program may have changed the
        file there.
        """
        found = self._files.get(number)
        if found is None or found.changed or found.lock.locked():
            return found
        if self._clock() - found.used_at < COPY_KEPT:
            return found
        self._files.pop(number).close()
        return None

    async def open(self, number: int, *, empty: bool = False) -> WrittenFile:
        """The copy of a file, downloaded if there is none; an ``empty`` one is not downloaded.

        The caller must use it before the next ``await``: after that it may be closed.
        """
        if self.get(number) is None:
            await self._make_room()
        lock = self._opening.setdefault(number, asyncio.Lock())
        async with lock:
            found = self._files.get(number)
            if found is None:
                found = await self._fetched(number, empty=empty)
                self._files[number] = found
        self._opening.pop(number, None)
        self._files.move_to_end(number)
        return found

    async def _fetched(self, number: int, *, empty: bool) -> WrittenFile:
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115
        if not empty:
            try:
                await self._store.download(self._path_of(number), file)
            except OSError:
                file.close()
                raise
        return WrittenFile(file, self._clock())

    async def commit(self, number: int) -> None:
        """Upload a file, if it has changed.

        Raises:
            OSError: the store refuses it. The copy is kept.
        """
        found = self._files.get(number)
        if found is None:
            return
        async with found.lock:
            if found.changed and self._files.get(number) is found:
                found.changed = False
                try:
                    await self._store.upload(self._path_of(number), found.descriptor)
                except OSError:
                    found.changed = True
                    raise
                finally:
                    found.used_at = self._clock()

    async def commit_all(self) -> None:
        """Upload all files that have changed."""
        for number in list(self._files):
            await self.commit(number)

    async def drop(self, number: int) -> None:
        """Remove the copy of a file, after an upload in progress has ended.

        The upload reads the descriptor. After ``close`` another file may have the same number.
        """
        found = self._files.pop(number, None)
        if found is not None:
            async with found.lock:
                found.close()

    async def _make_room(self) -> None:
        while len(self._files) >= MAX_WRITTEN_FILES:
            number, oldest = next(iter(self._files.items()))
            await self.commit(number)
            if self._files.get(number) is oldest and not oldest.changed:
                await self.drop(number)

    def close(self) -> None:
        """Remove all copies; no upload may be in progress."""
        while self._files:
            self._files.popitem()[1].close()
