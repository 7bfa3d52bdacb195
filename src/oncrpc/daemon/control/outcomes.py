"""What became of calls, and how long they took: for the metrics, and only where those are on.

Observed is what the dispatcher handles. What is answered from memory it never sees: those calls
are in the counters of the procedures, and all of them were successes. So the successes of a
procedure are its calls, less those that failed and those that still run.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable
from typing import Any, NamedTuple

from oncrpc.rpc import Call, Caller
from oncrpc.rpc.dispatch import SUCCEEDED, Before, Dispatcher, Reply
from oncrpc.rpc.prot import accept_stat, reject_stat, reply_stat

BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)
"""Seconds; the upper limits of the histogram."""

SUCCESS, NO_REPLY = "success", "no_reply"
ACCEPTED = {stat: stat.name.lower() for stat in accept_stat}
DENIED = {stat: stat.name.lower() for stat in reject_stat}


class ProcedureId(NamedTuple):
    """A version of the port mapper and the number of one of its procedures."""

    version: int
    number: int


class Outcomes:
    """The failures and running calls of each procedure, calls of none, and a histogram of times."""

    def __init__(self) -> None:
        self.failures: Counter[tuple[ProcedureId, str]] = Counter()
        self.running: Counter[ProcedureId] = Counter()
        self.astray: Counter[str] = Counter()
        self.times = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def note(self, procedure: ProcedureId | None, outcome: str, *, took: float) -> None:
        """A call was handled, of no procedure if it came to none."""
        self.times[bisect_left(BOUNDS, took)] += 1
        self.seconds += took
        if procedure is None:
            self.astray[outcome] += 1
        elif outcome != SUCCESS:
            self.failures[procedure, outcome] += 1

    def successes(self, procedure: ProcedureId, calls: int) -> int:
        """How many of the calls of a procedure have succeeded."""
        failed = sum(n for (each, _), n in self.failures.items() if each == procedure)
        return calls - failed - self.running[procedure]


class Observed(Dispatcher):
    """A dispatcher whose ``outcomes`` are counted."""

    def __init__(self, *services: Any, before: Before, **options: Any) -> None:
        super().__init__(*services, before=self._reached, **options)
        self.outcomes, self.now = Outcomes(), time.perf_counter
        self._told, self._call = before, None

    _call: Call | None

    def _reached(self, call: Call) -> Awaitable[None] | None:
        self._call = call
        return self._told(call)

    def handle(self, message: bytes, caller: Caller) -> Reply | Awaitable[Reply]:
        """As a dispatcher does."""
        began, self._call = self.now(), None
        reply = super().handle(message, caller)
        call = self._call
        of = (
            None
            if call is None
            else ProcedureId(call.procedure.version.vers, call.procedure.number)
        )
        if reply is None or isinstance(reply, bytes):
            self.outcomes.note(of, outcome_of(reply), took=self.now() - began)
            return reply
        return self._finished(reply, of, began)

    def _finished(
        self, reply: Awaitable[Reply], of: ProcedureId | None, began: float
    ) -> Awaitable[Reply]:
        outcomes = self.outcomes
        if of is not None:
            outcomes.running[of] += 1

        async def finish() -> Reply:
            outcome = NO_REPLY
            try:
                found = await reply
                outcome = outcome_of(found)
                return found
            finally:
                if of is not None:
                    outcomes.running[of] -= 1
                outcomes.note(of, outcome, took=self.now() - began)

        return finish()


def outcome_of(reply: Reply) -> str:
    """What a reply says of its call (RFC 5531 §9)."""
    if reply is None:
        return NO_REPLY
    if reply[4:24] == SUCCEEDED:
        return SUCCESS
    if int.from_bytes(reply[8:12], "big") == reply_stat.MSG_DENIED:
        return DENIED[reject_stat(int.from_bytes(reply[12:16], "big"))]
    at = 20 + (int.from_bytes(reply[16:20], "big") + 3 & ~3)
    return ACCEPTED[accept_stat(int.from_bytes(reply[at : at + 4], "big"))]
