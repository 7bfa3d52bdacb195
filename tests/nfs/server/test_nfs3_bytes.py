"""Version 3 on the wire: the bytes of each reply, laid out as RFC 1813 §3.3 draws them."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from oncrpc.nfs.filesystem import (
    Attributes,
    DirEntry,
    Features,
    FileSystem,
    Identity,
    Listing,
    NewAttributes,
    SpaceInfo,
    Written,
)
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import NFS_V3, ftype3, nfsstat3, stable_how
from support.exported import FSID, ROOT_CRED, SECOND, Exported
from support.words import words

DIR, FILE, LINK, NEW = b"dir.", b"file", b"link", b"new."
KINDS = {DIR: ftype3.NF3DIR, LINK: ftype3.NF3LNK}
VERIFIER = b"verifier"


class Still(FileSystem):
    """A directory, a file and a link that are always the same, but for a ctime that counts changes.

    ``error`` is raised by all operations but ``getattr``, once it is set.
    """

    root = DIR
    features = Features(
        hard_links=True, symlinks=True, special_files=True, link_max=7, name_max=255,
        max_file_size=(1 << 40) + 1,
    )  # fmt: skip

    def __init__(self) -> None:
        self.changes = 0
        self.error: OSError | None = None

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return Attributes(
            KINDS.get(file, ftype3.NF3REG), 0o640, 1, 1000, 100, 5, 4096, (8, 1),
            fileid=file[0], atime=10 * SECOND + 1, mtime=20 * SECOND + 2,
            ctime=30 * SECOND + self.changes,
        )  # fmt: skip

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def _change(self) -> bytes:
        self._fail()
        self.changes += 1
        return NEW

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        self._fail()
        return FILE

    def access(self, who: Identity, file: bytes, attributes: Attributes) -> int:
        self._fail()
        return 5

    def readlink(self, who: Identity, file: bytes) -> bytes:
        self._fail()
        return b"path"

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        self._fail()
        return b"hello"[offset : offset + count]

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        self._fail()
        return Listing([DirEntry(b"hello", 6, (1 << 32) + 9, FILE)], eof=True)

    def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        self._fail()
        return SpaceInfo(1 << 32, 2, 3, 4, 5, 6)

    def commit(self, who: Identity, file: bytes, offset: int, count: int) -> None:
        self._fail()

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Written:
        self._change()
        return Written(len(data), stable)

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        self._change()

    def create(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        return self._change()

    def mkdir(self, who: Identity, directory: bytes, name: bytes, new: NewAttributes) -> bytes:
        return self._change()

    def symlink(
        self, who: Identity, directory: bytes, name: bytes, target: bytes, new: NewAttributes
    ) -> bytes:
        return self._change()

    def mknod(
        self,
        who: Identity,
        directory: bytes,
        name: bytes,
        kind: ftype3,
        *,
        device: tuple[int, int],
        new: NewAttributes,
    ) -> bytes:
        return self._change()

    def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        self._change()

    def rmdir(self, who: Identity, directory: bytes, name: bytes) -> None:
        self._change()

    def rename(
        self, who: Identity, directory: bytes, name: bytes, to_directory: bytes, to_name: bytes
    ) -> None:
        self._change()

    def link(self, who: Identity, file: bytes, directory: bytes, name: bytes) -> None:
        self._change()


STILL = Exported(Still())


def handle(file: bytes) -> bytes:
    """An ``nfs_fh3``: 16 bytes, for ids of 4."""
    return words(16, STILL.handle(file).data)


def fattr3(file: bytes, changes: int = 0) -> bytes:
    return words(
        KINDS.get(file, 1), 0o640, 1,             # type, mode, nlink
        1000, 100, 0, 5, 0, 4096,                 # uid, gid, size, used
        8, 1, 0, FSID, 0, file[0],                # rdev, fsid, fileid
        10, 1, 20, 2, 30, changes,                # atime, mtime, ctime
    )  # fmt: skip


def post_op(file: bytes, changes: int = 0) -> bytes:
    return words(1, fattr3(file, changes))


def wcc(file: bytes, changes: int = 1) -> bytes:
    return words(
        1, 0, 5, 20, 2, 30, 0,                    # before: size, mtime, ctime
        post_op(file, changes),                   # after
    )  # fmt: skip


D, F, L = handle(DIR), handle(FILE), handle(LINK)
NAME = words(1, b"a\0\0\0")
OTHER_NAME = words(1, b"b\0\0\0")
NOTHING = words(0, 0, 0, 0, 0, 0)  # sattr3: no attribute is set
MODE = words(1, 0o640, 0, 0, 0, 0, 0)  # sattr3: mode
NEW_ENTRY = words(
    1, handle(NEW),                               # post_op_fh3
    post_op(NEW, 1),                              # obj_attributes
    wcc(DIR),                                     # dir_wcc
)  # fmt: skip

SUCCESSES: dict[str, tuple[bytes, bytes]] = {
    "NULL": (b"", b""),
    "GETATTR": (D, words(0, fattr3(DIR))),
    "SETATTR": (words(F, MODE, 0), words(0, wcc(FILE))),
    "SETATTR with a guard": (words(F, MODE, 1, 30, 0), words(0, wcc(FILE))),
    "LOOKUP": (words(D, NAME), words(0, F, post_op(FILE), post_op(DIR))),
    "ACCESS": (words(D, 0x3F), words(0, post_op(DIR), 0x03)),
    "READLINK": (L, words(0, post_op(LINK), 4, b"path")),
    "READ": (
        words(F, 0, 0, 8192),                     # offset, count
        words(0, post_op(FILE), 5, 1, 5, b"hello\0\0\0"),  # count, eof, data
    ),
    "READ of a part": (
        words(F, 0, 1, 2),
        words(0, post_op(FILE), 2, 0, 2, b"el\0\0"),
    ),
    "READ beyond the end": (
        words(F, -1, -1, 8192),
        words(0, post_op(FILE), 0, 1, 0),
    ),
    "WRITE": (
        words(F, 0, 0, 5, 2, 5, b"hello\0\0\0"),  # offset, count, FILE_SYNC, data
        words(0, wcc(FILE), 5, 2, VERIFIER),      # count, FILE_SYNC, verf
    ),
    "WRITE unstable": (
        words(F, 0, 0, 4, 0, 4, b"hell"),
        words(0, wcc(FILE), 4, 0, VERIFIER),
    ),
    "CREATE guarded": (words(D, NAME, 1, MODE), words(0, NEW_ENTRY)),
    "MKDIR": (words(D, NAME, MODE), words(0, NEW_ENTRY)),
    "SYMLINK": (words(D, NAME, NOTHING, 4, b"path"), words(0, NEW_ENTRY)),
    "MKNOD of a device": (words(D, NAME, 4, MODE, 8, 1), words(0, NEW_ENTRY)),
    "MKNOD of a pipe": (words(D, NAME, 7, MODE), words(0, NEW_ENTRY)),
    "REMOVE": (words(D, NAME), words(0, wcc(DIR))),
    "RMDIR": (words(D, NAME), words(0, wcc(DIR))),
    "RENAME": (words(D, NAME, D, OTHER_NAME), words(0, wcc(DIR), wcc(DIR))),
    "LINK": (words(F, D, NAME), words(0, post_op(FILE, 1), wcc(DIR))),
    "READDIR": (
        words(D, 0, 0, 0, 0, 512),                # cookie, cookieverf, count
        words(
            0, post_op(DIR), 0, 0,                # status, dir_attributes, cookieverf
            1, 0, 6, 5, b"hello\0\0\0", 1, 9,     # an entry: fileid, name, cookie
            0, 1,                                 # no entry, eof
        ),
    ),
    "READDIRPLUS": (
        words(D, 0, 7, VERIFIER, 512, 4096),      # cookie, cookieverf, dircount, maxcount
        words(
            0, post_op(DIR), VERIFIER,
            1, 0, 6, 5, b"hello\0\0\0", 1, 9,
            post_op(FILE), 1, F,                  # name_attributes, name_handle
            0, 1,
        ),
    ),
    "FSSTAT": (
        D,
        words(
            0, post_op(DIR),
            1, 0, 0, 2, 0, 3,                     # tbytes, fbytes, abytes
            0, 4, 0, 5, 0, 6,                     # tfiles, ffiles, afiles
            0,                                    # invarsec
        ),
    ),
    "FSINFO": (
        D,
        words(
            0, post_op(DIR),
            1 << 20, 1 << 20, 4096,               # rtmax, rtpref, rtmult
            1 << 20, 1 << 20, 4096,               # wtmax, wtpref, wtmult
            32 << 10,                             # dtpref
            1 << 8, 1,                            # maxfilesize
            0, 1,                                 # time_delta
            0x1B,                                 # LINK, SYMLINK, HOMOGENEOUS, CANSETTIME
        ),
    ),
    "PATHCONF": (
        D,
        words(
            0, post_op(DIR),
            7, 255, 1,                            # linkmax, name_max, no_trunc
            1, 0, 1,                              # chown_restricted, case_insensitive, _preserving
        ),
    ),
    "COMMIT": (words(F, 0, 0, 0), words(0, wcc(FILE, 0), VERIFIER)),
}  # fmt: skip


def called(name: str, arguments: bytes) -> bytes:
    """The bytes of a call. The procedure is the first word of the name."""
    number = getattr(NFS_V3, f"NFSPROC3_{name.split()[0]}").number
    cred = words(1, len(ROOT_CRED.body), ROOT_CRED.body)
    return words(
        0x11223344, 0, 2,                         # xid, CALL, rpcvers
        100003, 3, number,                        # program, version, procedure
        cred, 0, 0, arguments,                    # verf
    )  # fmt: skip


def reply_to(name: str, arguments: bytes, error: OSError | None = None) -> bytes:
    still = Still()
    still.error = error
    exported = Exported(still)
    exported.share.verifier.value = VERIFIER
    return exported.reply(called(name, arguments))


def accepted(results: bytes) -> bytes:
    return words(
        0x11223344, 1, 0,                         # xid, REPLY, MSG_ACCEPTED
        0, 0, 0, results,                         # verf, SUCCESS
    )  # fmt: skip


@pytest.mark.parametrize("name", SUCCESSES)
def test_success_is_laid_out_as_drawn(name: str) -> None:
    arguments, results = SUCCESSES[name]

    assert reply_to(name, arguments) == accepted(results)


def test_every_procedure_is_drawn() -> None:
    drawn = {f"NFSPROC3_{name.split()[0]}" for name in SUCCESSES}

    assert drawn == {item.name for item in NFS_V3.procedures.values()}


UNCHANGED = {file: wcc(file, 0) for file in (DIR, FILE)}
FAILURES: dict[str, tuple[bytes, bytes]] = {
    "SETATTR": (words(F, MODE, 0), UNCHANGED[FILE]),
    "LOOKUP": (words(D, NAME), post_op(DIR)),
    "ACCESS": (words(D, 0x3F), post_op(DIR)),
    "READLINK": (L, post_op(LINK)),
    "READ": (words(F, 0, 0, 8192), post_op(FILE)),
    "WRITE": (words(F, 0, 0, 4, 2, 4, b"data"), UNCHANGED[FILE]),
    "CREATE": (words(D, NAME, 1, MODE), UNCHANGED[DIR]),
    "MKDIR": (words(D, NAME, MODE), UNCHANGED[DIR]),
    "SYMLINK": (words(D, NAME, NOTHING, 4, b"path"), UNCHANGED[DIR]),
    "MKNOD": (words(D, NAME, 7, MODE), UNCHANGED[DIR]),
    "REMOVE": (words(D, NAME), UNCHANGED[DIR]),
    "RMDIR": (words(D, NAME), UNCHANGED[DIR]),
    "RENAME": (words(D, NAME, D, OTHER_NAME), UNCHANGED[DIR] * 2),
    "LINK": (words(F, D, NAME), post_op(FILE) + UNCHANGED[DIR]),
    "READDIR": (words(D, 0, 0, 0, 0, 512), post_op(DIR)),
    "READDIRPLUS": (words(D, 0, 0, 0, 0, 512, 4096), post_op(DIR)),
    "FSSTAT": (D, post_op(DIR)),
    "COMMIT": (words(F, 0, 0, 0), UNCHANGED[FILE]),
}
"""The arms for a failure of the file system. GETATTR, FSINFO and PATHCONF ask for attributes only:
those fail with a handle."""

STATUSES = [status for status in nfsstat3 if status is not nfsstat3.NFS3_OK]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", FAILURES)
def test_failure_is_laid_out_as_drawn(name: str, status: nfsstat3) -> None:
    arguments, failure = FAILURES[name]

    reply = reply_to(name, arguments, NfsError(status))

    assert reply == accepted(words(status, failure))


NO_ATTRIBUTES, NO_WCC = words(0), words(0, 0)
VOID, ATTRIBUTES, WCC, TWO_WCC, BOTH = (
    b"", NO_ATTRIBUTES, NO_WCC, NO_WCC * 2, NO_ATTRIBUTES + NO_WCC,
)  # fmt: skip
WITHOUT_OBJECTS = {
    "GETATTR": VOID, "SETATTR": WCC, "LOOKUP": ATTRIBUTES, "ACCESS": ATTRIBUTES,
    "READLINK": ATTRIBUTES, "READ": ATTRIBUTES, "WRITE": WCC, "CREATE": WCC, "MKDIR": WCC,
    "SYMLINK": WCC, "MKNOD": WCC, "REMOVE": WCC, "RMDIR": WCC, "RENAME": TWO_WCC, "LINK": BOTH,
    "READDIR": ATTRIBUTES, "READDIRPLUS": ATTRIBUTES, "FSSTAT": ATTRIBUTES, "FSINFO": ATTRIBUTES,
    "PATHCONF": ATTRIBUTES, "COMMIT": WCC,
}  # fmt: skip


def forged(arguments: bytes) -> bytes:
    """The same arguments, with a changed signature in each handle."""
    for file in (DIR, FILE, LINK):
        own = STILL.handle(file).data
        arguments = arguments.replace(own, own[:-1] + bytes([own[-1] ^ 1]))
    return arguments


def cut(arguments: bytes) -> bytes:
    """The same arguments, with another layout in each handle."""
    for file in (DIR, FILE, LINK):
        own = STILL.handle(file).data
        arguments = arguments.replace(own, b"\2" + own[1:])
    return arguments


@pytest.mark.parametrize(
    ("spoiled", "status"),
    [(forged, nfsstat3.NFS3ERR_STALE), (cut, nfsstat3.NFS3ERR_BADHANDLE)],
)
@pytest.mark.parametrize("name", [name for name in SUCCESSES if name != "NULL"])
def test_bad_handle_has_no_attributes(
    name: str, spoiled: Callable[[bytes], bytes], status: nfsstat3
) -> None:
    failure = WITHOUT_OBJECTS[name.split()[0]]

    reply = reply_to(name, spoiled(SUCCESSES[name][0]))

    assert reply == accepted(words(status, failure))


@pytest.mark.parametrize("name", SUCCESSES)
def test_cut_arguments_are_garbage(name: str) -> None:
    arguments = SUCCESSES[name][0]
    garbage = words(0x11223344, 1, 0, 0, 0, 4)  # GARBAGE_ARGS

    for length in range(0, len(arguments), 4):
        assert reply_to(name, arguments[:length]) == garbage


def test_error_without_a_number_is_io() -> None:
    reply = reply_to("LOOKUP", words(D, NAME), OSError(errno.EDOM, "a number the RFC lacks"))

    assert reply == accepted(words(nfsstat3.NFS3ERR_IO, post_op(DIR)))
