"""Opening the exported directories of this host, with the best ids of files that can be had."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from oncrpc.nfs.backends.local.kernel_handles import KernelHandles, NoKernelHandles
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.objects import Objects
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows
from oncrpc.nfs.backends.local.volumes import volume_identity
from oncrpc.nfs.filesystem import FileSystem

log = logging.getLogger("oncrpc.nfs")

KERNEL, TABLE = "kernel", "table"
"""Where the ids of files come from."""


class RootOptions(NamedTuple):
    """How a directory is exported.

    ``sync``: changes are on disk before they are answered. ``crosses`` says whether the export
    enters a mount point, by its path; None enters none.
    """

    sync: bool = True
    crosses: Callable[[bytes], bool] | None = None


class OpenedRoot(NamedTuple):
    """A directory that is ready to be exported.

    ``identity`` is the name that it has over restarts, ``ids`` where the ids come from. ``serve``
    makes the file system, for an export with this tag.
    """

    identity: str
    ids: str
    serve: Callable[[int], FileSystem]
    forget: Callable[[], None]


class LocalRoots:
    """Opens directories; tables of ids are in ``folder``, or in memory if it is None."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def __call__(self, path: bytes, options: RootOptions) -> OpenedRoot:
        """Open a directory.

        Raises:
            OSError: it is missing, or it cannot be exported.
        """
        place = os.fsdecode(path)
        identity = f"{volume_identity(path)} root={os.stat(path).st_ino:x}"
        try:
            objects: Objects = KernelHandles(place, crosses=options.crosses)
        except NoKernelHandles as error:
            log.info("%s: ids of files come from a table: %s", place, error.strerror)
            serve = partial(self._with_table, path, options)
            return OpenedRoot(identity, TABLE, serve, lambda: None)
        return OpenedRoot(
            identity,
            KERNEL,
            lambda _tag: LocalFileSystem(place, objects=objects, sync=options.sync),
            objects.close,
        )

    def _with_table(self, path: bytes, options: RootOptions, tag: int) -> FileSystem:
        file = None if self._folder is None else os.path.join(self._folder, f"handles-{tag}")
        try:
            rows = Rows(file)
        except sqlite3.DatabaseError as error:
            raise OSError(
                None, f"{file}: {error}; move it away: then clients mount again"
            ) from None
        try:
            table = HandleTable(path, rows)
        except OSError:
            rows.close()
            raise
        return LocalFileSystem(os.fsdecode(path), objects=table, sync=options.sync)
