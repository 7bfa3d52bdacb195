"""Directories to export, on a disk and on tmpfs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import Identity
from support.file_user import FileUser
from support.local_files import PLACES, directory_on


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An empty directory that everybody may use."""
    with directory_on(request.param, tmp_path) as path:
        yield path


@pytest.fixture
def root(place: Path) -> Iterator[FileUser]:
    """The super-user of that directory."""
    files = LocalFileSystem(str(place), sync=False)
    with asyncio.Runner() as runner:
        yield FileUser(files, Identity(0, 0), runner=runner)
    files.close()


@pytest.fixture
def ann(root: FileUser) -> FileUser:
    """An ordinary user, uid 1000 and gid 1001, of the groups 7 and 8."""
    return root.like(Identity(1000, 1001, (7, 8)))


@pytest.fixture
def bob(root: FileUser) -> FileUser:
    """Another ordinary user, uid 2000 and gid 2001, of no other group."""
    return root.like(Identity(2000, 2001))
