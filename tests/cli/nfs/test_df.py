"""``nfs df``: space and files of exports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from oncrpc import nfs
from oncrpc.cli.nfs.df import percent
from support.nfs_commands import ServedTree, served_tree
from support.remote_files import served_in_thread


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.write_bytes("file", bytes(1 << 20))


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree(fill) as served:
        yield served


def test_space_is_shown_in_blocks(tree: ServedTree) -> None:
    heads, row = (line.split() for line in tree.run("df", "/").lines)

    assert heads == ["Filesystem", "1K-blocks", "Used", "Available", "Use%"]
    assert (row[0], row[4]) == ("127.0.0.1:/", "1%")
    assert 0 <= int(row[2]) + int(row[3]) - int(row[1]) <= 1  # both are rounded up


def test_human_sizes_are_short(tree: ServedTree) -> None:
    heads, row = (line.split() for line in tree.run("df -h", "/file").lines)

    assert heads[1:] == ["Size", "Used", "Avail", "Use%"]
    assert row[1][-1] == "M"


def test_files_are_shown_instead_of_space(tree: ServedTree) -> None:
    heads, row = (line.split() for line in tree.run("df -i", "/").lines)

    assert heads[1:] == ["Inodes", "IUsed", "IFree", "IUse%"]
    assert int(row[1]) == int(row[2]) + int(row[3])


def test_server_without_path_shows_its_exports(tree: ServedTree) -> None:
    (line,) = tree.run("df --json", "").lines

    assert json.loads(line)["export"] == "/"
    assert json.loads(line)["total_bytes"] > 1 << 20


def test_export_of_a_file_is_named() -> None:
    with served_in_thread(path="/deep/export") as url:
        tree = ServedTree(url.replace("/deep/export", ""))
        tree.run("mkdir", "/deep/export/dir")
        rows = [tree.run("df", path).lines[1].split() for path in ("/deep/export/dir", "")]

    assert [row[0] for row in rows] == ["127.0.0.1:/deep/export"] * 2


def test_missing_path_is_an_error(tree: ServedTree) -> None:
    ended = tree.run("df", "/none")

    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "nfs df: /none: No such file or directory (NFS3ERR_NOENT)\n"


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(0, 10, "0%"), (1, 1000, "1%"), (10, 10, "100%"), (0, 0, "-")]
)
def test_percent_is_rounded_up(part: int, whole: int, shown: str) -> None:
    assert percent(part, whole) == shown
