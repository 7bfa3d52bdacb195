"""``oncrpc.nfs.backends.fuse.choosing``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

pytest.importorskip("pyfuse3", reason="not installed: pyfuse3")

from oncrpc.nfs.backends.fuse import InodeOperationsFileSystem, PathOperationsFileSystem
from oncrpc.nfs.backends.fuse.choosing import file_system_of
from oncrpc.nfs.backends.fuse.objects import OperationsError
from support.memory_inodes import MemoryInodes
from support.memory_operations import MemoryOperations


@pytest.mark.parametrize(
    "operations",
    [
        MemoryOperations,
        MemoryOperations(),
        partial(MemoryOperations),
        lambda: MemoryOperations(),
        partial(lambda kind: kind(), MemoryOperations),
    ],
)
def test_object_without_lookup_has_paths(operations: Any) -> None:
    assert isinstance(file_system_of(operations), PathOperationsFileSystem)


@pytest.mark.parametrize("operations", [MemoryInodes, MemoryInodes(), lambda: MemoryInodes()])
def test_object_with_lookup_has_inodes(operations: Any) -> None:
    assert isinstance(file_system_of(operations), InodeOperationsFileSystem)


@pytest.mark.parametrize("operations", [dict, {}, partial(dict), lambda: {}])
def test_object_without_getattr_is_refused(operations: Any) -> None:
    with pytest.raises(OperationsError, match="dict is not a FUSE file system: it has no method"):
        file_system_of(operations)
