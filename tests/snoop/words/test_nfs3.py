"""Lines of NFS, version 3."""

from __future__ import annotations

from oncrpc.programs import nfs3
from oncrpc.programs.nfs3 import NFS_V3, createmode3, ftype3, nfsstat3, stable_how, time_how
from support.wire_messages import call_line, reply_line

HANDLE = nfs3.nfs_fh3(bytes.fromhex("12340000"))
WHERE = nfs3.diropargs3(HANDLE, b"notes")
NO_ATTRIBUTES = nfs3.post_op_attr(False, None)
NO_WCC = nfs3.wcc_data(nfs3.pre_op_attr(False, None), NO_ATTRIBUTES)
UNCHANGED = nfs3.sattr3(
    nfs3.set_mode3(True, 0o644),
    nfs3.set_uid3(False, None),
    nfs3.set_gid3(False, None),
    nfs3.set_size3(True, 2**40),
    nfs3.set_atime(time_how.SET_TO_SERVER_TIME, None),
    nfs3.set_mtime(time_how.SET_TO_CLIENT_TIME, nfs3.nfstime3(1, 2)),
)


def test_access_is_in_words() -> None:
    args = nfs3.ACCESS3args(HANDLE, nfs3.ACCESS3_READ | nfs3.ACCESS3_EXECUTE)
    answer = nfs3.ACCESS3res(nfsstat3.NFS3_OK, nfs3.ACCESS3resok(NO_ATTRIBUTES, 0x3F))

    assert call_line(NFS_V3.NFSPROC3_ACCESS, args) == "NFS C ACCESS3 FH=1234 (read,execute)"
    line = reply_line(NFS_V3.NFSPROC3_ACCESS, answer)
    assert line == "NFS R ACCESS3 OK (read,lookup,modify,extend,delete,execute)"


def test_write_shows_place_and_stability() -> None:
    args = nfs3.WRITE3args(HANDLE, 2**40, 3, stable_how.UNSTABLE, b"abc")
    written = nfs3.WRITE3resok(NO_WCC, 3, stable_how.FILE_SYNC, b"v" * 8)

    line = call_line(NFS_V3.NFSPROC3_WRITE, args)
    assert line == "NFS C WRITE3 FH=1234 at 1099511627776 for 3 (ASYNC)"
    answer = reply_line(NFS_V3.NFSPROC3_WRITE, nfs3.WRITE3res(nfsstat3.NFS3_OK, written))
    assert answer == "NFS R WRITE3 OK 3 (FSYNC)"


def test_read_reply_shows_size_and_end() -> None:
    read = nfs3.READ3resok(NO_ATTRIBUTES, 3, True, b"abc")

    line = reply_line(NFS_V3.NFSPROC3_READ, nfs3.READ3res(nfsstat3.NFS3_OK, read))

    assert line == "NFS R READ3 OK (3 bytes) EOF"


def test_create_shows_mode_before_name() -> None:
    how = nfs3.createhow3(createmode3.GUARDED, UNCHANGED)
    made = nfs3.CREATE3resok(nfs3.post_op_fh3(True, HANDLE), NO_ATTRIBUTES, NO_WCC)

    line = call_line(NFS_V3.NFSPROC3_CREATE, nfs3.CREATE3args(WHERE, how))
    assert line == "NFS C CREATE3 FH=1234 (GUARDED) notes"
    answer = reply_line(NFS_V3.NFSPROC3_CREATE, nfs3.CREATE3res(nfsstat3.NFS3_OK, made))
    assert answer == "NFS R CREATE3 OK FH=1234"


def test_mknod_shows_type_before_name() -> None:
    what = nfs3.mknoddata3(ftype3.NF3FIFO, UNCHANGED)

    line = call_line(NFS_V3.NFSPROC3_MKNOD, nfs3.MKNOD3args(WHERE, what))

    assert line == "NFS C MKNOD3 FH=1234 (Named pipe) notes"


def test_symlink_shows_its_text() -> None:
    link = nfs3.symlinkdata3(UNCHANGED, b"../there")

    line = call_line(NFS_V3.NFSPROC3_SYMLINK, nfs3.SYMLINK3args(WHERE, link))

    assert line == "NFS C SYMLINK3 FH=1234 notes to ../there"


def test_link_shows_the_new_name() -> None:
    line = call_line(NFS_V3.NFSPROC3_LINK, nfs3.LINK3args(HANDLE, WHERE))

    assert line == "NFS C LINK3 FH=1234 to FH=1234 notes"


def test_directory_with_handles_is_counted() -> None:
    entry = nfs3.entryplus3(1, b"a", 1, NO_ATTRIBUTES, nfs3.post_op_fh3(True, HANDLE))
    listing = nfs3.READDIRPLUS3resok(NO_ATTRIBUTES, b"v" * 8, nfs3.dirlistplus3([entry], False))

    answer = nfs3.READDIRPLUS3res(nfsstat3.NFS3_OK, listing)

    line = reply_line(NFS_V3.NFSPROC3_READDIRPLUS, answer)
    assert line == "NFS R READDIRPLUS3 OK 1 entries (More)"


def test_directory_is_read_from_a_cookie() -> None:
    plus = nfs3.READDIRPLUS3args(HANDLE, 5, b"v" * 8, 1048, 8192)
    plain = nfs3.READDIR3args(HANDLE, 5, b"v" * 8, 1048)

    line = call_line(NFS_V3.NFSPROC3_READDIRPLUS, plus)
    assert line == "NFS C READDIRPLUS3 FH=1234 Cookie=5 for 1048/8192"
    line = call_line(NFS_V3.NFSPROC3_READDIR, plain)
    assert line == "NFS C READDIR3 FH=1234 Cookie=5 for 1048"


def test_readlink_reply_shows_the_path() -> None:
    read = nfs3.READLINK3resok(NO_ATTRIBUTES, b"../there")

    line = reply_line(NFS_V3.NFSPROC3_READLINK, nfs3.READLINK3res(nfsstat3.NFS3_OK, read))

    assert line == "NFS R READLINK3 OK (Path=../there)"
