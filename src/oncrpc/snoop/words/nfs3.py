"""The words for NFS, version 3 (RFC 1813 §3)."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor, counted
from oncrpc.snoop.words.nfs2 import listed
from oncrpc.snoop.words.statuses import NFS3_STATUS
from oncrpc.snoop.words.templates import (
    Reader,
    SkippedOptionals,
    StatusReader,
    Wording,
    bits_of,
    compiled,
    file_handle,
    seen_by_name,
)

ATTRIBUTES = 84
"""Bytes of ``fattr3``."""

STABLE = {0: "ASYNC", 1: "DSYNC", 2: "FSYNC"}
HOW = {0: "UNCHECKED", 1: "GUARDED", 2: "EXCLUSIVE"}
ACCESS = {1: "read", 2: "lookup", 4: "modify", 8: "extend", 16: "delete", 32: "execute"}
KINDS = {
    1: "Regular File",
    2: "Directory",
    3: "Block special",
    4: "Character special",
    5: "Symbolic Link",
    6: "Unix domain socket",
    7: "Named pipe",
}
CLIENT_TIME = 2
"""``SET_TO_CLIENT_TIME``: a time follows."""


skip_attributes = SkippedOptionals(ATTRIBUTES)
"""Goes over ``post_op_attr``."""

skip_wcc = SkippedOptionals(24, ATTRIBUTES)
"""Goes over ``wcc_data``."""


def _skip_settable(cursor: Cursor) -> None:
    """Go over ``sattr3``."""
    for size in (4, 4, 4, 8):
        if cursor.uint():
            cursor.skip(size)
    for _ in range(2):
        if cursor.uint() == CLIENT_TIME:
            cursor.skip(8)


def _optional_handle(cursor: Cursor) -> str:
    return f" FH={file_handle(cursor)}" if cursor.uint() else ""


def _end(cursor: Cursor) -> str:
    return " EOF" if cursor.uint() else ""


def _entries(cursor: Cursor) -> str:
    return listed(*counted(cursor, _skip_entry), cursor)


def _entries_plus(cursor: Cursor) -> str:
    return listed(*counted(cursor, _skip_entry_plus), cursor)


def _skip_entry(cursor: Cursor) -> None:
    cursor.skip(8)
    cursor.skip_opaque()
    cursor.skip(8)


def _skip_entry_plus(cursor: Cursor) -> None:
    _skip_entry(cursor)
    skip_attributes(cursor)
    if cursor.uint():
        cursor.skip_opaque()


READERS: dict[str, Reader] = {
    "status": StatusReader(NFS3_STATUS),
    "stable": seen_by_name(STABLE),
    "how": seen_by_name(HOW),
    "kind": seen_by_name(KINDS),
    "access": bits_of(ACCESS),
    "attributes": skip_attributes,
    "wcc": skip_wcc,
    "settable": _skip_settable,
    "optional_handle": _optional_handle,
    "end": _end,
    "entries": _entries,
    "entries_plus": _entries_plus,
}
NAMES = (
    "NULL3", "GETATTR3", "SETATTR3", "LOOKUP3", "ACCESS3", "READLINK3", "READ3", "WRITE3",
    "CREATE3", "MKDIR3", "SYMLINK3", "MKNOD3", "REMOVE3", "RMDIR3", "RENAME3", "LINK3", "READDIR3",
    "READDIRPLUS3", "FSSTAT3", "FSINFO3", "PATHCONF3", "COMMIT3",
)  # fmt: skip
HANDLE = "FH={fh}"
NAME = HANDLE + " {text}"
COOKIE = HANDLE + " Cookie={hyper}{-double} for {uint}"


def _named(kind: str) -> Reader:
    """A reader of a name and of the word behind it, shown as ``(WORD) name``."""

    def read(cursor: Cursor) -> str:
        name = cursor.text()
        return f"({READERS[kind](cursor)}) {name}"

    return read


NFS_3 = Wording(
    "NFS",
    NAMES,
    compiled(
        {
            1: HANDLE,
            2: HANDLE,
            3: NAME,
            4: HANDLE + " ({access})",
            5: HANDLE,
            6: HANDLE + " at {hyper} for {uint}",
            7: HANDLE + " at {hyper} for {uint} ({stable})",
            8: HANDLE + " {created}",
            9: NAME,
            10: NAME + "{-settable} to {text}",
            11: HANDLE + " {made}",
            12: NAME,
            13: NAME,
            14: f"{NAME} to {NAME}",
            15: f"{HANDLE} to {NAME}",
            16: COOKIE,
            17: COOKIE + "/{uint}",
            18: HANDLE,
            19: HANDLE,
            20: HANDLE,
            21: HANDLE + " at {hyper} for {uint}",
        },
        READERS | {"created": _named("how"), "made": _named("kind")},
    ),
    compiled(
        dict.fromkeys((1, 2, 12, 13, 14, 15, 18, 19, 20, 21), "{status}")
        | dict.fromkeys((8, 9, 10, 11), "{status}{optional_handle}")
        | {
            3: "{status} FH={fh}",
            4: "{status}{-attributes} ({access})",
            5: "{status}{-attributes} (Path={text})",
            6: "{status}{-attributes} ({uint} bytes){end}",
            7: "{status}{-wcc} {uint} ({stable})",
            16: "{status}{-attributes}{-double} {entries}",
            17: "{status}{-attributes}{-double} {entries_plus}",
        },
        READERS,
    ),
)
