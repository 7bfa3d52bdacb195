"""``PathOperationsFileSystem``: a back end for ``Operations`` objects of mfusepy and fusepy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from oncrpc.nfs.backends.fuse.filesystem import OperationsFileSystem
from oncrpc.nfs.backends.fuse.known import MAX_KNOWN_FILES, KnownFiles
from oncrpc.nfs.backends.fuse.path_tree import PathTree
from oncrpc.nfs.backends.fuse.threads import AsyncioThread

MAX_FILE_SIZE = 64 << 30
"""Bytes of a file of a FUSE object, by default."""


class PathOperationsFileSystem(OperationsFileSystem):
    """The files of an ``Operations`` object of mfusepy or fusepy, without FUSE and without a mount.

    ``operations`` is the object, or a class or function that makes it: that one is called in the
    thread in which the methods run. ``threads`` is how many methods may run at the same time. With
    ``default_permissions``, modes and owners are checked before a method is called; without it, the
    object must check them, and gets the user from ``fuse_get_context()``. ``max_files`` is the
    number of files whose handles are valid at the same time. Writing beyond ``max_file_size`` fails
    with EFBIG.
    """

    def __init__(
        self,
        operations: Any,
        *,
        threads: int = 1,
        default_permissions: bool = True,
        encoding: str = "utf-8",
        max_files: int = MAX_KNOWN_FILES,
        max_file_size: int = MAX_FILE_SIZE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        tree = PathTree(
            operations, KnownFiles(max_files),
            encoding=encoding, threads=threads, max_file_size=max_file_size,
        )  # fmt: skip
        super().__init__(
            tree, AsyncioThread(), default_permissions=default_permissions, clock=clock
        )
