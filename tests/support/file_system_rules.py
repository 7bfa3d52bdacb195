"""The rules of every back end: derive a test class, and say in ``files`` which one.

Rules that a back end does not have by its ``features`` are skipped; those of several users where it
works as one. Errors are compared as a client sees them.

::

    class TestMine(FileSystemRules):
        @pytest.fixture
        def files(self) -> FileSystem:
            return MyFileSystem()
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from oncrpc.nfs.filesystem import FileSystem, Identity, NewAttributes
from support.access_list_rules import AccessListRules
from support.data_rules import DataRules
from support.directory_rules import DirectoryRules
from support.file_user import FileUser

SUPER_USER = Identity(0, 0)


class FileSystemRules(DirectoryRules, DataRules, AccessListRules):
    """All rules, for a class with a fixture ``files``, which is a new file system.

    ``identity`` is the user that the tests are: it may write to the root.
    """

    identity = SUPER_USER

    @pytest.fixture
    def me(self, files: FileSystem) -> Iterator[FileUser]:
        """The user that the tests are."""
        with asyncio.Runner() as runner:
            yield FileUser(files, self.identity, runner=runner)
        files.close()

    @pytest.fixture
    def work(self, me: FileUser) -> bytes:
        """A directory in which everybody may write."""
        directory = me.mkdir(me.files.root, b"work")
        me.setattr(directory, NewAttributes(mode=0o777))
        return directory
