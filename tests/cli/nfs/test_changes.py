"""``nfs mkdir``, ``mv``, ``ln``, ``chmod`` and ``touch``: one server, a directory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from oncrpc import nfs
from support.nfs_commands import CommandOutcome, ServedTree, run_nfs, served_tree

FINE = CommandOutcome(0, b"", "")


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree() as served:
        yield served


@contextmanager
def files(tree: ServedTree) -> Iterator[nfs.SyncRemoteFileSystem]:
    """The files of the server; all are removed first."""
    with nfs.sync_connect(tree.url("/")) as fs:
        names = [entry.name for entry in fs.scandir("/")]
        for name in names:
            assert tree.run("rm -r", f"/{name}") == FINE
        yield fs


def test_directory_is_created(tree: ServedTree) -> None:
    with files(tree) as fs:
        assert tree.run("mkdir -m 700", "/new") == FINE
        assert fs.stat("new").mode == 0o40700


def test_parents_are_created_on_request(tree: ServedTree) -> None:
    with files(tree) as fs:
        assert tree.run("mkdir", "/a/b").status == 1
        assert tree.run("mkdir -p", "/a/b") == FINE
        assert tree.run("mkdir -p", "/a/b") == FINE
        assert fs.listdir("a") == ["b"]


def test_existing_directory_is_an_error(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.mkdir("a")
        assert tree.run("mkdir", "/a", "/b").err == "nfs mkdir: /a: File exists (NFS3ERR_EXIST)\n"
        assert fs.exists("b")


@pytest.mark.parametrize("mode", ["8", "10000", "rwx", "+7"])
def test_mode_must_be_octal(tree: ServedTree, mode: str) -> None:
    ended = tree.run(f"chmod {mode}", "/")

    assert ended.status == 2
    assert ended.err == f"nfs chmod: invalid mode {mode}: must be octal, 0 to 7777\n"


def test_permissions_are_set(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.write_bytes("f", b"")
        assert tree.run("chmod 604", "/f") == FINE
        assert fs.stat("f").mode == 0o100604


def test_file_is_renamed(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.write_bytes("a", b"1")
        fs.write_bytes("b", b"2")
        assert tree.run("mv -v", "/a", "/b").lines == ["renamed /a -> /b"]
        assert (fs.listdir(), fs.read_bytes("b")) == (["b"], b"1")


def test_files_are_moved_into_a_directory(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.mkdir("dir")
        fs.write_bytes("a", b"")
        fs.write_bytes("b", b"")
        assert tree.run("mv", "/a", "/b", "/dir") == FINE
        assert sorted(fs.listdir("dir")) == ["a", "b"]


def test_several_files_need_a_directory(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.write_bytes("a", b"")
        fs.write_bytes("b", b"")
        ended = tree.run("mv", "/a", "/b", "/c")
        assert ended.err == "nfs mv: /c: Not a directory: several files need one\n"
        assert sorted(fs.listdir()) == ["a", "b"]


def test_existing_file_is_kept_on_request(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.write_bytes("a", b"1")
        fs.write_bytes("b", b"2")
        assert tree.run("mv -n", "/a", "/b") == FINE
        assert fs.read_bytes("b") == b"2"


def test_refused_move_names_both_files(tree: ServedTree) -> None:
    with files(tree):
        assert tree.run("mv", "/a", "/none/a").err == (
            "nfs mv: /a to /none/a: No such file or directory (NFS3ERR_NOENT)\n"
        )


@pytest.mark.parametrize("word", ["mv", "ln"])
def test_file_stays_on_its_server(tree: ServedTree, word: str) -> None:
    with files(tree) as fs, served_tree() as other:
        fs.write_bytes("a", b"")
        ended = run_nfs(word, tree.url("/a"), other.url("/b"))
        assert ended.status == 1
        assert "not in the export of /" in ended.err
        assert fs.listdir() == ["a"]


def test_links_are_created(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.write_bytes("a", b"")
        assert tree.run("ln", "/a", "/hard") == FINE
        assert tree.run("ln -s ../any/text", "/soft") == FINE
        assert fs.stat("a").nlink == 2
        assert fs.readlink("soft") == "../any/text"


def test_touch_creates_files_and_sets_times(tree: ServedTree) -> None:
    with files(tree) as fs:
        fs.write_bytes("a", b"kept")
        fs.utime("a", (0, 0))
        assert tree.run("touch", "/a", "/b") == FINE
        assert tree.run("touch -c", "/c") == FINE
        assert fs.stat("a").mtime > 0
        assert (fs.read_bytes("a"), sorted(fs.listdir())) == (b"kept", ["a", "b"])
