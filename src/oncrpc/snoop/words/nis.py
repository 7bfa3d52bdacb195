"""The words for NIS: ypserv, version 2, and ypbind, version 2."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor, counted
from oncrpc.snoop.words.templates import Complete, Reader, Wording, compiled, seen_by_name

STATUS = {
    1: "OK",
    2: "No more entries",
    0: "Fail",
    -1: "No such map",
    -2: "No such domain",
    -3: "No such key",
    -4: "Invalid operation",
    -5: "Bad database",
    -6: "Server error",
    -7: "Bad args",
    -8: "Version mismatch",
}
TRANSFER = {
    1: "Success",
    2: "Master's version not newer",
    -1: "Can't find server for map",
    -2: "No such domain",
    -3: "Resource allocation failure",
    -4: "RPC failure talking to server",
    -5: "Can't get master address",
    -6: "NIS server/map db error",
    -7: "Bad arguments",
    -8: "Local dbm operation failed",
    -9: "Local file I/O operation failed",
    -10: "Map version skew during transfer",
    -11: "Can't send clear req to local ypserv",
    -12: "No local order number in map",
    -13: "Transfer error",
    -14: "Transfer request refused",
}
BINDING_ERRORS = {1: "Internal error", 2: "No server", 3: "Resource allocation fail"}
FOUND, NO_MORE = 1, 2


def _status(cursor: Cursor) -> str:
    status = cursor.signed()
    if status != FOUND:
        raise Complete(STATUS.get(status, f"({status})"))
    return STATUS[FOUND]


def _transfer(cursor: Cursor) -> str:
    status = cursor.signed()
    return TRANSFER.get(status, f"({status})")


def _key_in_map(cursor: Cursor) -> str:
    cursor.skip_opaque()
    name = cursor.text()
    return f"{cursor.text()} in {name}"


def _map_in_domain(cursor: Cursor) -> str:
    domain = cursor.text()
    return f"map {cursor.text()} in {domain}"


def _maps(cursor: Cursor) -> str:
    count, whole = counted(cursor, Cursor.skip_opaque)
    return f"{count}{'' if whole else '+'} maps"


def _entries(cursor: Cursor) -> str:
    """The entries of a reply to ALL; the last one may be a status without an entry."""
    statuses: list[int] = []

    def entry(cursor: Cursor) -> None:
        statuses.append(cursor.signed())
        cursor.skip_opaque()
        cursor.skip_opaque()

    count, whole = counted(cursor, entry)
    if statuses and statuses[0] not in (FOUND, NO_MORE):
        return STATUS.get(statuses[0], f"({statuses[0]})")
    found = statuses[:count].count(FOUND)
    return f"{found}{'' if whole else '+'} entries"


def _binding(cursor: Cursor) -> str:
    if cursor.uint() != FOUND:
        error = cursor.uint()
        return f"Fail ({BINDING_ERRORS.get(error, str(error))})"
    return f"OK {_address(cursor)}"


def _address(cursor: Cursor) -> str:
    """An address and a port, as ypbind has them."""
    host = ".".join(map(str, cursor.fixed(4)))
    return f"Addr={host} Port={int.from_bytes(cursor.fixed(2), 'big')}"


READERS: dict[str, Reader] = {
    "status": _status,
    "transfer": _transfer,
    "key_in_map": _key_in_map,
    "map_in_domain": _map_in_domain,
    "maps": _maps,
    "entries": _entries,
    "binding": _binding,
    "address": _address,
    "served": seen_by_name({0: "Fail", 1: "OK"}),
}
DOMAIN_MAP = "{-opaque}{text}"

NIS = Wording(
    "NIS",
    (
        "NULL", "DOMAIN", "DOMAIN_NONACK", "MATCH", "FIRST", "NEXT", "XFR", "CLEAR", "ALL",
        "MASTER", "ORDER", "MAPLIST",
    ),
    compiled(
        dict.fromkeys((1, 2, 11), "{text}")
        | dict.fromkeys((4, 8, 9, 10), DOMAIN_MAP)
        | {3: "{key_in_map}", 5: "{key_in_map}", 6: "{map_in_domain}"},
        READERS,
    ),
    compiled(
        {
            1: "{served}",
            2: "{served}",
            3: "{status}",
            4: "{status}{-opaque} key={text}",
            5: "{status}{-opaque} key={text}",
            6: "transid={uint} {transfer}",
            8: "{entries}",
            9: "{status} peer={text}",
            10: "{status} order={uint}",
            11: "{status} {maps}",
        },
        READERS,
    ),
)  # fmt: skip

NISBIND = Wording(
    "NISBIND",
    ("NULL", "DOMAIN", "SETDOM"),
    compiled({1: "{text}", 2: "{text} {address}"}, READERS),
    compiled({1: "{binding}"}, READERS),
)
