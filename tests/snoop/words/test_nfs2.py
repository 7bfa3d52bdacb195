"""Lines of NFS, version 2."""

from __future__ import annotations

from oncrpc.programs import nfs2
from oncrpc.programs.nfs2 import NFS_VERSION
from support.wire_messages import call_line, reply_line

HANDLE = b"\x12\x34\0\0" + b"\0" * 28
TIME = nfs2.timeval(1, 0)
ATTRIBUTES = nfs2.fattr(nfs2.ftype.NFREG, 0o644, 1, 0, 0, 5, 512, 0, 1, 1, 2, TIME, TIME, TIME)
WHERE = nfs2.diropargs(HANDLE, b"notes")


def test_calls_show_handle_and_name() -> None:
    assert call_line(NFS_VERSION.NFSPROC_GETATTR, HANDLE) == "NFS C GETATTR2 FH=1234"
    assert call_line(NFS_VERSION.NFSPROC_LOOKUP, WHERE) == "NFS C LOOKUP2 FH=1234 notes"


def test_rename_shows_both_names() -> None:
    line = call_line(
        NFS_VERSION.NFSPROC_RENAME, nfs2.renameargs(WHERE, nfs2.diropargs(HANDLE, b"old"))
    )

    assert line == "NFS C RENAME2 FH=1234 notes to FH=1234 old"


def test_write_shows_offset_and_size() -> None:
    line = call_line(NFS_VERSION.NFSPROC_WRITE, nfs2.writeargs(HANDLE, 1, 4096, 2, b"abc"))

    assert line == "NFS C WRITE2 FH=1234 at 4096 for 3"


def test_lookup_reply_shows_the_handle() -> None:
    found = nfs2.diropres(nfs2.stat.NFS_OK, nfs2.diropok(HANDLE, ATTRIBUTES))
    missing = nfs2.diropres(nfs2.stat.NFSERR_NOENT, None)

    assert reply_line(NFS_VERSION.NFSPROC_LOOKUP, found) == "NFS R LOOKUP2 OK FH=1234"
    line = reply_line(NFS_VERSION.NFSPROC_LOOKUP, missing)
    assert line == "NFS R LOOKUP2 No such file or directory"


def test_read_reply_shows_the_size() -> None:
    read = nfs2.readres(nfs2.stat.NFS_OK, nfs2.readok(ATTRIBUTES, b"hello"))

    assert reply_line(NFS_VERSION.NFSPROC_READ, read) == "NFS R READ2 OK (5 bytes)"


def test_directory_entries_are_counted() -> None:
    entry = nfs2.entry(1, b"a", b"\0\0\0\1")
    listing = nfs2.readdirok([entry, entry], True)

    line = reply_line(NFS_VERSION.NFSPROC_READDIR, nfs2.readdirres(nfs2.stat.NFS_OK, listing))

    assert line == "NFS R READDIR2 OK 2 entries (No more)"
