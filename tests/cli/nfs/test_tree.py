"""``nfs tree``: a drawing of directories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oncrpc import nfs
from support.nfs_commands import ServedTree, served_tree


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.mkdir("top/a/b", parents=True)
    fs.mkdir("top/z")
    fs.symlink("a", "top/link")
    for name in (".hidden", "a/b/deep", "z/\x1b"):
        fs.write_bytes(f"top/{name}", b"")


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree(fill) as served:
        yield served


def test_branches_are_drawn(tree: ServedTree) -> None:
    assert tree.run("tree", "/top").lines == [
        "/top",
        "├── a",
        "│   └── b",
        "│       └── deep",
        "├── link -> a",
        "└── z",
        "    └── ''$'\\033'",
        "",
        "4 directories, 3 files",
    ]


def test_level_limits_the_depth(tree: ServedTree) -> None:
    assert tree.run("tree -d -L 1", "/top").lines == [
        "/top", "├── a", "└── z", "", "3 directories",
    ]  # fmt: skip


def test_hidden_names_are_shown_on_request(tree: ServedTree) -> None:
    assert tree.run("tree -a -L 1", "/top").lines[1] == "├── .hidden"


def test_a_file_is_drawn_alone(tree: ServedTree) -> None:
    assert tree.run("tree", "/top/a/b/deep").lines == [
        "/top/a/b/deep", "", "0 directories, 1 file",
    ]  # fmt: skip
