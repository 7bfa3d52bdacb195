"""``InodeOperationsFileSystem``: a back end for ``Operations`` objects of pyfuse3."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import pyfuse3

from oncrpc.nfs.backends.fuse.filesystem import OperationsFileSystem
from oncrpc.nfs.backends.fuse.inode_tree import InodeTree
from oncrpc.nfs.backends.fuse.known import MAX_KNOWN_FILES, MAX_REFERENCES, KnownFiles
from oncrpc.nfs.backends.fuse.paths import MAX_FILE_SIZE
from oncrpc.nfs.backends.fuse.threads import AsyncioThread, OperationsThread


class InodeOperationsFileSystem(OperationsFileSystem):
    """The files of an ``Operations`` object of pyfuse3, without FUSE and without a mount.

    ``operations`` is the object, or a class or function that makes it: that one is called in the
    thread in which the methods run. ``loop`` is the event loop of that thread; by default the one
    that pyfuse3 uses: trio, or asyncio after ``pyfuse3.asyncio.enable()``. With
    ``default_permissions``, modes and owners are checked before a method is called; without it, the
    object must check them. ``max_files`` is the number of files whose handles are valid at the same
    time, ``max_references`` the number of inodes that the object must keep for the server. Writing
    beyond ``max_file_size`` fails with EFBIG.
    """

    def __init__(
        self,
        operations: Any,
        *,
        loop: Literal["trio", "asyncio"] | None = None,
        default_permissions: bool = True,
        max_files: int = MAX_KNOWN_FILES,
        max_references: int = MAX_REFERENCES,
        max_file_size: int = MAX_FILE_SIZE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        tree = InodeTree(
            operations, KnownFiles(max_files),
            max_file_size=max_file_size, max_references=max_references,
        )  # fmt: skip
        super().__init__(
            tree, _thread(loop), default_permissions=default_permissions, clock=clock
        )  # fmt: skip


def _thread(loop: str | None) -> OperationsThread:
    used = pyfuse3.trio.__name__ if loop is None else loop  # type: ignore[attr-defined]  # private
    if used != "trio":
        return AsyncioThread()
    from oncrpc.nfs.backends.fuse.trio_thread import TrioThread

    return TrioThread()
