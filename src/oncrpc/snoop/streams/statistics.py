"""Figures of calls by program, version and procedure: counts, sizes, and both times.

The transfer time of a call is from its first to its last byte; the service time from its last byte
to the first of the reply. Times are counted in classes of 3 % width, so that memory does not grow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.matching import KnownCall, KnownReply
from oncrpc.snoop.streams.outcome import outcome_of

MAX_PROCEDURES = 10_000
"""Procedures of programs with figures of their own; others share one."""

MAX_OUTCOMES = 100
"""Outcomes of a procedure with a count of their own; others share one."""

PLAIN_SUCCESS = bytes(16)
"""A reply with these bytes behind its xid and kind is accepted and successful."""

EXACT_BITS = 5
OTHERS, SUCCESS = "OTHER", "SUCCESS"
Procedure = tuple[int, int, int]
OTHER_PROCEDURES: Procedure = (-1, -1, -1)


class Durations:
    """The distribution of some nanoseconds."""

    __slots__ = ("_classes", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._classes: dict[int, int] = {}
        self.count = self.total = self.maximum = self.minimum = 0

    def add(self, duration: int) -> None:
        """Count a duration; a negative one, of a capture out of order, counts as 0."""
        if duration <= 0:
            self.minimum = duration = key = 0
        else:
            # The class is the number of bits, and the first five of them behind the highest.
            bits = duration.bit_length() - EXACT_BITS - 1
            key = duration if bits <= 0 else (bits << EXACT_BITS) + (duration >> bits)
            if duration > self.maximum:
                self.maximum = duration
            if duration < self.minimum or not self.count:
                self.minimum = duration
            self.total += duration
        self.count += 1
        try:
            self._classes[key] += 1
        except KeyError:
            self._classes[key] = 1

    def with_zeros(self, count: int) -> Durations:
        """A copy of the distribution with this number of durations of 0 added."""
        made = Durations()
        made._classes = dict(self._classes)
        made.count, made.total, made.maximum = self.count + count, self.total, self.maximum
        made.minimum = 0 if count else self.minimum
        if count:
            made._classes[0] = made._classes.get(0, 0) + count
        return made

    @property
    def mean(self) -> float:
        """The mean; 0 without a duration."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, part: float) -> int:
        """The duration that this part of all does not exceed, to 3 %."""
        left = part * self.count
        for key in sorted(self._classes):
            left -= self._classes[key]
            if left <= 0:
                return max(self.minimum, min(_highest_of(key), self.maximum))
        return self.maximum


def _highest_of(key: int) -> int:
    """The highest duration of a class."""
    bits = max(0, (key >> EXACT_BITS) - 1)
    if not bits:
        return key
    return ((key - (bits << EXACT_BITS) + 1) << bits) - 1


class ProcedureFigures:
    """The figures of a procedure.

    ``calls`` are without retransmissions, ``replies`` without duplicates: their difference is the
    number of unanswered calls.
    """

    __slots__ = (
        "_transfer", "call_bytes", "calls", "duplicates", "outcomes", "replies", "reply_bytes",
        "retransmissions", "service",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = self.retransmissions = self.replies = self.duplicates = 0
        self.call_bytes = self.reply_bytes = 0
        self.outcomes: dict[str, int] = {}
        self.service = Durations()
        self._transfer = Durations()

    @property
    def transfer(self) -> Durations:
        """The transfer times of all calls."""
        return self._transfer.with_zeros(self.calls - self._transfer.count)

    def add_call(self, call: RpcMessage | KnownCall) -> None:
        """Count a call that is not a retransmission."""
        self.call_bytes += call.length
        self.calls += 1
        if call.time != call.began:  # others are in one segment
            self._transfer.add(call.time - call.began)

    @property
    def unanswered(self) -> int:
        """Calls without a reply."""
        return self.calls - self.replies

    @property
    def succeeded(self) -> int:
        """The number of replies with success."""
        return self.outcomes.get(SUCCESS, 0)


class Unmatched(NamedTuple):
    """Replies whose calls were not seen, and their bytes."""

    replies: int
    reply_bytes: int


class CallStatistics:
    """Counts messages; ``outcome`` returns the outcome of a reply, by default that of RPC itself.

    ``succeeded`` is a faster check for ``SUCCESS``; if it returns False, ``outcome`` is called.
    """

    def __init__(
        self,
        *,
        outcome: Callable[[RpcMessage], str] = lambda reply: outcome_of(reply.body),
        succeeded: Callable[[KnownReply], bool] = lambda reply: reply.body[8:24] == PLAIN_SUCCESS,
    ) -> None:
        self._outcome, self._succeeded = outcome, succeeded
        self._figures: dict[Procedure, ProcedureFigures] = {}
        self._unmatched = Unmatched(0, 0)

    @property
    def unmatched(self) -> Unmatched:
        """Replies whose calls were not seen."""
        return self._unmatched

    def figures(self) -> list[tuple[Procedure, ProcedureFigures]]:
        """The figures by (prog, vers, proc), sorted; ``OTHER_PROCEDURES`` are those beyond."""
        return sorted(self._figures.items())

    def matched(self) -> dict[tuple[int, int], int]:
        """Calls with a successful reply by program and version."""
        found: dict[tuple[int, int], int] = {}
        for (prog, vers, _), figures in self.figures():
            found[prog, vers] = found.get((prog, vers), 0) + figures.succeeded
        return {key: count for key, count in found.items() if count}

    def add(self, message: RpcMessage) -> None:
        """Count a message."""
        if message.is_call:
            self._add_call(message)
        elif message.call is None:
            replies, size = self._unmatched
            self._unmatched = Unmatched(replies + 1, size + message.length)
        else:
            self._add_reply(message, message.call)

    def call(self, call: KnownCall) -> None:
        """Count a call that is not a retransmission."""
        figures = self._figures.get((call.prog, call.vers, call.proc))
        if figures is None:
            figures = self._of(call)
        figures.add_call(call)

    def reply(self, reply: KnownReply) -> None:
        """Count the first reply to a call."""
        call = reply.call
        figures = self._figures.get((call.prog, call.vers, call.proc))
        if figures is None:
            figures = self._of(call)
        figures.reply_bytes += reply.length
        figures.replies += 1
        figures.service.add(reply.began - call.time)
        outcome = SUCCESS if self._succeeded(reply) else self._outcome(reply.message)
        self._add_outcome(figures, outcome)

    def message(self, message: RpcMessage) -> None:
        """The same as ``add``, for the protocol ``MessageSink``."""
        self.add(message)

    def _add_call(self, call: RpcMessage) -> None:
        figures = self._of(call)
        if call.retransmission:
            figures.call_bytes += call.length
            figures.retransmissions += 1
        else:
            figures.add_call(call)

    def _add_reply(self, reply: RpcMessage, call: RpcMessage) -> None:
        figures = self._of(call)
        figures.reply_bytes += reply.length
        if reply.duplicate:
            figures.duplicates += 1
            return
        figures.replies += 1
        figures.service.add(reply.began - call.time)
        self._add_outcome(figures, self._outcome(reply))

    def _add_outcome(self, figures: ProcedureFigures, outcome: str) -> None:
        outcomes = figures.outcomes
        if outcome not in outcomes and len(outcomes) >= MAX_OUTCOMES:
            outcome = OTHERS
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def _of(self, call: RpcMessage | KnownCall) -> ProcedureFigures:
        key = (call.prog or 0, call.vers or 0, call.proc or 0)  # a call has all three
        figures = self._figures.get(key)
        if figures is None:
            if len(self._figures) >= MAX_PROCEDURES:
                key = OTHER_PROCEDURES
            figures = self._figures.setdefault(key, ProcedureFigures())
        return figures
