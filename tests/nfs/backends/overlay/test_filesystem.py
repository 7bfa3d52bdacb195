"""``oncrpc.nfs.backends.overlay``: a read-only back end becomes writable."""

from __future__ import annotations

import asyncio
import errno
import zipfile
from pathlib import Path

import pytest

from oncrpc.nfs.backends.archive import ArchiveFileSystem
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.backends.overlay import OverlayFileSystem
from oncrpc.nfs.filesystem import FileSystem, Identity, NewAttributes
from oncrpc.programs.nfs3 import nfsstat3
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused
from support.identity_rules import IdentityRules
from support.overlay_layers import TIME, LayersInTest, find, seen

STRANGER = Identity(1001, 1001)


def zip_with(path: Path, **files: str) -> Path:
    """An archive with a directory ``dir`` of these files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"dir/{name}", text)
    return path


def over_archive(folder: Path) -> OverlayFileSystem:
    """A directory of this host over an archive."""
    (folder / "upper").mkdir(exist_ok=True)
    upper, lower = LocalFileSystem(str(folder / "upper")), ArchiveFileSystem(folder / "a.zip")
    return OverlayFileSystem(lower, upper, table=folder / "table")


class TestMemoryOverMemory(FileSystemRules, IdentityRules):
    """The rules of every back end."""

    @pytest.fixture
    def files(self) -> FileSystem:
        return OverlayFileSystem(MemoryFileSystem(), MemoryFileSystem())


@pytest.mark.slow
class TestLocalOverArchive(FileSystemRules):
    """The rules of every back end, with a table on disk."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> FileSystem:
        zip_with(tmp_path / "a.zip", hello="hello")
        return over_archive(tmp_path)


def test_lower_files_are_seen(layers: LayersInTest) -> None:
    assert layers.seen() == layers.before


def test_written_file_keeps_its_handle(layers: LayersInTest) -> None:
    me, file = layers.me, layers.find("deep/dir/a")
    number = me.getattr(file).fileid

    me.write(file, b"TEXT")

    assert me.read(file) == b"TEXT of a"
    assert (layers.find("deep/dir/a"), me.getattr(file).fileid) == (file, number)
    assert (me.getattr(file).mode, me.getattr(file).uid) == (0o640, 7)


def test_lower_layer_is_never_changed(layers: LayersInTest) -> None:
    me, directory = layers.me, layers.find("deep/dir")
    me.write(layers.find("deep/dir/a"), b"new")
    me.remove(directory, b"b")
    me.rename(me.files.root, b"deep", me.files.root, b"moved")

    below = layers.user(layers.lower)
    assert seen(below) == layers.before


def test_removed_file_stays_away(layers: LayersInTest) -> None:
    me, file = layers.me, layers.find("deep/dir/a")
    me.remove(layers.find("deep/dir"), b"a")

    me = layers.restart()

    assert me.names(layers.find("deep/dir")) == [b"b"]
    with refused(nfsstat3.NFS3ERR_STALE):
        me.getattr(file)


def test_new_directory_hides_the_lower_one(layers: LayersInTest) -> None:
    me, directory = layers.me, layers.find("deep/dir")
    for name in me.names(directory):
        me.remove(directory, name)
    me.rmdir(layers.find("deep"), b"dir")

    me.mkdir(layers.find("deep"), b"dir")

    assert me.names(layers.find("deep/dir")) == []
    me = layers.restart()
    assert me.names(layers.find("deep/dir")) == []


def test_renamed_directory_keeps_its_files(layers: LayersInTest) -> None:
    me, file = layers.me, layers.find("deep/dir/a")
    me.rename(me.files.root, b"deep", layers.find("empty"), b"moved")

    me = layers.restart()

    assert find(me, "empty/moved/dir/a") == file
    assert me.read(find(me, "empty/moved/dir/b")) == b"text of b"
    assert b"deep" not in me.names(me.files.root)


def test_handles_are_valid_after_a_restart(layers: LayersInTest) -> None:
    paths = list(layers.seen())
    layers.me.write(layers.find("deep/dir/a"), b"new")
    files = {path: layers.find(path) for path in paths}

    layers.restart()

    assert {path: layers.find(path) for path in paths} == files
    assert layers.me.read(files["deep/dir/a"])[:3] == b"new"


def test_listing_goes_on_while_files_are_copied(layers: LayersInTest) -> None:
    me, work = layers.me, layers.find("deep/dir")
    found, cookie, eof = list[bytes](), 0, False
    while not eof:
        listing = me.readdir(work, cookie, 1)
        found += [entry.name for entry in listing.entries]
        cookie, eof = listing.entries[-1].cookie, listing.eof
        for name in me.names(work):
            me.write(me.lookup(work, name), b"x")

    assert sorted(found) == [b".", b"..", b"a", b"b"]


def test_names_of_one_lower_file_are_separate(layers: LayersInTest) -> None:
    below = layers.user(layers.lower)
    below.link(find(below, "deep/dir/a"), below.files.root, b"other")
    me, file = layers.me, layers.find("deep/dir/a")

    me.write(file, b"TEXT")

    assert me.read(layers.find("other")) == b"text of a"
    assert {me.getattr(each).nlink for each in (file, layers.find("other"))} == {1}


def test_linked_file_is_one_file(layers: LayersInTest) -> None:
    me, file = layers.me, layers.find("deep/dir/a")
    me.link(file, me.files.root, b"other")

    me.write(layers.find("other"), b"TEXT")

    assert me.read(file) == b"TEXT of a"
    assert (layers.find("other"), me.getattr(file).nlink) == (file, 2)


def test_refused_change_copies_nothing(layers: LayersInTest) -> None:
    me = layers.me.like(STRANGER)
    root, file = me.files.root, layers.find("deep/dir/a")
    layers.upper.left = 1

    with refused(nfsstat3.NFS3ERR_ACCES):
        me.write(file, b"x")
    with refused(nfsstat3.NFS3ERR_PERM):
        me.setattr(file, NewAttributes(mode=0o777))
    with refused(nfsstat3.NFS3ERR_ACCES):
        me.create(root, b"new")
    with refused(nfsstat3.NFS3ERR_ACCES):
        me.rename(root, b"empty", root, b"moved")
    with refused(nfsstat3.NFS3ERR_ACCES):
        me.rmdir(root, b"empty")


def test_own_files_in_the_upper_layer_are_merged(layers: LayersInTest) -> None:
    layers.seen()
    above = layers.user(layers.upper)
    files = above.lookup(above.files.root, b"files")
    above.create(above.mkdir(files, b"deep"), b"mine")
    above.create(files, b"pipe")

    found = layers.seen()

    assert found.keys() == layers.before.keys() | {"deep/mine"}
    assert (layers.before["pipe"].mtime, found["pipe"].mtime) == (TIME, 0)


def test_replaced_archive_shows_with_the_changes(tmp_path: Path) -> None:
    zip_with(tmp_path / "a.zip", a="old a", b="old b", c="old c")
    with asyncio.Runner() as runner:
        files = over_archive(tmp_path)
        me = FileUser(files, SUPER_USER, runner=runner)
        me.write(find(me, "dir/a"), b"own")
        me.remove(find(me, "dir"), b"b")
        files.close()
        zip_with(tmp_path / "a.zip", a="new a", b="new b", c="new c")

        files = over_archive(tmp_path)
        me = FileUser(files, SUPER_USER, runner=runner)

        found = {path: each.content for path, each in seen(me).items() if each.content}
        assert found == {"dir/a": b"own a", "dir/c": b"new c"}
        assert (tmp_path / "upper/files/dir/a").read_bytes() == b"own a"
        files.close()


def test_table_has_one_server(layers: LayersInTest) -> None:
    layers.seen()

    with pytest.raises(OSError, match="another server may use it") as raised:
        layers.open()
    assert raised.value.errno == errno.EBUSY


def test_upper_layer_with_passing_ids_has_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs no table"):
        OverlayFileSystem(MemoryFileSystem(), MemoryFileSystem(), table=tmp_path / "table")
