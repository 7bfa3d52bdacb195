"""``oncrpc.nfs.server.listing``: READDIR and READDIRPLUS within their sizes."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import DirEntry, FileSystem, Listing, NewAttributes
from oncrpc.programs.nfs3 import (
    NFS_V3,
    LOOKUP3args,
    READDIR3args,
    READDIR3resok,
    READDIRPLUS3args,
    READDIRPLUS3resok,
    nfs_fh3,
    nfsstat3,
)
from oncrpc.xdr import encode
from support.exported import (
    ROOT,
    UDP,
    USER_CRED,
    Exported,
    failing,
    made_directory,
    made_file,
    memory,
    wrapped,
)

READDIR, READDIRPLUS = NFS_V3.NFSPROC3_READDIR, NFS_V3.NFSPROC3_READDIRPLUS
AROUND, ENTRY, MORE = 104, 24, 88 + 4 + 4 + 28
"""Bytes around the entries, of an entry without its name, and more with attributes and handle."""

FOR_DIRECTORIES = NewAttributes(mode=0o755)
names = st.lists(
    st.binary(min_size=1, max_size=40).filter(
        lambda name: not set(name) & {0, ord("/")} and name not in (b".", b"..")
    ),
    max_size=30,
    unique=True,
)


def filled(listed: list[bytes]) -> Exported:
    exported = Exported()
    for name in listed:
        made_file(exported, name)
    return exported


def read_all(exported: Exported, *, count: int, directory: nfs_fh3 | None = None) -> list[Any]:
    """All entries, and each reply within its size."""
    found, cookie, eof = list[Any](), 0, False
    while not eof:
        arg = READDIR3args(directory or exported.root, cookie, bytes(8), count)
        body = exported.ok(READDIR, arg)
        assert len(encode(READDIR3resok, body)) <= count
        assert body.reply.entries or body.reply.eof
        found += body.reply.entries
        eof, cookie = body.reply.eof, found[-1].cookie
    return found


def read_all_plus(exported: Exported, *, dircount: int, maxcount: int) -> list[Any]:
    """The same with attributes and handles."""
    found, cookie, eof = list[Any](), 0, False
    while not eof:
        arg = READDIRPLUS3args(exported.root, cookie, bytes(8), dircount, maxcount)
        body = exported.ok(READDIRPLUS, arg)
        entries = body.reply.entries
        assert len(encode(READDIRPLUS3resok, body)) <= maxcount
        assert sum(ENTRY + padded(entry.name) for entry in entries) <= dircount or len(entries) == 1
        assert entries or body.reply.eof
        found += entries
        eof, cookie = body.reply.eof, found[-1].cookie
    return found


def padded(name: bytes) -> int:
    return (len(name) + 3) // 4 * 4


@given(names, st.integers(AROUND + ENTRY + 40, 1200))
def test_any_count_lists_the_same_names(listed: list[bytes], count: int) -> None:
    """§3.3.16: the maximum size of the READDIR3resok structure, including all XDR overhead."""
    found = read_all(filled(listed), count=count)

    assert sorted(entry.name for entry in found) == sorted([b".", b"..", *listed])


@given(names, st.integers(0, 700), st.integers(AROUND + ENTRY + 40 + MORE, 2500))
def test_any_sizes_list_the_same_entries(listed: list[bytes], dircount: int, maxcount: int) -> None:
    """§3.3.17: the maximum size of the READDIRPLUS3resok structure."""
    found = read_all_plus(filled(listed), dircount=dircount, maxcount=maxcount)

    assert sorted(entry.name for entry in found) == sorted([b".", b"..", *listed])
    assert all(entry.name_attributes.body.fileid == entry.fileid for entry in found)


@pytest.mark.parametrize("count", [512, 1000, 8192, 65536, 1 << 30])
def test_hard_links_are_all_listed(count: int) -> None:
    """Cookies are not file ids: each name of a file is an entry."""
    exported = filled([b"f"])
    file = exported.ok(NFS_V3.NFSPROC3_LOOKUP, LOOKUP3args(exported.at(b"f"))).object
    for number in range(100):
        exported.files.link(ROOT, exported.shares.handles.open(file.data)[1],
                            exported.files.root, b"link %d" % number)  # fmt: skip

    found = read_all(exported, count=count)

    assert len({entry.name for entry in found}) == len(found) == 103


@pytest.mark.parametrize("removed", [True, False])
def test_directory_that_changes_meanwhile(removed: bool) -> None:
    exported = filled([b"%03d" % number for number in range(100)])
    found, cookie, eof, turn = list[bytes](), 0, False, 0
    while not eof:
        body = exported.ok(READDIR, READDIR3args(exported.root, cookie, bytes(8), 300))
        found += [entry.name for entry in body.reply.entries]
        eof, cookie, turn = body.reply.eof, body.reply.entries[-1].cookie, turn + 1
        if removed:
            exported.files.remove(ROOT, exported.files.root, b"%03d" % (99 - turn))
            exported.files.remove(ROOT, exported.files.root, b"%03d" % turn)
        elif turn < 20:
            made_file(exported, b"new %d" % turn)

    assert len(found) == len(set(found))
    assert set(found) >= {b"%03d" % number for number in range(40, 60)}


@pytest.mark.parametrize(
    ("count", "entries"),
    [(AROUND + ENTRY + 4, 1), (AROUND + 2 * ENTRY + 7, 1), (AROUND + 2 * ENTRY + 8, 2)],
)
def test_bytes_are_counted_exactly(count: int, entries: int) -> None:
    exported = filled([])

    body = exported.ok(READDIR, READDIR3args(exported.root, 0, bytes(8), count))

    assert len(body.reply.entries) == entries
    assert len(encode(READDIR3resok, body)) == AROUND + entries * (ENTRY + 4)


@pytest.mark.parametrize("count", [0, AROUND - 1, AROUND, AROUND + ENTRY + 3])
def test_no_room_for_an_entry_is_toosmall(count: int) -> None:
    exported = filled([])

    body = exported.refused(
        nfsstat3.NFS3ERR_TOOSMALL, READDIR, READDIR3args(exported.root, 0, bytes(8), count)
    )

    assert body.dir_attributes.attributes_follow


@pytest.mark.parametrize(
    ("maxcount", "fits"),
    [(AROUND + ENTRY + 4 + MORE, True), (AROUND + ENTRY + 3 + MORE, False), (0, False)],
)
def test_room_for_attributes_is_needed_too(maxcount: int, fits: bool) -> None:
    exported = filled([])

    result = exported.call(
        READDIRPLUS, READDIRPLUS3args(exported.root, 0, bytes(8), 4096, maxcount)
    )

    assert result.status is (nfsstat3.NFS3_OK if fits else nfsstat3.NFS3ERR_TOOSMALL)


@pytest.mark.parametrize(("dircount", "entries"), [(0, 1), (28, 1), (55, 1), (56, 2), (4096, 3)])
def test_dircount_bounds_the_names(dircount: int, entries: int) -> None:
    """§3.3.17: the maximum number of bytes of directory information returned."""
    exported = filled([b"abcd"])

    body = exported.ok(READDIRPLUS, READDIRPLUS3args(exported.root, 0, bytes(8), dircount, 4096))

    assert len(body.reply.entries) == entries
    assert body.reply.eof == (entries == 3)


def test_listing_over_udp_fits_a_datagram() -> None:
    exported = filled([b"%0200d" % number for number in range(200)])
    exported.caller = UDP

    reply = exported.result_bytes(READDIR, READDIR3args(exported.root, 0, bytes(8), 0xFFFFFFFF))

    assert 31 << 10 < len(reply) <= (32 << 10) + 4


@pytest.mark.slow
def test_listing_over_tcp_has_64_kib() -> None:
    exported = filled([b"%0200d" % number for number in range(400)])
    arg = READDIRPLUS3args(exported.root, 0, bytes(8), 0xFFFFFFFF, 0xFFFFFFFF)

    assert 63 << 10 < len(exported.result_bytes(READDIRPLUS, arg)) <= (64 << 10) + 4


def test_cookie_of_the_last_entry_is_eof() -> None:
    exported = filled([b"a"])
    last = read_all(exported, count=512)[-1].cookie

    body = exported.ok(READDIR, READDIR3args(exported.root, last, bytes(8), 512))

    assert (body.reply.entries, body.reply.eof) == ([], True)


class TestDots:
    def test_root_is_its_own_parent(self) -> None:
        files = memory()
        below = files.mkdir(ROOT, files.root, b"export", FOR_DIRECTORIES)
        files.root = below
        exported = Exported(files)

        (here, above) = read_all_plus(exported, dircount=4096, maxcount=4096)

        assert here.fileid == above.fileid
        assert above.name_handle.body == exported.root
        assert above.name_attributes.body.fileid == above.fileid

    def test_parent_of_others_is_their_parent(self) -> None:
        exported = Exported()
        directory = made_directory(exported, b"d")

        here, above = read_all(exported, count=512, directory=directory)

        assert (here.fileid, above.fileid) == (2, 1)

    def test_parent_is_looked_up(self) -> None:
        exported = Exported(without(memory(), "file", "attributes"))
        exported.root = made_directory(exported, b"d")

        here, above = read_all_plus(exported, dircount=4096, maxcount=4096)

        assert here.name_handle.body == exported.root
        assert above.name_handle.body == exported.handle(exported.files.root)


def without(files: FileSystem, *fields: str) -> FileSystem:
    """The same file system, whose entries lack these fields."""

    def around(name: str, operation: Any) -> Any:
        found = operation()
        if name != "readdir":
            return found
        entries = [entry._replace(**dict.fromkeys(fields)) for entry in found.entries]
        return Listing(entries, found.eof)

    return wrapped(files, around)


@pytest.mark.parametrize("missing", [("file",), ("attributes",), ("file", "attributes")])
def test_missing_parts_are_looked_up(missing: tuple[str, ...]) -> None:
    complete = filled([b"a", b"b"])
    read_all(complete, count=512)  # a first listing sets the time of access
    exported = Exported(without(complete.files, *missing))

    found = read_all_plus(exported, dircount=4096, maxcount=4096)

    assert found == read_all_plus(complete, dircount=4096, maxcount=4096)


@pytest.mark.parametrize(("operation", "handle"), [("lookup", False), ("getattr", True)])
def test_entry_comes_without_what_cannot_be_had(operation: str, handle: bool) -> None:
    files = memory()
    file = made_file(Exported(files), b"a")

    def around(name: str, inner: Any) -> Any:
        if name == operation and (name == "lookup" or listed):
            raise OSError(errno.EACCES, "")
        listed.extend([name] if name == "readdir" else [])
        return inner()

    listed = list[str]()
    exported = Exported(wrapped(without(files, "file", "attributes"), around))
    arg = READDIRPLUS3args(exported.root, 2, bytes(8), 4096, 4096)

    (entry,) = exported.ok(READDIRPLUS, arg).reply.entries

    assert not entry.name_attributes.attributes_follow
    assert entry.name_handle.body == (file if handle else None)


def test_names_need_only_read_permission() -> None:
    exported = Exported()
    exported.root = made_directory(exported, b"d", mode=0o744)
    exported.files.create(
        ROOT, exported.shares.handles.open(exported.root.data)[1], b"f", FOR_DIRECTORIES
    )
    exported.cred = USER_CRED

    found = read_all_plus(exported, dircount=4096, maxcount=4096)

    assert [entry.name for entry in found] == [b".", b"..", b"f"]
    assert [entry.name_handle.handle_follows for entry in found] == [True, False, False]


def test_back_end_may_return_few_entries() -> None:
    one_by_one = memory()
    for number in range(9):
        one_by_one.create(ROOT, one_by_one.root, b"%d" % number, FOR_DIRECTORIES)

    def around(name: str, operation: Any) -> Any:
        found = operation()
        return Listing(found.entries[:1], len(found.entries) == 1) if name == "readdir" else found

    exported = Exported(wrapped(one_by_one, around))

    body = exported.ok(READDIR, READDIR3args(exported.root, 0, bytes(8), 4096))

    assert (len(body.reply.entries), body.reply.eof) == (11, True)


def test_listing_without_entries_is_the_end() -> None:
    def around(name: str, operation: Any) -> Any:
        return Listing([], eof=False) if name == "readdir" else operation()

    exported = Exported(wrapped(memory(), around))

    assert exported.ok(READDIR, READDIR3args(exported.root, 0, bytes(8), 512)).reply.eof


def test_file_ids_of_64_bits_are_kept() -> None:
    entry = DirEntry(b"a", (1 << 64) - 1, (1 << 64) - 1)

    def around(name: str, operation: Any) -> Any:
        return Listing([entry], eof=True) if name == "readdir" else operation()

    exported = Exported(wrapped(memory(), around))

    (found,) = exported.ok(READDIR, READDIR3args(exported.root, 0, bytes(8), 512)).reply.entries
    assert (found.fileid, found.cookie) == ((1 << 64) - 1, (1 << 64) - 1)


def test_listing_of_a_directory_that_fails() -> None:
    exported = Exported(failing(memory(), {"readdir": OSError(errno.EIO, "")}))

    body = exported.refused(
        nfsstat3.NFS3ERR_IO, READDIR, READDIR3args(exported.root, 0, bytes(8), 512)
    )

    assert body.dir_attributes.attributes_follow
