"""The words for small programs: bootparam, rstat, rusers, rwall and spray."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.templates import Reader, Wording, compiled

IP_ADDRESS = 1


def _address(cursor: Cursor) -> str:
    """An address of bootparam: each of its bytes is an int."""
    if cursor.uint() != IP_ADDRESS:
        return "?"
    return ".".join(str(cursor.uint() & 0xFF) for _ in range(4))


LOADS_AT = 72
"""Offset of the loads in the statistics of versions 2, 3 and 5."""

BEHIND_DISKS = 44
"""Bytes between the lists and the loads in the statistics of version 4."""


def _loads(cursor: Cursor) -> str:
    """The load averages of a host, encoded in units of 1/256."""
    return " ".join(f"{cursor.signed() / 256:.2f}" for _ in range(3))


def _loads_of_fixed(cursor: Cursor) -> str:
    cursor.skip(LOADS_AT)
    return _loads(cursor)


def _loads_behind_lists(cursor: Cursor) -> str:
    for _ in range(2):
        cursor.skip(4 * cursor.uint())
    cursor.skip(BEHIND_DISKS)
    return _loads(cursor)


READERS: dict[str, Reader] = {
    "address": _address,
    "size": Cursor.uint,
    "loads": _loads_of_fixed,
    "loads4": _loads_behind_lists,
}

BOOTPARAM = Wording(
    "BPARAM",
    ("Null", "WHOAMI?", "GETFILE"),
    compiled({1: "{address}", 2: "{-opaque}{text}"}, READERS),
    compiled({1: "{text} in {text}", 2: "{-opaque}{-address}File={text}"}, READERS),
)
HAVE_DISK = {2: "{uint}"}
RSTAT_1 = Wording(
    "RSTAT", ("Null", "Get Statistics", "Have Disk"), {}, compiled({1: "reply"} | HAVE_DISK)
)
RSTAT = RSTAT_1._replace(replies=compiled({1: "load={loads}"} | HAVE_DISK, READERS))
RSTAT_4 = RSTAT_1._replace(replies=compiled({1: "load={loads4}"} | HAVE_DISK, READERS))
RUSERS = Wording(
    "RUSERS",
    ("Null", "NUM", "NAMES", "ALLNAMES"),
    {},
    compiled({1: "{uint} users", 2: "{uint} users", 3: "{uint} users"}),
)
RWALL = Wording("WALL", ("Null", "1", "WALL"), compiled({2: "{text}"}), {})
SPRAY = Wording(
    "SPRAY",
    ("Null", "SPRAY", "GET", "CLEAR"),
    compiled({1: "({size} bytes)"}, READERS),
    compiled({2: "{uint} calls"}),
)
