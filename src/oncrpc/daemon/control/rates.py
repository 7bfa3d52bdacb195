"""How often each procedure was called a second lately: the counters, sampled now and then."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

EVERY = 5.0
"""Seconds between two samples."""

MAX_SAMPLES = 12
"""Samples that a rate is made of: those of the last minute."""

Counts = list[list[int]]
"""Calls by version, from 2 on, and procedure."""


class Sample(NamedTuple):
    """What was counted by then."""

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
        """Begin to sample."""
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._sample)

    def close(self) -> None:
        """Sample no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sample(self) -> None:
        self._samples.append(Sample(self.clock(), self.count()))
        self.start()

    def lately(self) -> tuple[float, Counts]:
        """For how many seconds, and how many calls there were in them."""
        oldest, counts = self._samples[0], self.count()
        grown = [
            [now - before for now, before in zip(*each, strict=True)]
            for each in zip(counts, oldest.counts, strict=True)
        ]
        return self.clock() - oldest.at, grown
