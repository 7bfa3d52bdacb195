"""The words for the lock manager, NLM 1 to 4, and for the status monitor, NSM."""

from __future__ import annotations

from oncrpc.snoop.words.cursor import Cursor, handle_hash
from oncrpc.snoop.words.templates import Reader, Wording, compiled, seen_by_name

OUTCOMES = {
    0: "granted",
    1: "denied",
    2: "denied (no locks)",
    3: "blocked",
    4: "denied (grace period)",
    5: "deadlock",
    6: "read-only file system",
    7: "stale file handle",
    8: "range too big",
    9: "failed",
}


def _object(cursor: Cursor) -> str:
    return f"{handle_hash(cursor.opaque()):04X}"


def _long_range(cursor: Cursor) -> str:
    return f"{cursor.hyper()}:{cursor.hyper()}"


READERS: dict[str, Reader] = {
    "object": _object,
    "outcome": seen_by_name(OUTCOMES),
    "long": _long_range,
}
VERBS = ("TEST", "LOCK", "CANCEL", "UNLOCK", "GRANTED")
NAMES = (
    "Null", *VERBS, *(f"{verb} MSG" for verb in VERBS), *(f"{verb} RES" for verb in VERBS),
    "PROC 16 v", "PROC 17 v", "PROC 18 v", "PROC 19 v", "SHARE", "UNSHARE", "NM_LOCK", "FREEALL",
)  # fmt: skip

COOKIE = "OH={object}"
SHORT = " FH={object}{-opaque} PID={int} Region={uint}:{uint}"
LONG = " FH={object}{-opaque} PID={int} Region={long}"
SHARED = " FH={object}{-opaque} Mode={uint} Access={uint}"
OUTCOME = COOKIE + " {outcome}"


def _calls(lock: str) -> dict[int, str]:
    test = COOKIE + "{-word}{-opaque}" + lock
    request = COOKIE + "{-double}{-opaque}" + lock
    unlock = COOKIE + "{-opaque}" + lock
    share = COOKIE + "{-opaque}" + SHARED
    return {
        **dict.fromkeys((1, 5, 6, 10), test),
        **dict.fromkeys((2, 3, 7, 8, 22), request),
        **dict.fromkeys((4, 9), unlock),
        **dict.fromkeys(range(11, 16), OUTCOME),
        **dict.fromkeys((20, 21), share),
        23: "{text} State={int}",
    }


REPLIES = compiled(
    dict.fromkeys((1, 2, 3, 4, 5, 22), OUTCOME) | dict.fromkeys((20, 21), OUTCOME + " {int}"),
    READERS,
)


def _version(number: int, lock: str, count: int) -> Wording:
    names = tuple(f"{name}{number}" for name in NAMES[:count])
    return Wording("NLM", names, compiled(_calls(lock), READERS), REPLIES)


NLM_1, NLM_2, NLM_3 = _version(1, SHORT, 16), _version(2, SHORT, 16), _version(3, SHORT, 24)
NLM_4 = _version(4, LONG, 24)

ANSWERS: dict[str, Reader] = {"answer": seen_by_name({0: "OK", 1: "Failed"})}
STATMON = Wording(
    "STATMON",
    ("Null", "STAT", "MON", "UNMON", "UNMON_ALL", "SIMU_CRASH", "NOTIFY"),
    compiled(
        {
            1: "{text}",
            2: "{text} by {text} prog={uint} vers={uint} proc={uint}",
            3: "{text} by {text} prog={uint} vers={uint} proc={uint}",
            4: "{text} prog={uint} vers={uint} proc={uint}",
            6: "{text} State={int}",
        }
    ),
    compiled(
        {1: "{answer} State={int}", 2: "{answer} State={int}", 3: "State={int}", 4: "State={int}"},
        ANSWERS,
    ),
)
