"""Outcomes and durations of calls, for the metrics; counted only if those are served.

The dispatcher never sees the calls that the reply cache answers. Those are counted elsewhere, and
all of them succeeded. So the successes of a procedure are its calls, less those that failed and
those that are still running.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from oncrpc.rpc import AnyProcedure, Call, Caller
from oncrpc.rpc.dispatch import SUCCEEDED, Before, Dispatcher, Reply
from oncrpc.rpc.prot import accept_stat, reject_stat, reply_stat

BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)
"""Upper bounds of the histogram, in seconds."""

SUCCESS, NO_REPLY = "success", "no_reply"
ACCEPTED = {stat: stat.name.lower() for stat in accept_stat}
DENIED = {stat: stat.name.lower() for stat in reject_stat}


class ProcedureId(NamedTuple):
    """A version of a program, and the number of a procedure."""

    program: int
    version: int
    number: int

    @classmethod
    def of(cls, procedure: AnyProcedure) -> Self:
        """The id of a declared procedure."""
        return cls(procedure.version.prog, procedure.version.vers, procedure.number)


Answered = Callable[[Call, Reply], None]


class Outcomes:
    """Per procedure: failures, running calls, and the seconds that the ended ones took.

    In all: calls of no procedure, and a histogram.
    """

    def __init__(self) -> None:
        self.failures: Counter[tuple[ProcedureId, str]] = Counter()
        self.running: Counter[ProcedureId] = Counter()
        self.astray: Counter[str] = Counter()
        self.times = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.seconds_of: defaultdict[ProcedureId, float] = defaultdict(float)

    def note(self, procedure: ProcedureId | None, outcome: str, *, took: float) -> None:
        """Count a call; ``procedure`` is None if the call was refused before it was looked up."""
        self.times[bisect_left(BOUNDS, took)] += 1
        self.seconds += took
        if procedure is None:
            self.astray[outcome] += 1
            return
        self.seconds_of[procedure] += took
        if outcome != SUCCESS:
            self.failures[procedure, outcome] += 1

    def took(self, calls: int, seconds: float) -> None:
        """Note that some calls, which are counted elsewhere, took so many seconds together."""
        self.times[bisect_left(BOUNDS, seconds / calls)] += calls
        self.seconds += seconds

    def succeeded(self, procedure: ProcedureId, seconds: float) -> None:
        """Note the seconds of calls of a procedure that ``took`` has noted."""
        self.seconds_of[procedure] += seconds

    def successes(self, procedure: ProcedureId, calls: int) -> int:
        """The number of calls of a procedure that succeeded."""
        failed = sum(n for (each, _), n in self.failures.items() if each == procedure)
        return calls - failed - self.running[procedure]


class Observed(Dispatcher):
    """A dispatcher that counts its ``outcomes``.

    ``answered`` is called with each call whose procedure is known, and its reply. ``_call`` is the
    call that ``handle`` is working on, None until its procedure is known; the dispatcher runs one
    call at a time up to the first ``await``.
    """

    def __init__(self, *services: Any, before: Before, **options: Any) -> None:
        super().__init__(*services, before=self._reached, **options)
        self.outcomes, self.now = Outcomes(), time.perf_counter
        self._before, self._call = before, None
        self.answered: Answered | None = None

    _call: Call | None

    def _reached(self, call: Call) -> Awaitable[None] | None:
        self._call = call
        return self._before(call)

    def handle(self, message: bytes, caller: Caller) -> Reply | Awaitable[Reply]:
        """As ``Dispatcher.handle``, counted."""
        began, self._call = self.now(), None
        reply = super().handle(message, caller)
        call = self._call
        of = None if call is None else ProcedureId.of(call.procedure)
        if reply is None or isinstance(reply, bytes):
            self.outcomes.note(of, outcome_of(reply), took=self.now() - began)
            if self.answered is not None and call is not None:
                self.answered(call, reply)
            return reply
        return self._finished(reply, call, began)

    def _finished(
        self, reply: Awaitable[Reply], call: Call | None, began: float
    ) -> Awaitable[Reply]:
        outcomes, of = self.outcomes, None if call is None else ProcedureId.of(call.procedure)
        if of is not None:
            outcomes.running[of] += 1

        async def finish() -> Reply:
            outcome = NO_REPLY
            try:
                found = await reply
                outcome = outcome_of(found)
                if self.answered is not None and call is not None:
                    self.answered(call, found)
                return found
            finally:
                if of is not None:
                    outcomes.running[of] -= 1
                outcomes.note(of, outcome, took=self.now() - began)

        return finish()


def outcome_of(reply: Reply) -> str:
    """The outcome in the header of a reply (RFC 5531 §9)."""
    if reply is None:
        return NO_REPLY
    if reply[4:24] == SUCCEEDED:
        return SUCCESS
    if int.from_bytes(reply[8:12], "big") == reply_stat.MSG_DENIED:
        return DENIED[reject_stat(int.from_bytes(reply[12:16], "big"))]
    at = 20 + (int.from_bytes(reply[16:20], "big") + 3 & ~3)
    return ACCEPTED[accept_stat(int.from_bytes(reply[at : at + 4], "big"))]
