"""Files that are being written: whole copies in temporary files, until they are in the store.

A store takes whole files only. So the first change of a file fetches it, unless it becomes empty,
and COMMIT puts it back. Of many files, the one that was used least lately gives its copy up.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from typing import IO

from oncrpc.nfs.backends.fsspec.store import RemoteStore

MAX_WRITTEN_FILES = 64
"""Files of a store that have a copy; then the one that was used least lately is stored."""


class WrittenFile:
    """The copy of one file; ``changed``: the store has another version."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.lock = asyncio.Lock()
        self.changed = False

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._file.fileno()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self.descriptor).st_size

    @property
    def used(self) -> int:
        """Bytes on disk."""
        return os.fstat(self.descriptor).st_blocks * 512

    def read(self, offset: int, count: int) -> bytes:
        """Bytes of the file."""
        return os.pread(self.descriptor, count, offset)

    def write(self, offset: int, data: bytes) -> int:
        """Change bytes; returns how many were written."""
        self.changed = True
        return os.pwrite(self.descriptor, data, offset)

    def truncate(self, size: int) -> None:
        """Set the size."""
        self.changed = True
        os.ftruncate(self.descriptor, size)

    def close(self) -> None:
        """Give the copy up."""
        self._file.close()


class WrittenFiles:
    """The copies by the number of the file; ``path_of`` is where a file is now."""

    def __init__(
        self, store: RemoteStore, path_of: Callable[[int], bytes], *, directory: str | None = None
    ) -> None:
        self._store, self._path_of, self._directory = store, path_of, directory
        self._files: OrderedDict[int, WrittenFile] = OrderedDict()
        self._opening: dict[int, asyncio.Lock] = {}

    def get(self, number: int) -> WrittenFile | None:
        """The copy of a file, if it has one."""
        return self._files.get(number)

    async def open(self, number: int, *, empty: bool = False) -> WrittenFile:
        """The copy of a file; it is fetched unless the file is to be ``empty``.

        The caller must use it before the next ``await``: later it may be closed.
        """
        if number not in self._files:
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
        return WrittenFile(file)

    async def commit(self, number: int) -> None:
        """Put a file into the store, if it has changed.

        Raises:
            OSError: the store refused it; the copy is kept.
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

    async def commit_all(self) -> None:
        """Put all files into the store."""
        for number in list(self._files):
            await self.commit(number)

    async def drop(self, number: int) -> None:
        """Give up the copy of a file that is removed, after an upload in progress.

        The upload reads the descriptor, whose number another file may have once it is closed.
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
        """Give all copies up; no upload is in progress."""
        while self._files:
            self._files.popitem()[1].close()
