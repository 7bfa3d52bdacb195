"""The words for the port mapper: versions 2, 3 and 4 of program 100000 (RFC 1833)."""

from __future__ import annotations

from datetime import UTC, datetime

from oncrpc.snoop.words.cursor import Cursor, counted
from oncrpc.snoop.words.names import PROTOCOLS, name_of_program
from oncrpc.snoop.words.templates import Reader, Wording, compiled

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _program(cursor: Cursor) -> str:
    number = cursor.uint()
    return f"{number} ({name_of_program(number)})"


def _name(cursor: Cursor) -> str:
    return name_of_program(cursor.uint())


def _protocol(cursor: Cursor) -> str:
    number = cursor.uint()
    return PROTOCOLS.get(number, str(number))


def _success(cursor: Cursor) -> str:
    return "OK" if cursor.uint() else "Failed"


def _gmt(cursor: Cursor) -> str:
    """The time in the form ``04-Mar-96 12:00:00 GMT``, whatever the locale."""
    time = datetime.fromtimestamp(cursor.uint(), UTC)
    return f"{time:%d}-{MONTHS[time.month - 1]}-{time:%y %H:%M:%S} GMT"


def _mappings(cursor: Cursor) -> str:
    return _found(*counted(cursor, lambda entry: entry.skip(16)))


def _registrations(cursor: Cursor) -> str:
    return _found(*counted(cursor, _skip_registration))


def _entries(cursor: Cursor) -> str:
    return _found(*counted(cursor, _skip_entry))


def _found(count: int, whole: bool) -> str:
    return f"{count}{'' if whole else '+'} map(s) found"


def _skip_registration(cursor: Cursor) -> None:
    cursor.skip(8)
    for _ in range(3):
        cursor.skip_opaque()


def _skip_entry(cursor: Cursor) -> None:
    cursor.skip_opaque()
    cursor.skip_opaque()
    cursor.skip(4)
    cursor.skip_opaque()
    cursor.skip_opaque()


def _taddr(cursor: Cursor) -> str:
    """The size of a transport address; the bytes depend on the system."""
    cursor.skip(4)
    return f"{cursor.uint()} bytes"


STATISTICS_VERSIONS = (2, 3, 4)
STATISTICS_PROCEDURES = 13


def _counts(cursor: Cursor) -> str:
    """How often each version was called."""
    return ", ".join(f"v{vers} {_calls_of_version(cursor)}" for vers in STATISTICS_VERSIONS)


def _calls_of_version(cursor: Cursor) -> int:
    calls = sum(cursor.uint() for _ in range(STATISTICS_PROCEDURES))
    cursor.skip(8)
    for size in (16, 24):  # of an element of each list, before its netid
        while cursor.uint():
            cursor.skip(size)
            cursor.skip_opaque()
    return calls


READERS: dict[str, Reader] = {
    "counts": _counts,
    "program": _program,
    "name": _name,
    "protocol": _protocol,
    "success": _success,
    "gmt": _gmt,
    "mappings": _mappings,
    "registrations": _registrations,
    "entries": _entries,
    "taddr": _taddr,
}

MAPPING = "prog={program} vers={uint} proto={protocol}"
REMOTE_CALL = "prog={name} vers={uint} proc={uint}"
REGISTRATION = "prog={program} vers={uint}"

PORTMAP = Wording(
    "PORTMAP",
    ("Null", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT"),
    compiled({1: MAPPING + " port={uint}", 2: MAPPING, 3: MAPPING, 5: REMOTE_CALL}, READERS),
    compiled(
        {
            1: "{success}",
            2: "{success}",
            3: "port={uint}",
            4: "{mappings}",
            5: "port={uint} len={uint}",
        },
        READERS,
    ),
)

BIND_NAMES = (
    "Null", "SET", "UNSET", "GETADDR", "DUMP", "BCAST", "GETTIME", "UADDR2TADDR", "TADDR2UADDR",
    "GETVERSADDR", "INDIRECT", "GETADDRLIST", "GETSTAT",
)  # fmt: skip
BIND_CALLS = {
    1: REGISTRATION,
    2: REGISTRATION,
    3: REGISTRATION,
    5: REMOTE_CALL,
    7: "Uaddr={text}",
    8: "Taddr={taddr}",
    9: REGISTRATION,
    10: REMOTE_CALL,
    11: REGISTRATION,
}
BIND_REPLIES = {
    1: "{success}",
    2: "{success}",
    3: "Uaddr={text}",
    4: "{registrations}",
    5: "Uaddr={text} len={uint}",
    6: "{gmt}",
    7: "Taddr={taddr}",
    8: "Uaddr={text}",
    9: "Uaddr={text}",
    10: "Uaddr={text} len={uint}",
    11: "{entries}",
    12: "calls: {counts}",
}
RPCBIND_4 = Wording(
    "RPCBIND", BIND_NAMES, compiled(BIND_CALLS, READERS), compiled(BIND_REPLIES, READERS)
)
RPCBIND_3 = RPCBIND_4._replace(names=BIND_NAMES[:9])
