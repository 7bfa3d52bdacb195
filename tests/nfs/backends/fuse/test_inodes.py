"""``InodeOperationsFileSystem``: the rules of every back end."""

from __future__ import annotations

import pytest

pytest.importorskip("pyfuse3", reason="not installed: pyfuse3")

from oncrpc.nfs.backends.fuse import InodeOperationsFileSystem
from oncrpc.nfs.filesystem import FileSystem
from support.file_system_rules import FileSystemRules
from support.memory_inodes import MemoryInodes

LIMIT = 8 << 20


class TestWithTrio(FileSystemRules):
    """A complete object, in a loop of trio."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return InodeOperationsFileSystem(MemoryInodes(), loop="trio", max_file_size=LIMIT)


class TestWithFewReferences(FileSystemRules):
    """A complete object, in a loop of asyncio; inodes are often forgotten."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return InodeOperationsFileSystem(
            MemoryInodes, loop="asyncio", max_references=1, max_file_size=LIMIT
        )
