"""Opening exported archives: in threads, since a compressed one is unpacked first."""

from __future__ import annotations

import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from oncrpc.nfs.backends.archive import ArchiveFileSystem

PATIENCE = 0.2
"""Seconds to wait for an archive before the server goes on without it."""


class ArchiveFile(NamedTuple):
    """An archive as it is now; it is opened again when one of these has changed."""

    path: bytes
    inode: int
    size: int
    mtime: int


class Archives:
    """Archives that are being opened, by file."""

    def __init__(self) -> None:
        self._opening: dict[ArchiveFile, Future[ArchiveFileSystem]] = {}

    def open(self, path: bytes) -> ArchiveFileSystem:
        """The file system of an archive.

        Raises:
            OSError: it cannot be read, is not an archive, or is not ready yet: try again later.
        """
        found = os.stat(path)
        file = ArchiveFile(path, found.st_ino, found.st_size, found.st_mtime_ns)
        opening = self._opening.get(file)
        if opening is None:
            self._forget(path)
            threads = ThreadPoolExecutor(1, "nfs-archive")
            opening = self._opening[file] = threads.submit(_opened, path)
            threads.shutdown(wait=False)
        try:
            opened = opening.result(PATIENCE)
        except TimeoutError:
            raise OSError(errno.EAGAIN, "the archive is being read") from None
        del self._opening[file]
        return opened

    def _forget(self, path: bytes) -> None:
        """Close what is opened of an earlier file of that path, when it is ready."""
        for file in [each for each in self._opening if each.path == path]:
            self._opening.pop(file).add_done_callback(_close)


def _opened(path: bytes) -> ArchiveFileSystem:
    from oncrpc.nfs.backends.archive import ArchiveError, ArchiveFileSystem

    try:
        return ArchiveFileSystem(os.fsdecode(path))
    except ArchiveError as error:
        raise OSError(errno.EINVAL, str(error)) from None


def _close(opening: Future[ArchiveFileSystem]) -> None:
    if opening.exception() is None:
        opening.result().close()
