"""The words for RQUOTA, versions 1 and 2."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.templates import Reader, Wording, compiled, seen_by_name

OUTCOMES = {1: "OK", 2: "No quota", 3: "No permission"}
KINDS = {0: "Uid", 1: "Gid"}


def _user(cursor: Cursor) -> str:
    path = cursor.text()
    return f"Uid={cursor.signed()} Path={path}"


def _user_or_group(cursor: Cursor) -> str:
    path = cursor.text()
    kind = cursor.signed()
    return f"{KINDS.get(kind, f'Type {kind} Id')}={cursor.signed()} Path={path}"


def _set(cursor: Cursor) -> str:
    command, path = cursor.signed(), cursor.text()
    return f"Cmd={command} Uid={cursor.signed()} Path={path}"


def _set_group(cursor: Cursor) -> str:
    command, path = cursor.signed(), cursor.text()
    number, kind = cursor.signed(), cursor.signed()
    return f"Cmd={command} {KINDS.get(kind, f'Type {kind} Id')}={number} Path={path}"


READERS: dict[str, Reader] = {
    "user": _user,
    "user_or_group": _user_or_group,
    "set": _set,
    "set_group": _set_group,
    "outcome": seen_by_name(OUTCOMES),
}
NAMES = ("Null", "GETQUOTA", "GETACTIVE", "SETQUOTA", "SETACTIVE")
REPLIES = compiled(dict.fromkeys((1, 2, 3, 4), "{outcome}"), READERS)

RQUOTA_1 = Wording(
    "RQUOTA",
    NAMES,
    compiled({1: "{user}", 2: "{user}", 3: "{set}", 4: "{set}"}, READERS),
    REPLIES,
)
RQUOTA_2 = RQUOTA_1._replace(
    calls=compiled(
        {1: "{user_or_group}", 2: "{user_or_group}", 3: "{set_group}", 4: "{set_group}"}, READERS
    )
)
