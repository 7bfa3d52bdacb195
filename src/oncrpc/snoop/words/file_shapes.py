"""The positions of file handles and names in calls and replies, by procedure.

A shape has a letter for each field, from the first: ``h`` is a handle, ``f`` a handle of NFS 2,
``n`` a name, ``o`` opaque data and ``w`` a word that are skipped.
"""

from __future__ import annotations

Key = tuple[int, int, int]
"""A program, its version, and a procedure."""

NFS, MOUNT, NLM, NFSACL = 100003, 100005, 100021, 100227


def _of(prog: int, versions: tuple[int, ...], shapes: dict[int, str]) -> dict[Key, str]:
    return {(prog, vers, proc): shape for vers in versions for proc, shape in shapes.items()}


CALLS: dict[Key, str] = {
    # GETATTR, SETATTR, READLINK, READ, WRITE, READDIR, STATFS
    **_of(NFS, (2,), dict.fromkeys((1, 2, 5, 6, 8, 16, 17), "f")),
    # LOOKUP, CREATE, REMOVE, SYMLINK, MKDIR, RMDIR
    **_of(NFS, (2,), dict.fromkeys((4, 9, 10, 13, 14, 15), "fn")),
    # RENAME, LINK
    **_of(NFS, (2,), {11: "fnfn", 12: "ffn"}),
    # GETATTR, SETATTR, ACCESS, READLINK, READ, WRITE, READDIR to COMMIT
    **_of(NFS, (3,), dict.fromkeys((1, 2, 4, 5, 6, 7, *range(16, 22)), "h")),
    # LOOKUP, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR
    **_of(NFS, (3,), dict.fromkeys((3, 8, 9, 10, 11, 12, 13), "hn")),
    # RENAME, LINK
    **_of(NFS, (3,), {14: "hnhn", 15: "hhn"}),
    # GETACL, SETACL, GETATTR, ACCESS, GETXATTRDIR
    **_of(NFSACL, (2,), dict.fromkeys((1, 2, 3, 4, 5), "f")),
    # GETACL, SETACL, GETXATTRDIR
    **_of(NFSACL, (3,), dict.fromkeys((1, 2, 3), "h")),
    # MNT, UMNT
    **_of(MOUNT, (1, 2, 3), dict.fromkeys((1, 3), "n")),
    # TEST, GRANTED, TEST_MSG, GRANTED_MSG
    **_of(NLM, (1, 2, 3, 4), dict.fromkeys((1, 5, 6, 10), "owoh")),
    # LOCK, CANCEL, LOCK_MSG, CANCEL_MSG
    **_of(NLM, (1, 2, 3, 4), dict.fromkeys((2, 3, 7, 8), "owwoh")),
    # UNLOCK, UNLOCK_MSG
    **_of(NLM, (1, 2, 3, 4), dict.fromkeys((4, 9), "ooh")),
    # SHARE, UNSHARE, NM_LOCK
    **_of(NLM, (3, 4), {20: "ooh", 21: "ooh", 22: "owwoh"}),
}
"""The shape of the arguments of calls with files; a name follows the handle of its directory."""

REPLIES: dict[Key, str] = {
    # LOOKUP, CREATE, MKDIR; in NFS 3 also SYMLINK and MKNOD
    **_of(NFS, (2,), dict.fromkeys((4, 9, 14), "f")),
    **_of(NFS, (3,), {3: "h"} | dict.fromkeys((8, 9, 10, 11), "?h")),
    **_of(MOUNT, (1, 2), {1: "f"}),
    **_of(MOUNT, (3,), {1: "h"}),
}
"""The shape of the results behind a status of 0: the handle of the file that the call names.

``?`` is a bool in front of an optional handle.
"""

READDIRPLUS: Key = (NFS, 3, 17)
COMPOUND: Key = (NFS, 4, 1)
