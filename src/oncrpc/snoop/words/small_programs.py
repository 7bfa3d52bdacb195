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


READERS: dict[str, Reader] = {"address": _address, "size": Cursor.uint}

BOOTPARAM = Wording(
    "BPARAM",
    ("Null", "WHOAMI?", "GETFILE"),
    compiled({1: "{address}", 2: "{-opaque}{text}"}, READERS),
    compiled({1: "{text} in {text}", 2: "{-opaque}{-address}File={text}"}, READERS),
)
RSTAT = Wording("RSTAT", ("Null", "Get Statistics", "Have Disk"), {}, compiled({2: "{uint}"}))
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
