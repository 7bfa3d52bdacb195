"""A directory of this host keeps the rules of every back end, on a disk and on tmpfs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.local.marks import mark_of
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows
from oncrpc.nfs.filesystem import FileSystem
from support.file_system_rules import FileSystemRules
from support.table_tree import weak_mark_of


class TestLocalFileSystem(FileSystemRules):
    @pytest.fixture(params=[True, False], ids=["sync", "async"])
    def files(self, place: Path, request: pytest.FixtureRequest) -> FileSystem:
        return LocalFileSystem(str(place), sync=request.param)


class TestWithTable(FileSystemRules):
    """The same with ids from a table, also where the file system tells nothing about births."""

    @pytest.fixture(params=["sync", "async", "weak"])
    def files(self, place: Path, tmp_path: Path, request: pytest.FixtureRequest) -> FileSystem:
        mark = weak_mark_of if request.param == "weak" else mark_of
        table = HandleTable(os.fsencode(place), Rows(str(tmp_path / "table")), mark=mark)
        return LocalFileSystem(str(place), objects=table, sync=request.param == "sync")
