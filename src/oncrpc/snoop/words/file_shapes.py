"""Where file handles and names are in calls and replies, by program, version and procedure.

A shape has a letter for each field from the begin: ``h`` a handle, ``f`` a handle of NFS 2, ``n`` a
name, ``o`` opaque data and ``w`` a word that are passed over.
"""

from __future__ import annotations

Key = tuple[int, int, int]
"""A program, its version, and a procedure."""

NFS, MOUNT, NLM, NFSACL = 100003, 100005, 100021, 100227


def _of(prog: int, versions: tuple[int, ...], shapes: dict[int, str]) -> dict[Key, str]:
    return {(prog, vers, proc): shape for vers in versions for proc, shape in shapes.items()}


CALLS: dict[Key, str] = {
    **_of(NFS, (2,), dict.fromkeys((1, 2, 5, 6, 8, 16, 17), "f")),
    **_of(NFS, (2,), dict.fromkeys((4, 9, 10, 13, 14, 15), "fn")),
    **_of(NFS, (2,), {11: "fnfn", 12: "ffn"}),
    **_of(NFS, (3,), dict.fromkeys((1, 2, 4, 5, 6, 7, *range(16, 22)), "h")),
    **_of(NFS, (3,), dict.fromkeys((3, 8, 9, 10, 11, 12, 13), "hn")),
    **_of(NFS, (3,), {14: "hnhn", 15: "hhn"}),
    **_of(NFSACL, (2,), dict.fromkeys((1, 2, 3, 4, 5), "f")),
    **_of(NFSACL, (3,), dict.fromkeys((1, 2, 3), "h")),
    **_of(MOUNT, (1, 2, 3), dict.fromkeys((1, 3), "n")),
    **_of(NLM, (1, 2, 3, 4), dict.fromkeys((1, 5, 6, 10), "owoh")),
    **_of(NLM, (1, 2, 3, 4), dict.fromkeys((2, 3, 7, 8), "owwoh")),
    **_of(NLM, (1, 2, 3, 4), dict.fromkeys((4, 9), "ooh")),
    **_of(NLM, (3, 4), {20: "ooh", 21: "ooh", 22: "owwoh"}),
}
"""The files of a call: a handle, or a name behind the handle of its directory."""

REPLIES: dict[Key, str] = {
    **_of(NFS, (2,), dict.fromkeys((4, 9, 14), "f")),
    **_of(NFS, (3,), {3: "h"} | dict.fromkeys((8, 9, 10, 11), "?h")),
    **_of(MOUNT, (1, 2), {1: "f"}),
    **_of(MOUNT, (3,), {1: "h"}),
}
"""The handle of the file that a call names, behind a status of 0; ``?`` is whether it follows."""

READDIRPLUS: Key = (NFS, 3, 17)
COMPOUND: Key = (NFS, 4, 1)
