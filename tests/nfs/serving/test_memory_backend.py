"""``examples/memory_backend.py``: the rules of every back end, and its own bounds."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.filesystem import FileSystem, NewAttributes
from oncrpc.programs.nfs3 import nfsstat3
from support.directory_rules import NAMES
from support.file_system_rules import SUPER_USER, FileSystemRules
from support.file_user import FileUser, refused

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "memory_backend.py"
MIB = 1 << 20


def memory_backend() -> FileSystem:
    made: FileSystem = runpy.run_path(str(EXAMPLE))["MemoryBackend"]()
    return made


LEFT_OUT = {
    "test_longest_name_is_that_of_the_features": "the server checks it",
    "test_size_beyond_the_largest_is_refused": "the server checks it",
    "test_only_symlinks_are_read_as_such": "the server checks it",
    "test_listing_names_the_directory_and_its_parent": "clients do without these names",
    "test_directories_count_those_below": "a count of 1 says that they are not counted",
    "test_rename_replaces_an_empty_directory_only": "it counts directories; tested below",
    "test_moved_directory_needs_writing": "a rule that only Linux has",
    "test_holes_read_as_zeros": "holes take space: the test makes one of 4 GiB",
}
"""Rules that a short example does without, and why."""


class TestMemoryBackend(FileSystemRules):
    """The rules of every back end."""

    @pytest.fixture(autouse=True)
    def is_kept(self, request: pytest.FixtureRequest) -> None:
        """Skip what is left out."""
        if request.function.__name__ in LEFT_OUT:
            pytest.skip(LEFT_OUT[request.function.__name__])

    @pytest.fixture
    def files(self) -> FileSystem:
        return memory_backend()


@pytest.fixture
def me() -> Iterator[FileUser]:
    with asyncio.Runner() as runner:
        yield FileUser(memory_backend(), SUPER_USER, runner=runner)


def test_each_rule_that_is_left_out_exists() -> None:
    assert [name for name in LEFT_OUT if not hasattr(TestMemoryBackend, name)] == []


def test_full_directory_is_not_replaced(me: FileUser) -> None:
    root = me.files.root
    directory, other = me.mkdir(root, b"d"), me.mkdir(root, b"e")
    me.create(other, b"a")

    with refused(nfsstat3.NFS3ERR_NOTEMPTY):
        me.rename(root, b"d", root, b"e")
    me.rename(root, b"e", root, b"d")

    assert (me.lookup(root, b"d"), me.names(root)) == (other, [b"d"])
    with refused(nfsstat3.NFS3ERR_STALE):
        me.getattr(directory)


def test_names_replaced_meanwhile_are_listed_once(me: FileUser) -> None:
    root, found, cookie, eof = me.files.root, list[bytes](), 0, False
    for name in NAMES:
        me.create(root, name)

    while not eof:
        listing = me.readdir(root, cookie, 7)
        found += [entry.name for entry in listing.entries]
        cookie, eof = listing.entries[-1].cookie, listing.eof
        for name in (NAMES[0], NAMES[-1]):
            me.create(root, b"new")
            me.rename(root, b"new", root, name)

    assert found == NAMES


def test_hole_is_zeros(me: FileUser) -> None:
    file = me.create(me.files.root, b"a")

    me.write(file, b"end", MIB)

    assert me.read(file, MIB - 2, 10) == b"\0\0end"


def test_space_is_bounded_and_given_back(me: FileUser) -> None:
    root, before = me.files.root, me.statfs(me.files.root).free_bytes
    file = me.create(root, b"a")
    me.write(file, bytes(60 * MIB))

    with refused(nfsstat3.NFS3ERR_NOSPC):
        me.write(file, bytes(5 * MIB), 60 * MIB)
    with refused(nfsstat3.NFS3ERR_NOSPC):
        me.setattr(file, NewAttributes(size=1 << 62))
    with refused(nfsstat3.NFS3ERR_NOSPC):
        me.create(root, b"b", NewAttributes(size=1 << 62))

    assert (me.getattr(file).size, me.names(root)) == (60 * MIB, [b"a"])
    me.remove(root, b"a")
    assert me.statfs(root).free_bytes == before


def test_files_are_bounded(me: FileUser) -> None:
    """Each takes some of the space, so that many empty ones are refused, too."""
    me.write(me.create(me.files.root, b"a"), bytes(64 * MIB - 4096))
    assert me.statfs(me.files.root).free_files == 3

    with refused(nfsstat3.NFS3ERR_NOSPC):
        for number in range(10):
            me.create(me.files.root, b"%d" % number)
