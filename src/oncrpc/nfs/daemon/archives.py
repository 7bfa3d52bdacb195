"""Open exported archives in threads, since unpacking a compressed one takes time."""

from __future__ import annotations

import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from oncrpc.nfs.backends.archive import ArchiveFileSystem

PATIENCE = 0.2
"""Seconds to wait for an archive. Then the server continues, and tries again later."""


class ArchiveFile(NamedTuple):
    """Identifies an archive. If one of these values changes, it is opened again."""

    path: bytes
    inode: int
    size: int
    mtime: int


class Archives:
    """Opens archives. ``_opening`` has those that are not ready yet.

    Each of ``processes`` opens them, and has its share of the temporary space.
    """

    def __init__(self, *, processes: int = 1) -> None:
        self._processes = processes
        self._opening: dict[ArchiveFile, Future[ArchiveFileSystem]] = {}

    def open(self, path: bytes) -> ArchiveFileSystem:
        """The file system of an archive.

        Raises:
            OSError: it cannot be read, or is not an archive. EAGAIN: it is not ready yet.
        """
        found = os.stat(path)
        file = ArchiveFile(path, found.st_ino, found.st_size, found.st_mtime_ns)
        opening = self._opening.get(file)
        if opening is None:
            self._forget(path)
            threads = ThreadPoolExecutor(1, "nfs-archive")
            opening = self._opening[file] = threads.submit(_opened, path, processes=self._processes)
            threads.shutdown(wait=False)
        try:
            opened = opening.result(PATIENCE)
        except TimeoutError:
            raise OSError(errno.EAGAIN, "the archive is being read") from None
        del self._opening[file]
        return opened

    def _forget(self, path: bytes) -> None:
        """Close an earlier archive with this path as soon as it is opened."""
        for file in [each for each in self._opening if each.path == path]:
            self._opening.pop(file).add_done_callback(_close)


def _opened(path: bytes, *, processes: int) -> ArchiveFileSystem:
    from oncrpc.nfs.backends.archive import ArchiveError, ArchiveFileSystem
    from oncrpc.nfs.backends.archive.filesystem import MAX_UNPACKED, SPOOL_BYTES

    try:
        return ArchiveFileSystem(
            os.fsdecode(path),
            max_unpacked=MAX_UNPACKED // processes,
            spool_bytes=SPOOL_BYTES // processes,
        )
    except ArchiveError as error:
        raise OSError(errno.EINVAL, str(error)) from None


def _close(opening: Future[ArchiveFileSystem]) -> None:
    if opening.exception() is None:
        opening.result().close()
