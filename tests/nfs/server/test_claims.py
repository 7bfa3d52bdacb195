"""What users of other NFS servers have suffered from, as claims that hold through the procedures.

The numbers are those of docs/explanation/nfs-security.md. Each runs over a file system that answers
at once, and over one whose methods are coroutines.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Identity
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    LINK3args,
    READ3args,
    READDIR3args,
    READDIRPLUS3args,
    REMOVE3args,
    RMDIR3args,
    createhow3,
    createmode3,
    nfs_fh3,
    nfsstat3,
)
from support.exported import Exported, answering_later, made_directory, made_file, memory

NAMES = [b"%04d" % number for number in range(300)]
COUNTS = [512, 1024, 4096, 65536]


@pytest.fixture(params=["at once", "later"])
def exported(request: pytest.FixtureRequest) -> Exported:
    return Exported(memory() if request.param == "at once" else answering_later(memory()))


def replies(
    exported: Exported, directory: nfs_fh3, count: int, *, plus: bool = False
) -> Iterator[list[bytes]]:
    """The names in each reply, until the end; the caller may change the directory in between."""
    cookie, verifier, eof = 0, bytes(8), False
    while not eof:
        if plus:
            arg = READDIRPLUS3args(directory, cookie, verifier, count, count)
            found = exported.ok(NFS_V3.NFSPROC3_READDIRPLUS, arg)
        else:
            names = READDIR3args(directory, cookie, verifier, count)
            found = exported.ok(NFS_V3.NFSPROC3_READDIR, names)
        entries, eof, verifier = found.reply.entries, found.reply.eof, found.cookieverf
        cookie = entries[-1].cookie if entries else cookie
        yield [entry.name for entry in entries if entry.name not in (b".", b"..")]


def filled(exported: Exported, names: list[bytes]) -> nfs_fh3:
    """A directory with empty files."""
    directory = made_directory(exported, b"d")
    for name in names:
        create(exported, directory, name)
    return directory


def create(exported: Exported, directory: nfs_fh3, name: bytes) -> None:
    how = createhow3(createmode3.EXCLUSIVE, bytes(8))
    exported.ok(NFS_V3.NFSPROC3_CREATE, CREATE3args(exported.at(name, directory), how))


def remove(exported: Exported, directory: nfs_fh3, name: bytes) -> None:
    exported.ok(NFS_V3.NFSPROC3_REMOVE, REMOVE3args(exported.at(name, directory)))


@pytest.mark.slow
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_listing_with_removals_ends(exported: Exported, plus: bool, seed: int) -> None:
    """Claim 1: a listing with interleaved unlink returns each name at most once and ends."""
    chance, left, found = random.Random(seed), set(NAMES), list[bytes]()
    directory = filled(exported, NAMES)

    for names in replies(exported, directory, 512, plus=plus):
        found += names
        for name in chance.sample(sorted(left), min(3, len(left))):
            remove(exported, directory, name)
            left.discard(name)

    assert len(found) == len(set(found))
    assert left <= set(found)


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("count", COUNTS)
def test_hard_links_are_one_set(exported: Exported, plus: bool, count: int) -> None:
    """Claim 2: a directory with hard links and replies of 512 bytes to 64 KiB: the same set."""
    directory, file = made_directory(exported, b"d"), made_file(exported, b"a")
    for name in NAMES[:60]:
        exported.ok(NFS_V3.NFSPROC3_LINK, LINK3args(file, exported.at(name, directory)))

    found = [name for names in replies(exported, directory, count, plus=plus) for name in names]

    assert sorted(found) == NAMES[:60]


@pytest.mark.parametrize("plus", [False, True])
def test_growing_directory_has_no_bad_cookie(exported: Exported, plus: bool) -> None:
    """Claim 3: never BAD_COOKIE for a changed directory; each old name is listed once."""
    old, found = NAMES[:60], list[bytes]()
    directory = filled(exported, old)

    for number, names in enumerate(replies(exported, directory, 512, plus=plus)):
        found += names
        if number < 20:
            create(exported, directory, b"new %d" % number)

    assert [name for name in found if name in old] == old


@pytest.mark.slow
@pytest.mark.parametrize("count", [4096, 65536])
def test_rm_rf_ends_empty(count: int) -> None:
    """Claim 4: rm -rf of thousands of files ends empty: names are removed while they are listed."""
    exported, total = Exported(memory()), 3000
    directory = filled(exported, [b"%d" % number for number in range(total)])
    removed = 0

    for names in replies(exported, directory, count):
        for name in names:
            remove(exported, directory, name)
            removed += 1

    exported.ok(NFS_V3.NFSPROC3_RMDIR, RMDIR3args(exported.at(b"d")))
    assert removed == total


def test_full_directory_is_notempty(exported: Exported) -> None:
    """Claim 5: RMDIR of a full directory is NOTEMPTY, and removes nothing."""
    directory = filled(exported, NAMES[:3])
    arg = RMDIR3args(exported.at(b"d"))

    exported.refused(nfsstat3.NFS3ERR_NOTEMPTY, NFS_V3.NFSPROC3_RMDIR, arg)

    found = [name for names in replies(exported, directory, 1024) for name in names]
    assert found == NAMES[:3]


class Careless(MemoryFileSystem):
    """A file system that removes a full directory."""

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        found = self.lookup(who, directory, name)
        for entry in self.readdir(who, found, 0, 1000, plus=False).entries:
            if entry.name not in (b".", b".."):
                self.remove(who, found, entry.name)
        super().rmdir(who, directory, name)


@pytest.mark.parametrize("later", [False, True])
def test_careless_back_end_removes_no_full_directory(later: bool) -> None:
    """Claim 5, checked above the back ends."""
    files = Careless()
    exported = Exported(answering_later(files) if later else files)
    directory = filled(exported, NAMES[:1])
    arg = RMDIR3args(exported.at(b"d"))

    exported.refused(nfsstat3.NFS3ERR_NOTEMPTY, NFS_V3.NFSPROC3_RMDIR, arg)
    assert [name for names in replies(exported, directory, 1024) for name in names] == NAMES[:1]

    remove(exported, directory, NAMES[0])
    exported.ok(NFS_V3.NFSPROC3_RMDIR, arg)


@pytest.mark.parametrize("offset", [0, 9, 10, 11, 1 << 40])
@pytest.mark.parametrize("count", [0, 1, 10, 1 << 16])
def test_read_has_as_many_bytes_as_it_says(exported: Exported, offset: int, count: int) -> None:
    """Claim 6: count = data length = bytes read, eof right at size - 1, size and size + 1."""
    data = b"0123456789"
    file = made_file(exported, b"a", data)

    found = exported.ok(NFS_V3.NFSPROC3_READ, READ3args(file, offset, count))

    assert found.data == data[offset : offset + count]
    assert found.count == len(found.data)
    assert found.eof is (offset + count >= len(data))


@settings(max_examples=30)
@given(verifiers=st.lists(st.binary(min_size=8, max_size=8), min_size=2, max_size=2, unique=True))
def test_exclusive_create_knows_its_verifier(verifiers: list[bytes]) -> None:
    """Claim 10: all verifiers round-trip; a retry is OK, another verifier EXIST with full wcc."""
    exported = Exported(memory())
    mine, other = (
        CREATE3args(exported.at(b"a"), createhow3(createmode3.EXCLUSIVE, verifier))
        for verifier in verifiers
    )

    first = exported.ok(NFS_V3.NFSPROC3_CREATE, mine)
    again = exported.ok(NFS_V3.NFSPROC3_CREATE, mine)
    refused = exported.refused(nfsstat3.NFS3ERR_EXIST, NFS_V3.NFSPROC3_CREATE, other)

    assert first.obj == again.obj
    assert refused.dir_wcc.before.attributes_follow
    assert refused.dir_wcc.after.attributes_follow
