"""Figures of calls by program, version and procedure: counts, sizes, and both times.

The transfer time of a call is from its first to its last byte; the service time from its last byte
to the first of the reply. Times are counted in classes of 3 % width, so that memory does not grow.
To add a value to a list is faster than to count it, so that a ``ProcedureCounter`` collects values
of many calls, and counts all of a list at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.outcome import SUCCESS, outcome_of

MAX_PROCEDURES = 10_000
"""Procedures of programs with figures of their own; others share one."""

MAX_OUTCOMES = 100
"""Outcomes of a procedure with a count of their own; others share one."""

MAX_EXACT = 4096
"""Different durations that are counted one by one, before they are counted in classes."""

PLAIN_SUCCESS = bytes(16)
"""A reply with these bytes behind its xid and kind is accepted and successful."""

EXACT_BITS = 5
OTHERS = "OTHER"
Procedure = tuple[int, int, int]
OTHER_PROCEDURES: Procedure = (-1, -1, -1)


class Durations:
    """The distribution of some nanoseconds; a negative number, of a capture out of order, is 0.

    ``_exact`` counts durations one by one until they are sorted into ``_classes``: most captures
    have microseconds, and few different durations.
    """

    __slots__ = ("_classes", "_count", "_exact", "_maximum", "_minimum", "_total")

    def __init__(self) -> None:
        self._classes: dict[int, int] = {}
        self._exact: Counter[int] = Counter()
        self._count = self._total = self._maximum = 0
        self._minimum = -1

    def add(self, duration: int) -> None:
        """Count a duration."""
        self._exact[duration] += 1
        if len(self._exact) > MAX_EXACT:
            self._sort()

    def add_all(self, durations: Iterable[int]) -> None:
        """Count some durations."""
        self._exact.update(durations)
        if len(self._exact) > MAX_EXACT:
            self._sort()

    def _sort(self) -> None:
        """Count the exact durations in their classes."""
        classes = self._classes
        for given, count in self._exact.items():
            duration = max(0, given)
            # The class is the number of bits, and the first five of them behind the highest.
            bits = duration.bit_length() - EXACT_BITS - 1
            key = duration if bits <= 0 else (bits << EXACT_BITS) + (duration >> bits)
            classes[key] = classes.get(key, 0) + count
            self._total += duration * count
            self._count += count
        if self._exact:
            lowest = max(0, min(self._exact))
            self._maximum = max(self._maximum, max(self._exact))
            self._minimum = lowest if self._minimum < 0 else min(self._minimum, lowest)
            self._exact.clear()

    @property
    def count(self) -> int:
        """The number of durations."""
        self._sort()
        return self._count

    @property
    def total(self) -> int:
        """The sum."""
        self._sort()
        return self._total

    @property
    def minimum(self) -> int:
        """The shortest; 0 without a duration."""
        self._sort()
        return max(0, self._minimum)

    @property
    def maximum(self) -> int:
        """The longest; 0 without a duration."""
        self._sort()
        return self._maximum

    def with_zeros(self, count: int) -> Durations:
        """A copy of the distribution with this number of durations of 0 added."""
        self._sort()
        made = Durations()
        made._classes = dict(self._classes)
        made._count, made._total = self._count, self._total
        made._maximum, made._minimum = self._maximum, self._minimum
        if count:
            made._exact[0] = count
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

    def add_call(self, call: RpcMessage) -> None:
        """Count a call that is not a retransmission."""
        self.call_bytes += call.length
        self.calls += 1
        if call.time != call.began:  # others are in one segment
            self._transfer.add(call.time - call.began)

    def add_transfers(self, durations: Iterable[int]) -> None:
        """Count transfer times of calls that were counted otherwise."""
        self._transfer.add_all(durations)

    def add_outcome(self, outcome: str, count: int = 1) -> None:
        """Count replies with an outcome."""
        if outcome != SUCCESS and outcome not in self.outcomes:
            others = len(self.outcomes) - (SUCCESS in self.outcomes)
            outcome = outcome if others < MAX_OUTCOMES else OTHERS
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    @property
    def unanswered(self) -> int:
        """Calls without a reply."""
        return self.calls - self.replies

    @property
    def succeeded(self) -> int:
        """The number of replies with success."""
        return self.outcomes.get(SUCCESS, 0)


class ProcedureCounter:
    """Collects what is counted of a procedure; ``flush`` adds it to the figures.

    ``calls`` and ``replies`` are lengths, ``service`` and ``transfer`` durations. A reply is
    successful unless it is in ``failed``, the names of outcomes.
    ``status_first`` is True if results of success begin with a word of 0. Cache: ``outcomes`` by
    the bytes of a reply from the reply status to that word, at most ``MAX_OUTCOMES``.
    """

    __slots__ = (
        "_figures", "calls", "failed", "outcomes", "replies", "service", "status_first", "transfer",
    )  # fmt: skip

    def __init__(self, figures: ProcedureFigures, *, status_first: bool) -> None:
        self._figures, self.status_first = figures, status_first
        self.calls: list[int] = []
        self.replies: list[int] = []
        self.service: list[int] = []
        self.transfer: list[int] = []
        self.failed: list[str] = []
        self.outcomes: dict[bytes, str] = {}

    def flush(self) -> None:
        """Add what was collected to the figures."""
        figures, successes = self._figures, len(self.replies) - len(self.failed)
        figures.calls += len(self.calls)
        figures.call_bytes += sum(self.calls)
        figures.replies += len(self.replies)
        figures.reply_bytes += sum(self.replies)
        figures.service.add_all(self.service)
        figures.add_transfers(self.transfer)
        for outcome in self.failed:
            figures.add_outcome(outcome)
        if successes:
            figures.add_outcome(SUCCESS, successes)
        for collected in (self.calls, self.replies, self.service, self.transfer, self.failed):
            collected.clear()


class Unmatched(NamedTuple):
    """Replies whose calls were not seen, and their bytes."""

    replies: int
    reply_bytes: int


class CallStatistics:
    """Counts messages; ``outcome`` returns the outcome of a reply, by default that of RPC itself.

    ``status_first`` are programs with results of success that begin with a word of 0.
    """

    def __init__(
        self,
        *,
        outcome: Callable[[RpcMessage], str] = lambda reply: outcome_of(reply.body),
        status_first: frozenset[int] = frozenset(),
    ) -> None:
        self._outcome, self._status_first = outcome, status_first
        self._figures: dict[Procedure, ProcedureFigures] = {}
        self._counters: dict[Procedure, ProcedureCounter] = {}
        self._unmatched = Unmatched(0, 0)

    @property
    def unmatched(self) -> Unmatched:
        """Replies whose calls were not seen."""
        return self._unmatched

    def figures(self) -> list[tuple[Procedure, ProcedureFigures]]:
        """The figures by (prog, vers, proc), sorted; ``OTHER_PROCEDURES`` are those beyond."""
        self.flush()
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

    def counter(self, prog: int, vers: int, proc: int) -> ProcedureCounter:
        """The counter of a procedure, for messages that are not added."""
        key = self._key((prog, vers, proc))
        counter = self._counters.get(key)
        if counter is None:
            first = prog in self._status_first and key != OTHER_PROCEDURES
            counter = self._counters[key] = ProcedureCounter(self._of(key), status_first=first)
        return counter

    def flush(self) -> None:
        """Add what all counters have collected to the figures."""
        for counter in self._counters.values():
            counter.flush()

    def outcome(self, reply: RpcMessage) -> str:
        """The outcome of a reply."""
        return self._outcome(reply)

    def _add_call(self, call: RpcMessage) -> None:
        figures = self._figures_of(call)
        if call.retransmission:
            figures.call_bytes += call.length
            figures.retransmissions += 1
        else:
            figures.add_call(call)

    def _add_reply(self, reply: RpcMessage, call: RpcMessage) -> None:
        figures = self._figures_of(call)
        figures.reply_bytes += reply.length
        if reply.duplicate:
            figures.duplicates += 1
            return
        figures.replies += 1
        figures.service.add(reply.began - call.time)
        figures.add_outcome(self._outcome(reply))

    def _figures_of(self, call: RpcMessage) -> ProcedureFigures:
        return self._of(self._key((call.prog or 0, call.vers or 0, call.proc or 0)))  # all known

    def _key(self, procedure: Procedure) -> Procedure:
        """The key of the figures of a procedure."""
        if procedure in self._figures or len(self._figures) < MAX_PROCEDURES:
            return procedure
        return OTHER_PROCEDURES

    def _of(self, key: Procedure) -> ProcedureFigures:
        figures = self._figures.get(key)
        if figures is None:
            figures = self._figures[key] = ProcedureFigures()
        return figures
