"""A directory of this host keeps the rules of every back end, on a disk and on tmpfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import FileSystem
from support.file_system_rules import FileSystemRules


class TestLocalFileSystem(FileSystemRules):
    @pytest.fixture(params=[True, False], ids=["sync", "async"])
    def files(self, place: Path, request: pytest.FixtureRequest) -> FileSystem:
        return LocalFileSystem(str(place), sync=request.param)
