"""``file_system_of``: the back end for an object of any FUSE module."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from oncrpc.nfs.backends.fuse.filesystem import OperationsFileSystem
from oncrpc.nfs.backends.fuse.objects import OperationsError
from oncrpc.nfs.backends.fuse.paths import PathOperationsFileSystem


def file_system_of(operations: Any) -> OperationsFileSystem:
    """The file system of an object, or of a class or function that makes one.

    A class is called in the thread of the file system, a function at once. An object with a method
    ``lookup`` is one of pyfuse3.

    Raises:
        OperationsError: it has no method ``getattr``, so it is not a FUSE file system.
    """
    kind = operations.func if isinstance(operations, functools.partial) else operations
    if inspect.isroutine(kind):
        operations = kind = operations()
    if not hasattr(kind, "getattr"):
        name = getattr(kind, "__name__", type(kind).__name__)
        raise OperationsError(f"{name} is not a FUSE file system: it has no method getattr")
    if not hasattr(kind, "lookup"):
        return PathOperationsFileSystem(operations)
    from oncrpc.nfs.backends.fuse.inodes import InodeOperationsFileSystem

    return InodeOperationsFileSystem(operations)
