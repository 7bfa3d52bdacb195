"""``oncrpc.nfs.backends.archive.tree``: any members make a tree, and no path leads out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.archive.members import ArchiveError, ArchiveMember
from oncrpc.nfs.backends.archive.tree import ArchiveNode, ArchiveTree, parts_of
from oncrpc.programs.nfs3 import ftype3

NAMES = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"n" * 300, b"\0"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
KINDS = st.sampled_from([ftype3.NF3REG, ftype3.NF3DIR, ftype3.NF3LNK])
MEMBERS = st.builds(
    lambda path, kind, linked: ArchiveMember(path, kind, 0o644, same_as=linked),
    PATHS, KINDS, st.none() | PATHS,
)  # fmt: skip


def walked(node: ArchiveNode, depth: int = 0) -> list[ArchiveNode]:
    assert depth < 10, "a tree has no cycles"
    below = [walked(child, depth + 1) for child in node.names.values()]
    return [node, *(found for nodes in below for found in nodes)]


@given(st.lists(MEMBERS, max_size=12))
def test_any_members_make_a_tree(members: list[ArchiveMember]) -> None:
    tree = ArchiveTree(members, mtime=0)

    for node in walked(tree.root):
        assert tree.nodes[node.number] is node
        assert node.order == list(node.names)
        assert not node.names.keys() & {b"..", b".", b""}
        assert not node.names or node.is_directory
        for child in node.names.values():
            assert not child.is_directory or child.above is node


@given(st.lists(MEMBERS, max_size=12))
def test_links_are_counted_as_they_are_named(members: list[ArchiveMember]) -> None:
    tree = ArchiveTree(members, mtime=0)

    names = [node.number for node in walked(tree.root) if not node.is_directory]
    for number in set(names):
        assert tree.nodes[number].attributes.nlink == names.count(number)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (b"a/./b//c/", [b"a", b"b", b"c"]),
        (b"/etc/passwd", [b"etc", b"passwd"]),
        (b"a/../b", None),
        (b"a\0", None),
        (b"n" * 256, None),
        (b"a/" * 3000, None),
        (b"./", []),
    ],
)
def test_paths_stay_below_the_root(path: bytes, parts: list[bytes] | None) -> None:
    assert parts_of(path) == parts


def test_number_of_files_is_bounded() -> None:
    members = (ArchiveMember(b"%d" % number, ftype3.NF3REG, 0o644) for number in range(100))

    with pytest.raises(ArchiveError, match="more than 50 files"):
        ArchiveTree(members, mtime=0, max_files=50)
