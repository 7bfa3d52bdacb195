"""Log lines about calls, in the words of the C daemon.

``connect from 192.0.2.7 to getport/addr(nfs)``, followed by the reason if the call is refused.
Scripts that watch the log of the C daemon keep working. Each record also carries the parts of the
call as a dictionary, for log formats that have fields.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.numbers import program_name
from oncrpc.rpc import Call, Caller

log = logging.getLogger("oncrpc.access")
calls_log = logging.getLogger("oncrpc.calls")

MAX_LOGGED = 64
"""Sources whose refusals are logged in the same second."""

QUIET = 1.0
"""Seconds between two lines about a source."""

LINE = "connect from %s to %s%s"


class Refusal(Enum):
    """Why a call was refused: the level of its log line, and the end of the line."""

    UNAUTHORIZED = logging.WARNING, ": request from unauthorized %s"
    DECLINED = logging.INFO, " declined (%s)"
    INDIRECT = logging.WARNING, ": indirect call not allowed%s"


class CallLog:
    """Logs accepted and refused calls.

    Accepted calls are logged if the level of ``oncrpc.calls`` is INFO. Refusals are logged at most
    once a second for a source, and for at most ``MAX_LOGGED`` sources a second; the next line says
    how many lines were left out. ``counts`` has the number of all refusals by reason.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.vocabulary, self.now = vocabulary, now
        self.counts: Counter[Refusal] = Counter()
        # When the last line about a source was written, and how many were left out since then.
        # The key is the source as logged, the bound MAX_LOGGED. An entry leaves the table when the
        # table is full and QUIET seconds have passed since its line.
        self._logged: dict[str, tuple[float, int]] = {}
        self._others = 0

    @property
    def logs_accepted(self) -> bool:
        """Whether accepted calls are logged."""
        return calls_log.isEnabledFor(logging.INFO)

    def accepted(self, call: Call) -> None:
        """Log an accepted call, if accepted calls are logged."""
        if self.logs_accepted:
            extra = {"call": self.parts_of(call)}
            calls_log.info(LINE, source_of(call.caller), self.described(call), "", extra=extra)

    def admitted(self, asked: Awaitable[None] | None, call: Call) -> Awaitable[None] | None:
        """Log a call as accepted, once ``asked`` has let it through if it has to be awaited."""
        if not self.logs_accepted:
            return asked
        if asked is not None:
            return self._logged_after(asked, call)
        self.accepted(call)
        return None

    async def _logged_after(self, asked: Awaitable[None], call: Call) -> None:
        await asked
        self.accepted(call)

    def refused(self, call: Call, refusal: Refusal, detail: str = "") -> None:
        """Log a refused call, or count it for the next line."""
        self.counts[refusal] += 1
        source = source_of(call.caller)
        left_out = self._left_out(source)
        if left_out is not None:
            level, words = refusal.value
            reason = words % detail
            extra = {"call": self.parts_of(call), "refused": reason.strip(" :")}
            log.log(level, LINE, source, self.described(call), reason + left_out, extra=extra)

    def _left_out(self, source: str) -> str | None:
        """The end of the line about the lines left out before it; None if it is left out too."""
        now = self.now()
        at, count = self._logged.pop(source, (now - QUIET, 0))
        if now - at < QUIET:
            self._logged[source] = (at, count + 1)
            return None
        if len(self._logged) >= MAX_LOGGED and not self._make_room(now):
            self._others += 1
            return None
        self._logged[source] = (now, 0)
        others, self._others = self._others, 0
        parts = [f"{count} more like it"] * bool(count)
        parts += [f"{others} from others"] * bool(others)
        return f" ({', '.join(parts)})" if parts else ""

    def _make_room(self, now: float) -> bool:
        """Remove the sources whose last line is old enough; False if there is none."""
        for source, (at, count) in list(self._logged.items()):
            if now - at >= QUIET:
                self._others += count
                del self._logged[source]
        return len(self._logged) < MAX_LOGGED

    def described(self, call: Call) -> str:
        """The procedure of a call and the program in its arguments: ``getport/addr(nfs)``."""
        prog = self.vocabulary.program_of(call)
        program = "" if prog is None else program_name(prog) or format(prog)
        return f"{self.vocabulary.log_name(call.procedure)}({program})"

    def parts_of(self, call: Call) -> dict[str, Any]:
        """The parts of a line about a call by name, without those that the call does not have."""
        caller, prog = call.caller, self.vocabulary.program_of(call)
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


def source_of(caller: Caller) -> str:
    """Where a call came from, as log lines have it."""
    return caller.source[0] if caller.source else f"local uid {caller.uid}"
