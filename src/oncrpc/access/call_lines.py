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

from oncrpc.access.line_limit import LineLimit
from oncrpc.access.vocabulary import Vocabulary
from oncrpc.numbers import program_name
from oncrpc.rpc import Call, Caller

log = logging.getLogger("oncrpc.access")
calls_log = logging.getLogger("oncrpc.calls")

LINE = "connect from %s to %s%s"


class Refusal(Enum):
    """Why a call was refused: the level of its log line, and the end of the line."""

    UNAUTHORIZED = logging.WARNING, ": request from unauthorized %s"
    DECLINED = logging.INFO, " declined (%s)"
    INDIRECT = logging.WARNING, ": indirect call not allowed%s"


class CallLog:
    """Logs accepted and refused calls.

    Accepted calls are logged if the level of ``oncrpc.calls`` is INFO. Lines about refusals have a
    limit for each source (``LineLimit``). ``counts`` has the number of all refusals by reason.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.vocabulary = vocabulary
        self.counts: Counter[Refusal] = Counter()
        self.limit = LineLimit(now=now)

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
        left_out = self.limit.left_out(source)
        if left_out is not None:
            level, words = refusal.value
            reason = words % detail
            extra = {"call": self.parts_of(call), "refused": reason.strip(" :")}
            log.log(level, LINE, source, self.described(call), reason + left_out, extra=extra)

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
