"""Counts of calls, and rates of the last minute from samples of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from oncrpc.rpc import AnyProcedure, Call, Version
from oncrpc.rpc.reply_cache import CallCounter, ReplyCache

EVERY = 5.0
"""Seconds between two samples."""

MAX_SAMPLES = 12
"""Samples kept: those of one minute."""

Counts = list[list[int]]
"""Calls: a list for each version, by procedure number."""


class CallCounts:
    """Counts the calls of some versions of programs."""

    def __init__(self, versions: Sequence[type[Version]]) -> None:
        self._rows = {
            version: [CallCounter() for _ in range(max(version.procedures) + 1)]
            for version in versions
        }

    def count(self, call: Call) -> None:
        """Count one call; a call that is answered from the reply cache is counted there."""
        call.count(self._rows[call.procedure.version][call.procedure.number])

    def add(self, procedure: AnyProcedure, calls: int) -> None:
        """Count calls that were answered without the dispatcher."""
        self._rows[procedure.version][procedure.number].again(calls)

    def totals(self, reply_cache: ReplyCache | None) -> Counts:
        """The calls so far, with those that were answered from the reply cache."""
        if reply_cache is not None:
            reply_cache.settle()
        return [[counter.count for counter in row] for row in self._rows.values()]


class Sample(NamedTuple):
    """The counts at one moment."""

    at: float
    counts: Counts


class Rates:
    """Samples of what ``count`` returns, from ``start`` to ``close``."""

    def __init__(
        self, count: Callable[[], Counts], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.count, self.clock = count, clock
        self.began = clock()
        self._samples = deque([Sample(self.began, count())], maxlen=MAX_SAMPLES)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to sample, in the event loop."""
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._sample)

    def close(self) -> None:
        """Stop sampling."""
        if self._timer is not None:
            self._timer.cancel()

    def _sample(self) -> None:
        self._samples.append(Sample(self.clock(), self.count()))
        self.start()

    def lately(self) -> tuple[float, Counts]:
        """The seconds since the oldest sample, and the calls in them."""
        oldest, counts = self._samples[0], self.count()
        grown = [
            [now - before for now, before in zip(*each, strict=True)]
            for each in zip(counts, oldest.counts, strict=True)
        ]
        return self.clock() - oldest.at, grown
