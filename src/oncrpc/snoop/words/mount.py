"""The words for MOUNT, versions 1 to 3 (RFC 1094 appendix A, RFC 1813 §5)."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor, counted
from oncrpc.snoop.words.names import FLAVORS
from oncrpc.snoop.words.statuses import MOUNT3_STATUS, NFS2_STATUS
from oncrpc.snoop.words.templates import Reader, StatusReader, Wording, compiled

MAX_FLAVORS = 16
"""Flavors of a reply that a line shows."""


def _flavors(cursor: Cursor) -> str:
    count = cursor.uint()
    shown = [cursor.uint() for _ in range(min(count, MAX_FLAVORS))]
    more = ",..." if count > MAX_FLAVORS else ""
    return ",".join(FLAVORS.get(flavor, str(flavor)) for flavor in shown) + more


def _exports(cursor: Cursor) -> str:
    return _entries(*counted(cursor, _skip_export))


def _mounts(cursor: Cursor) -> str:
    return _entries(*counted(cursor, _skip_mount))


def _entries(count: int, whole: bool) -> str:
    return f"{count}{'' if whole else '+'} entries"


def _skip_export(cursor: Cursor) -> None:
    cursor.skip_opaque()
    while cursor.uint():
        cursor.skip_opaque()


def _skip_mount(cursor: Cursor) -> None:
    cursor.skip_opaque()
    cursor.skip_opaque()


READERS: dict[str, Reader] = {
    "flavors": _flavors,
    "exports": _exports,
    "mounts": _mounts,
    "status": StatusReader(NFS2_STATUS),
    "status3": StatusReader(MOUNT3_STATUS),
}
NAMES = (
    "Null", "Mount", "Get mount list", "Unmount", "Unmountall", "Get export list",
    "Get export list", "PATHCONF",
)  # fmt: skip
CALLS = compiled({1: "{text}", 3: "{text}", 7: "{text}"})
REPLIES = {
    1: "{status} FH={fh2}",
    2: "{mounts}",
    3: "reply",
    4: "reply",
    5: "{exports}",
    6: "{exports}",
}

MOUNT_1 = Wording("MOUNT1", NAMES[:7], CALLS, compiled(REPLIES, READERS))
MOUNT_2 = MOUNT_1._replace(
    label="MOUNT2",
    names=NAMES,
    replies=compiled(REPLIES | {7: "max links={int}{-double} max name={int}"}, READERS),
)
MOUNT_3 = Wording(
    "MOUNT3",
    NAMES[:6],
    CALLS,
    compiled(REPLIES | {1: "{status3} FH={fh} Auth={flavors}"}, READERS),
)
