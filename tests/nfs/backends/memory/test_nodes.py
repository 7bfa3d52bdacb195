"""``oncrpc.nfs.backends.memory.nodes``: the entries of a directory and their cookies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.memory.nodes import ABOVE_COOKIE, DirectoryEntries, FileNode
from oncrpc.nfs.filesystem import Attributes
from oncrpc.programs.nfs3 import ftype3


def node(number: int) -> FileNode:
    return FileNode(b"%d" % number, Attributes(ftype3.NF3REG))


def listed(names: DirectoryEntries) -> list[bytes]:
    return [name for name, _ in names.after(0, 1000)]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40))
def test_names_come_in_order_of_creation(steps: list[tuple[bool, int]]) -> None:
    names, expected = DirectoryEntries(), list[bytes]()

    for adds, number in steps:
        name = b"%d" % number
        if adds:
            names.put(name, node(number))
            expected += [] if name in expected else [name]
        elif name in expected:
            names.remove(name)
            expected.remove(name)

    assert listed(names) == expected
    assert len(names) == len(expected)


def test_removed_cookie_is_never_used_again() -> None:
    names = DirectoryEntries()
    names.put(b"a", node(1))
    names.remove(b"a")

    names.put(b"b", node(2))

    assert [entry.cookie for _, entry in names.after(0, 1)] == [ABOVE_COOKIE + 2]


def test_replaced_file_leaves_the_cookie() -> None:
    names, other = DirectoryEntries(), node(2)
    names.put(b"a", node(1))
    names.put(b"b", node(1))

    names.put(b"a", other)

    assert listed(names) == [b"a", b"b"]
    assert names.get(b"a") is other


def test_listing_goes_on_after_a_removed_entry() -> None:
    names = DirectoryEntries()
    for number in range(5):
        names.put(b"%d" % number, node(number))
    seen = list(names.after(0, 2))

    names.remove(b"1")

    assert [name for name, _ in names.after(seen[-1][1].cookie, 2)] == [b"2", b"3"]


def test_unknown_name_has_no_file() -> None:
    assert DirectoryEntries().get(b"a") is None
