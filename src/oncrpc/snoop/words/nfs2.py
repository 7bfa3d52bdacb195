"""The words for NFS, version 2 (RFC 1094 §2.2)."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor, CutShort, counted
from oncrpc.snoop.words.statuses import NFS2_STATUS
from oncrpc.snoop.words.templates import Reader, Skipped, StatusReader, Wording, compiled

ATTRIBUTES = 68
"""Bytes of ``fattr``."""


def listed(count: int, whole: bool, cursor: Cursor) -> str:
    """How many entries a directory has in a reply, and whether there are more."""
    if not whole:
        return f"{count}+ entries (incomplete)"
    try:
        return f"{count} entries ({'No more' if cursor.uint() else 'More'})"
    except CutShort:
        return f"{count} entries"


def _entries(cursor: Cursor) -> str:
    return listed(*counted(cursor, _skip_entry), cursor)


def _skip_entry(cursor: Cursor) -> None:
    cursor.skip(4)
    cursor.skip_opaque()
    cursor.skip(4)


READERS: dict[str, Reader] = {
    "status": StatusReader(NFS2_STATUS),
    "attributes": Skipped(ATTRIBUTES),
    "entries": _entries,
}
NAMES = (
    "NULL2", "GETATTR2", "SETATTR2", "ROOT2", "LOOKUP2", "READLINK2", "READ2", "WRITECACHE2",
    "WRITE2", "CREATE2", "REMOVE2", "RENAME2", "LINK2", "SYMLINK2", "MKDIR2", "RMDIR2", "READDIR2",
    "STATFS2",
)  # fmt: skip
HANDLE = "FH={fh2}"
NAME = HANDLE + " {text}"

NFS_2 = Wording(
    "NFS",
    NAMES,
    compiled(
        {
            1: HANDLE,
            2: HANDLE,
            4: NAME,
            5: HANDLE,
            6: HANDLE + " at {uint} for {uint}",
            8: HANDLE + " at {-word}{uint}{-word} for {uint}",
            9: NAME,
            10: NAME,
            11: f"{NAME} to {NAME}",
            12: f"{HANDLE} to {NAME}",
            13: NAME + " to {text}",
            14: NAME,
            15: NAME,
            16: HANDLE + " Cookie={uint}",
            17: HANDLE,
        }
    ),
    compiled(
        dict.fromkeys((1, 2, 8, 10, 11, 12, 13, 15, 17), "{status}")
        | dict.fromkeys((4, 9, 14), "{status} FH={fh2}")
        | {
            5: "{status} (Path={text})",
            6: "{status}{-attributes} ({uint} bytes)",
            16: "{status} {entries}",
        },
        READERS,
    ),
)
