"""The example file systems of pyfuse3 as back ends, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("pyfuse3", reason="not installed: pyfuse3")

from oncrpc.nfs.backends.fuse import InodeOperationsFileSystem
from oncrpc.nfs.filesystem import FileSystem, NewAttributes
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused
from support.fuse_examples import example_class

pytestmark = pytest.mark.interop

LIMIT = 8 << 20


class TestTmpfs(FileSystemRules):
    """A file system in memory, with trio. Its data are in SQLite, in the thread that made it."""

    several_users = False

    @pytest.fixture
    def files(self) -> FileSystem:
        return InodeOperationsFileSystem(example_class("tmpfs"), max_file_size=LIMIT)

    def test_holes_read_as_zeros(self, me: FileUser, work: bytes) -> None:
        """Not supported by the example: it appends a write beyond the end."""
        file = me.create(work, b"a")

        me.write(file, b"end", 10)

        assert me.read(file) == b"end"

    @pytest.mark.parametrize("length", [1, 4095])
    def test_symlink_keeps_its_text(self, me: FileUser, work: bytes, length: int) -> None:
        """The example reports the size 0 for links."""
        link = me.symlink(work, b"l", b"t" * length)

        assert me.readlink(link) == b"t" * length
        assert me.getattr(link).kind is ftype3.NF3LNK


@contextmanager
def user_of(files: FileSystem) -> Iterator[FileUser]:
    """The super-user of a file system."""
    with asyncio.Runner() as runner:
        yield FileUser(files, SUPER_USER, runner=runner)
        files.close()


def test_hello_is_read() -> None:
    with user_of(InodeOperationsFileSystem(example_class("hello"))) as user:
        root = user.files.root
        file = user.lookup(root, b"message")

        assert user.names(root) == [b"message"]
        assert user.read(file) == b"hello world\n"
        with refused(nfsstat3.NFS3ERR_ACCES):
            user.write(file, b"x")


def test_passthroughfs_changes_its_directory(tmp_path: Path) -> None:
    made = example_class("passthroughfs", source=str(tmp_path))
    with user_of(InodeOperationsFileSystem(made)) as user:
        directory = user.mkdir(user.files.root, b"d")
        file = user.create(directory, b"a", NewAttributes(mode=0o640))
        user.write(file, b"hello")
        assert user.read(file) == b"hello"
        user.link(file, user.files.root, b"link")
        user.rename(directory, b"a", user.files.root, b"b")
        assert user.lookup(user.files.root, b"b") == file == user.lookup(user.files.root, b"link")
        user.setattr(file, NewAttributes(size=2, mode=0o600))
        user.remove(user.files.root, b"link")
        assert user.read(file) == b"he"
        user.rmdir(user.files.root, b"d")

    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_bytes() == b"he"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
