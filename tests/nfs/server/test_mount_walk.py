"""``oncrpc.nfs.server.mount_walk``: which directory a path leads to, for which user."""

from __future__ import annotations

import asyncio
import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import Attributes, Identity
from oncrpc.nfs.server.mount_walk import names_below, normalised, walk
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from support.mount_site import DIRECTORY, FILE, LINK, SlowTree, Tree

USER, GROUP, OTHERS = Identity(1000, 100), Identity(5, 100), Identity(9, 9)
PARTS = st.sampled_from([b"", b".", b"..", b"a", b"b", b"...", b"\0", b"\xff", b"a" * 300])
PATHS = st.lists(PARTS, max_size=8).map(lambda parts: b"/" + b"/".join(parts))


def walked(tree: Tree, names: list[bytes], who: Identity = USER) -> bytes:
    return asyncio.run(walk(tree, who, names))


@given(PATHS)
@example(b"/")
@example(b"//")
def test_normalised_path_is_that_of_posixpath(path: bytes) -> None:
    expected = posixpath.normpath(path)
    expected = expected[1:] if expected.startswith(b"//") else expected

    assert normalised(path) == expected
    assert normalised(normalised(path)) == expected


def test_empty_path_is_the_root() -> None:
    assert normalised(b"") == b"/"


@pytest.mark.parametrize("path", [b"a", b"../a", b"\0/a", b"./"])
def test_relative_path_is_refused(path: bytes) -> None:
    with pytest.raises(NfsError) as caught:
        normalised(path)

    assert caught.value.status is nfsstat3.NFS3ERR_ACCES


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        (b"/srv", b"/srv", []),
        (b"/srv/a/b", b"/srv", [b"a", b"b"]),
        (b"/a/b", b"/", [b"a", b"b"]),
        (b"/", b"/", []),
    ],
)
def test_names_are_those_below_the_export(path: bytes, root: bytes, expected: list[bytes]) -> None:
    assert names_below(path, root) == expected


@pytest.mark.parametrize("tree", [Tree, SlowTree])
def test_walk_goes_name_by_name(tree: type[Tree]) -> None:
    made = tree({b"/a": Attributes(DIRECTORY), b"/a/b": Attributes(DIRECTORY)})

    assert walked(made, [b"a", b"b"]) == b"/a/b"
    assert made.looked_up == [(b"/", b"a"), (b"/a", b"b")]


@pytest.mark.parametrize(
    ("mode", "who", "allowed"),
    [
        (0o100, USER, True),
        (0o677, USER, False),
        (0o010, GROUP, True),
        (0o767, GROUP, False),
        (0o001, OTHERS, True),
        (0o776, OTHERS, False),
        (0o000, Identity(0, 0), True),
    ],
)
def test_each_directory_on_the_way_must_be_searchable(
    mode: int, who: Identity, allowed: bool
) -> None:
    tree = Tree(
        {b"/a": Attributes(DIRECTORY, mode, uid=1000, gid=100), b"/a/b": Attributes(DIRECTORY)}
    )

    if allowed:
        assert walked(tree, [b"a", b"b"], who) == b"/a/b"
        return
    with pytest.raises(NfsError, match="a directory on the way may not be searched") as caught:
        walked(tree, [b"a", b"b"], who)
    assert caught.value.status is nfsstat3.NFS3ERR_ACCES
    assert tree.looked_up == [(b"/", b"a")]


@pytest.mark.parametrize(
    ("kind", "status"), [(LINK, nfsstat3.NFS3ERR_ACCES), (FILE, nfsstat3.NFS3ERR_NOTDIR)]
)
def test_what_is_no_directory_ends_the_walk(kind: object, status: nfsstat3) -> None:
    tree = Tree({b"/x": Attributes(kind, 0o777)})  # type: ignore[arg-type]  # a parameter

    for names in ([b"x"], [b"x", b"y"]):
        with pytest.raises(NfsError) as caught:
            walked(tree, names)
        assert caught.value.status is status
    assert (b"/x", b"y") not in tree.looked_up


@given(st.lists(st.sampled_from([b"", b".", b"..", b"a/b", b"\0", b"a\0", b"/"]), min_size=1))
def test_no_file_system_sees_a_bad_name(names: list[bytes]) -> None:
    tree = Tree()

    with pytest.raises(NfsError):
        walked(tree, names)

    assert tree.looked_up == []


def test_name_too_long_is_not_looked_up() -> None:
    tree = Tree()

    with pytest.raises(NfsError) as caught:
        walked(tree, [b"n" * 256])

    assert caught.value.status is nfsstat3.NFS3ERR_NAMETOOLONG
    assert tree.looked_up == []


def test_gone_root_is_stale() -> None:
    tree = Tree()
    del tree.files[b"/"]

    with pytest.raises(OSError, match="Stale file handle"):
        walked(tree, [])
