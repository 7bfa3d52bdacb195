"""The lines of the log that are about a call, in the words of the C daemon, and how many there are.

``connect from 192.0.2.7 to getport/addr(nfs)``, and what follows if the call is refused. Whoever
watches the log of the C daemon for them need not learn others. The records carry the call, so that
other forms of the log can name its parts one by one.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any

from oncrpc.access.rules import OF_A_PROGRAM, PROCEDURES
from oncrpc.numbers import program_name
from oncrpc.rpc import Call, Caller

log = logging.getLogger("oncrpc.access")
calls_log = logging.getLogger("oncrpc.calls")

MAX_LOGGED = 64
"""Sources whose refusals are logged in the same second."""

QUIET = 1.0
"""Seconds between two lines about a source."""

C_NAMES = {"GETPORT": "getport/addr", "GETADDR": "getport/addr", "BCAST": "callit"}
"""Procedures that the C daemon logs under another name than their own."""

LINE = "connect from %s to %s%s"


class Refusal(Enum):
    """Why a call was not carried out: the level of its line, and what that ends with."""

    UNAUTHORIZED = logging.WARNING, ": request from unauthorized %s"
    DECLINED = logging.INFO, " declined (%s)"
    INDIRECT = logging.WARNING, ": indirect call not allowed%s"


class Refusals:
    """Logs refusals: a line a second about a source, and a bounded number of sources a second.

    ``counts`` has all of them.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.counts: Counter[Refusal] = Counter()
        self._told: dict[str, tuple[float, int]] = {}
        self._others = 0

    def tell(self, call: Call, refusal: Refusal, detail: str = "") -> None:
        """Log that a call was refused, or count it for the next line."""
        self.counts[refusal] += 1
        source = source_of(call.caller)
        held = self._held(source)
        if held is not None:
            level, words = refusal.value
            extra = {"call": call, "refused": (words % detail).strip(" :")}
            end = words % detail + held
            log.log(level, LINE, source, described(call), end, extra=extra)

    def _held(self, source: str) -> str | None:
        """What was held back since the last line, as its end; None while this one is too."""
        now = self.now()
        at, held = self._told.pop(source, (now - QUIET, 0))
        if now - at < QUIET:
            self._told[source] = (at, held + 1)
            return None
        if len(self._told) >= MAX_LOGGED and not self._make_room(now):
            self._others += 1
            return None
        self._told[source] = (now, 0)
        others, self._others = self._others, 0
        parts = [f"{held} more like it"] * bool(held) + [f"{others} from others"] * bool(others)
        return f" ({', '.join(parts)})" if parts else ""

    def _make_room(self, now: float) -> bool:
        """Forget the sources about whom nothing was said for long enough."""
        for source, (at, held) in list(self._told.items()):
            if now - at >= QUIET:
                self._others += held
                del self._told[source]
        return len(self._told) < MAX_LOGGED


def tell_connected(call: Call) -> None:
    """Log a call that is carried out, if calls are logged."""
    if calls_log.isEnabledFor(logging.INFO):
        source = source_of(call.caller)
        calls_log.info(LINE, source, described(call), "", extra={"call": call})


def source_of(caller: Caller) -> str:
    """Where a call came from."""
    return caller.source[0] if caller.source else f"local uid {caller.uid}"


def described(call: Call) -> str:
    """The procedure and its program: ``getport/addr(nfs)``."""
    procedure, prog = PROCEDURES[call.procedure.name], program_of(call)
    program = "" if prog is None else program_name(prog) or format(prog)
    return f"{C_NAMES.get(procedure, procedure.lower())}({program})"


def program_of(call: Call) -> int | None:
    """The program number that the arguments begin with, if theirs do."""
    at = call.arguments_at
    if PROCEDURES[call.procedure.name] not in OF_A_PROGRAM or len(call.message) < at + 4:
        return None
    return int.from_bytes(call.message[at : at + 4], "big")


def parts_of(call: Call) -> dict[str, Any]:
    """What a line about a call says, each under its name; what it has not is left out."""
    caller, prog = call.caller, program_of(call)
    parts = {
        "source": caller.source[0] if caller.source else "local",
        "uid": caller.uid,
        "netid": caller.netid,
        "version": call.procedure.version.vers,
        "procedure": call.procedure.name,
        "program": prog,
        "program_name": None if prog is None else program_name(prog),
    }
    return {name: part for name, part in parts.items() if part is not None}
