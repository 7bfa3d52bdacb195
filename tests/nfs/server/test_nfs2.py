"""``oncrpc.nfs.server.nfs2``: the bytes of every procedure, as RFC 1094 §2.2 draws them."""

from __future__ import annotations

import pytest

from oncrpc.nfs.filesystem import NewAttributes, SpaceInfo
from oncrpc.nfs.server.nfs2 import statfsok_of
from oncrpc.programs.nfs2 import statfsok
from support.exported import ROOT
from support.exported2 import TIME, Exported2, still, string
from support.words import words

OK = 0
FSID, ROOT_ID = 77, 1
DONT = 0xFFFFFFFF
NO_CHANGE = words(DONT, DONT, DONT, DONT, DONT, DONT, DONT, DONT)
"""A sattr that changes nothing: mode, uid, gid, size, atime, mtime."""

ROOT_FATTR = words(
    2, 0o40755, 2, 0, 0,   # NFDIR, mode, nlink, uid, gid
    4096, 8192, 0, 8,      # size, blocksize, rdev, blocks
    FSID, ROOT_ID,         # fsid, fileid
    TIME, TIME, TIME,      # atime, mtime, ctime
)  # fmt: skip


def file_fattr(
    *, kind: int = 1, mode: int = 0o100600, size: int = 0, blocks: int = 0, fileid: int = 2,
    nlink: int = 1, uid: int = 0, gid: int = 0, rdev: int = 0, times: bytes = TIME * 3,
) -> bytes:  # fmt: skip
    """The fattr of a file that is not the root."""
    return words(
        kind, mode, nlink, uid, gid, size, 8192, rdev, blocks, FSID, fileid, times
    )  # fmt: skip


@pytest.fixture
def exported() -> Exported2:
    return Exported2()


def made(exported: Exported2, name: bytes, data: bytes = b"") -> bytes:
    """The handle of a new file of root's."""
    files = exported.files
    file = files.create(ROOT, files.root, name, NewAttributes(mode=0o600))
    assert isinstance(file, bytes)
    if data:
        files.write(ROOT, file, 0, data, stable=2)  # type: ignore[arg-type]  # its number
    return exported.handle2(file)


def found(exported: Exported2, name: bytes) -> bytes:
    """The handle of a file in the root."""
    file = exported.files.lookup(ROOT, exported.files.root, name)
    assert isinstance(file, bytes)
    return exported.handle2(file)


def blocks_of(exported: Exported2, handle: bytes) -> int:
    """The blocks that version 2 shows, which the back end decides."""
    _, file = exported.shares.handles.open_v2(handle)
    attributes = exported.files.getattr(ROOT, file)
    return -(-attributes.used // 512)  # type: ignore[union-attr]  # in memory


def test_null_does_no_work(exported: Exported2) -> None:
    assert exported.results(0) == b""


def test_getattr_returns_the_attributes(exported: Exported2) -> None:
    assert exported.results(1, exported.root2) == words(OK) + ROOT_FATTR


def test_setattr_returns_attributes_of_after(exported: Exported2) -> None:
    file = made(exported, b"f", b"hello")

    result = exported.results(
        2, file, 0o640, 1000, 100, 2,    # mode, uid, gid, size
        500, 250_000, 600, 0,            # atime, mtime
    )  # fmt: skip

    assert result == words(OK) + file_fattr(
        mode=0o100640, uid=1000, gid=100, size=2, blocks=blocks_of(exported, file),
        times=words(500, 250_000, 600, 0, TIME),
    )  # fmt: skip


def test_setattr_of_minus_one_changes_nothing(exported: Exported2) -> None:
    file = made(exported, b"f")
    before = exported.results(1, file)

    assert exported.results(2, file, NO_CHANGE) == before


@pytest.mark.parametrize("number", [3, 7])
def test_root_and_writecache_are_void(exported: Exported2, number: int) -> None:
    assert exported.results(number) == b""


def test_lookup_returns_handle_and_attributes(exported: Exported2) -> None:
    file = made(exported, b"name")

    result = exported.results(4, exported.root2, string(b"name"))

    assert result == words(OK, file) + file_fattr()


@pytest.mark.parametrize("name", [b".", b".."])
def test_lookup_above_the_root_is_the_root(exported: Exported2, name: bytes) -> None:
    result = exported.results(4, exported.root2, string(name))

    assert result == words(OK, exported.root2) + ROOT_FATTR


def test_readlink_returns_the_path(exported: Exported2) -> None:
    files = exported.files
    file = files.symlink(ROOT, files.root, b"l", b"../there", NewAttributes())
    assert isinstance(file, bytes)

    assert exported.results(5, exported.handle2(file)) == words(OK) + string(b"../there")


def test_read_returns_attributes_and_data(exported: Exported2) -> None:
    file = made(exported, b"f", b"hello")

    result = exported.results(6, file, 1, 3, 99)  # offset, count, totalcount

    fattr = file_fattr(size=5, blocks=blocks_of(exported, file))
    assert result == words(OK) + fattr + string(b"ell")


def test_read_returns_at_most_8192_bytes(exported: Exported2) -> None:
    file = made(exported, b"f", bytes(9000))

    result = exported.results(6, file, 0, DONT, 0)

    assert result[72:76] == words(8192)
    assert len(result) == 76 + 8192


def test_write_returns_attributes_of_after(exported: Exported2) -> None:
    file = made(exported, b"f", b"hello")

    result = exported.results(
        8, file, 99, 3, 99, string(b"port")
    )  # beginoffset, offset, totalcount

    fattr = file_fattr(size=7, blocks=blocks_of(exported, file))
    assert result == words(OK) + fattr
    assert exported.results(6, file, 0, 99, 0)[72:] == string(b"helport")


def test_create_returns_handle_and_attributes(exported: Exported2) -> None:
    result = exported.results(
        9, exported.root2, string(b"new"),
        0o100644, 0, 0, 0, words(DONT, DONT, DONT, DONT),
    )  # fmt: skip

    assert result == words(OK, found(exported, b"new")) + file_fattr(mode=0o100644)


def test_remove_returns_the_status(exported: Exported2) -> None:
    made(exported, b"old")

    assert exported.results(10, exported.root2, string(b"old")) == words(OK)
    assert exported.results(10, exported.root2, string(b"old")) == words(2)  # NFSERR_NOENT


def test_rename_returns_the_status(exported: Exported2) -> None:
    file = made(exported, b"old")

    result = exported.results(11, exported.root2, string(b"old"), exported.root2, string(b"new"))

    assert result == words(OK)
    assert found(exported, b"new") == file


def test_link_returns_the_status(exported: Exported2) -> None:
    file = made(exported, b"f")

    assert exported.results(12, file, exported.root2, string(b"also")) == words(OK)
    assert exported.results(1, file) == words(OK) + file_fattr(nlink=2)


def test_symlink_returns_the_status(exported: Exported2) -> None:
    result = exported.results(13, exported.root2, string(b"l"), string(b"/to"), NO_CHANGE)

    assert result == words(OK)
    assert exported.results(5, found(exported, b"l")) == words(OK) + string(b"/to")


def test_mkdir_returns_handle_and_attributes(exported: Exported2) -> None:
    result = exported.results(
        14, exported.root2, string(b"d"), 0o40750, words(DONT, DONT, DONT), words(DONT) * 4
    )

    fattr = file_fattr(kind=2, mode=0o40750, nlink=2, size=4096, blocks=8)
    assert result == words(OK, found(exported, b"d")) + fattr


def test_rmdir_returns_the_status(exported: Exported2) -> None:
    exported.files.mkdir(ROOT, exported.files.root, b"d", NewAttributes())

    assert exported.results(15, exported.root2, string(b"d")) == words(OK)


def cookies(exported: Exported2) -> dict[bytes, int]:
    """The cookie of each name in the root."""
    listing = exported.files.readdir(ROOT, exported.files.root, 0, 99, plus=False)
    return {entry.name: entry.cookie for entry in listing.entries}  # type: ignore[union-attr]


def test_readdir_returns_a_list_of_entries(exported: Exported2) -> None:
    made(exported, b"file")

    at = cookies(exported)
    assert exported.results(16, exported.root2, 0, 512) == words(
        OK,
        1, ROOT_ID, string(b"."), at[b"."],
        1, ROOT_ID, string(b".."), at[b".."],
        1, 2, string(b"file"), at[b"file"],
        0, 1,  # no more entries, eof
    )  # fmt: skip


def test_readdir_goes_on_after_the_cookie(exported: Exported2) -> None:
    made(exported, b"file")

    at = cookies(exported)
    assert exported.results(16, exported.root2, at[b".."], 512) == words(
        OK, 1, 2, string(b"file"), at[b"file"], 0, 1
    )


@pytest.mark.parametrize(("count", "names"), [(28, [b"."]), (47, [b"."]), (48, [b".", b".."])])
def test_readdir_returns_at_most_count_bytes(
    exported: Exported2, count: int, names: list[bytes]
) -> None:
    made(exported, b"file")

    result = exported.results(16, exported.root2, 0, count)

    at = cookies(exported)
    entries = [words(1, ROOT_ID, string(name), at[name]) for name in names]
    assert result == words(OK) + b"".join(entries) + words(0, 0)
    assert len(result) - 4 <= count


def test_readdir_without_room_for_one_fails(exported: Exported2) -> None:
    assert exported.results(16, exported.root2, 0, 27) == words(5)  # NFSERR_IO


def test_name_too_long_for_the_version_is_omitted() -> None:
    files = still()
    files.features = files.features._replace(name_max=300)
    exported = Exported2(files)
    files.create(ROOT, files.root, b"n" * 256, NewAttributes())
    files.create(ROOT, files.root, b"short", NewAttributes())

    assert exported.listed() == [b".", b"..", b"short"]


def test_statfs_returns_space_in_blocks() -> None:
    files = still()
    space = SpaceInfo(10 << 20, 6 << 20, 5 << 20, 9, 9, 9)
    files.statfs = lambda who, file: space  # type: ignore[method-assign]
    exported = Exported2(files)

    assert exported.results(17, exported.root2) == words(
        OK,
        8192, 4096,           # tsize, bsize
        2560, 1536, 1280,     # blocks, bfree, bavail
    )  # fmt: skip


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0, statfsok(8192, 4096, 0, 0, 0)),
        ((1 << 43) - 1, statfsok(8192, 4096, (1 << 31) - 1, (1 << 30) - 1, (1 << 29) - 1)),
        (1 << 43, statfsok(8192, 8192, 1 << 30, 1 << 29, 1 << 28)),
        (1 << 60, statfsok(8192, 1 << 30, 1 << 30, 1 << 29, 1 << 28)),
        ((1 << 64) - 1, statfsok(8192, 1 << 31, *[(1 << 31) - 1] * 3)),
    ],
)  # fmt: skip
def test_large_file_systems_have_larger_blocks(total: int, expected: statfsok) -> None:
    space = SpaceInfo(total, total // 2, total // 4, 0, 0, 0)
    if total == (1 << 64) - 1:
        space = SpaceInfo(total, total, total, 0, 0, 0)

    assert statfsok_of(space) == expected


def test_symlink_longer_than_a_path_is_refused() -> None:
    files = still()
    file = files.symlink(ROOT, files.root, b"l", b"t" * 1025, NewAttributes())
    exported = Exported2(files)

    assert exported.results(5, exported.handle2(file)) == words(63)  # NFSERR_NAMETOOLONG


def test_handle_without_room_is_refused(exported: Exported2) -> None:
    """A back end with long ids serves version 3 only: it cannot make a handle of 32 bytes."""
    handles = exported.shares.handles
    make = handles.make_v2
    handles.make_v2 = lambda tag, file: make(tag, file.ljust(21, b"\0"))  # type: ignore[method-assign]

    assert exported.results(4, exported.root2, string(b".")) == words(5)  # NFSERR_IO
