"""The rules of a file system that is only read: it shows what a directory of this host has.

::

    class TestMine(ReadingRules):
        @pytest.fixture
        def files(self, source: Path) -> FileSystem:
            return MyFileSystem(packed(source))
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from oncrpc.nfs.filesystem import MAY_READ, MAY_WRITE, FileSystem, Identity, NewAttributes
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_user import FileUser, refused

SUPER_USER, NOBODY = Identity(0, 0), Identity(65534, 65534)
KINDS = {stat.S_IFREG: ftype3.NF3REG, stat.S_IFDIR: ftype3.NF3DIR, stat.S_IFLNK: ftype3.NF3LNK}
SECOND = 1_000_000_000
TEXT, LARGE, LINK = b"hello\n", b"large", b"link"


def write_source(folder: Path) -> Path:
    """Make the directory: files of several sizes and modes, directories, a link, many names."""
    (folder / "empty").mkdir(parents=True)
    (folder / "deep/deeper").mkdir(parents=True)
    (folder / "many").mkdir()
    (folder / "hello.txt").write_bytes(TEXT)
    (folder / "deep/deeper/secret").write_bytes(b"for the owner")
    (folder / "deep/deeper/secret").chmod(0o600)
    (folder / "zero").write_bytes(b"")
    (folder / "large").write_bytes(Random(1).randbytes(700_000) + bytes(700_000))
    (folder / "link").symlink_to("deep/../hello.txt")
    for number in range(40):
        (folder / "many" / f"{number:02} é").write_text(str(number))
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, ns=(SECOND, 1_600_000_000 * SECOND), follow_symlinks=False)
    return folder


class ReadingRules:
    """Reading, for a class with a fixture ``files`` that shows ``source``."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        """The directory with what must be there."""
        return write_source(tmp_path / "source")

    @pytest.fixture
    def me(self, files: FileSystem) -> Iterator[FileUser]:
        """The super-user of the file system."""
        with asyncio.Runner() as runner:
            yield FileUser(files, SUPER_USER, runner=runner)
            files.close()

    def found(self, me: FileUser, path: Path) -> bytes:
        """The id of a file by its path."""
        file = me.files.root
        for part in path.parts:
            file = me.lookup(file, os.fsencode(part))
        return file

    def test_every_file_is_as_in_the_source(self, me: FileUser, source: Path) -> None:
        for path in source.rglob("*"):
            expected = path.lstat()
            attributes = me.getattr(self.found(me, path.relative_to(source)))
            assert attributes.kind is KINDS[stat.S_IFMT(expected.st_mode)]
            if attributes.kind is not ftype3.NF3LNK:
                assert attributes.mode == stat.S_IMODE(expected.st_mode)
            if attributes.kind is not ftype3.NF3DIR:
                assert attributes.size == expected.st_size
            assert attributes.mtime == expected.st_mtime_ns

    def test_every_file_has_the_same_data(self, me: FileUser, source: Path) -> None:
        for path in filter(Path.is_file, source.rglob("*")):
            if not path.is_symlink():
                file = self.found(me, path.relative_to(source))
                assert me.read(file, 0, 1 << 21) == path.read_bytes()

    @pytest.mark.parametrize("seed", range(3))
    def test_any_range_is_read_in_any_order(self, me: FileUser, source: Path, seed: int) -> None:
        chance, data = Random(seed), (source / "large").read_bytes()
        file = me.lookup(me.files.root, LARGE)

        for _ in range(10):
            offset, count = chance.randrange(len(data) + 1000), chance.choice((0, 1, 4096, 1 << 20))
            assert me.read(file, offset, count) == data[offset : offset + count]

    @pytest.mark.parametrize("count", [1, 7, 1000])
    def test_names_are_listed_in_any_portions(self, me: FileUser, source: Path, count: int) -> None:
        many = me.lookup(me.files.root, b"many")

        expected = {os.fsencode(path.name) for path in (source / "many").iterdir()}
        names = me.raw_names(many, count=count)
        assert len(names) == len(set(names))
        assert set(names) - {b".", b".."} == expected

    def test_entries_are_those_that_are_looked_up(self, me: FileUser) -> None:
        root = me.files.root
        for entry in me.readdir(root, plus=True).entries:
            if entry.name in (b".", b".."):
                continue
            file = me.lookup(root, entry.name)
            assert entry.file in (None, file)
            assert entry.fileid == me.getattr(file).fileid
            assert entry.cookie != 0

    def test_link_has_its_text(self, me: FileUser) -> None:
        assert me.readlink(me.lookup(me.files.root, LINK)) == b"deep/../hello.txt"

    def test_parent_is_the_directory_above(self, me: FileUser) -> None:
        deep = me.lookup(me.files.root, b"deep")
        deeper = me.lookup(deep, b"deeper")

        assert (me.parent(deeper), me.parent(deep)) == (deep, me.files.root)
        assert me.getattr(deep).nlink == 3

    def test_errors_are_those_of_a_disk(self, me: FileUser) -> None:
        root = me.files.root
        file = me.lookup(root, b"hello.txt")
        with refused(nfsstat3.NFS3ERR_NOENT):
            me.lookup(root, b"missing")
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.lookup(file, b"a")
        with refused(nfsstat3.NFS3ERR_NOTDIR):
            me.readdir(file)
        with refused(nfsstat3.NFS3ERR_ISDIR):
            me.read(root)
        with refused(nfsstat3.NFS3ERR_INVAL):
            me.readlink(file)
        with refused(nfsstat3.NFS3ERR_NAMETOOLONG):
            me.lookup(root, b"n" * 256)
        for stale in (b"x", root + b"x", bytes(len(root))):
            with refused(nfsstat3.NFS3ERR_STALE):
                me.getattr(stale)

    def test_modes_are_obeyed(self, me: FileUser, source: Path) -> None:
        file = self.found(me, Path("deep/deeper/secret"))
        other = me.like(NOBODY)

        with refused(nfsstat3.NFS3ERR_ACCES):
            other.read(file)
        assert not other.access(file)
        assert other.access(me.lookup(me.files.root, b"hello.txt")) & MAY_READ

    def test_nothing_can_be_changed(self, me: FileUser) -> None:
        root = me.files.root
        file = me.lookup(root, b"hello.txt")

        assert not me.access(root) & MAY_WRITE
        with refused(nfsstat3.NFS3ERR_ROFS):
            me.write(file, b"x")
        with refused(nfsstat3.NFS3ERR_ROFS):
            me.create(root, b"new")
        with refused(nfsstat3.NFS3ERR_ROFS):
            me.setattr(file, NewAttributes(mode=0o777))
        with refused(nfsstat3.NFS3ERR_ROFS):
            me.remove(root, b"hello.txt")
        with refused(nfsstat3.NFS3ERR_ROFS):
            me.rename(root, b"hello.txt", root, b"other")

    def test_ids_fit_into_all_versions(self, me: FileUser) -> None:
        """Claim 18: no handle over 56 bytes, and 32 for NFS 2, tested for each back end."""
        assert len(me.lookup(me.files.root, b"hello.txt")) <= 20
