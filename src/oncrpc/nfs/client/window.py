"""How many READs or WRITEs of one file are in progress at once.

If the server answers within two milliseconds, a few calls keep the connection busy. More calls would
only push the data out of the processor's cache before they are used: on one host that costs up to
half of the speed. If every call takes longer, the network or the disk has a latency, and many calls
in progress hide it.
"""

from __future__ import annotations

from math import inf

NEAR, FAR = 1 << 20, 4 << 20
"""Bytes in progress for one file, to a server that answers at once and to a slower one."""

AT_ONCE = 0.002
"""Seconds: the longest call of a server that answers at once."""

SAMPLE = 32
"""Calls by which the window is chosen. The fastest of them counts, as a busy host delays some."""

LEAST_CALLS, MOST_CALLS = 2, 64
"""Smallest and largest number of READs or WRITEs in progress for one file."""


class TransferWindow:
    """The window of the READs, or of the WRITEs, to one server.

    ``_fastest`` is the duration of the fastest of the last ``_seen`` calls, at most ``SAMPLE``.
    """

    def __init__(self) -> None:
        self.size = NEAR
        self._fastest, self._seen = inf, 0

    def calls(self, size: int) -> int:
        """How many calls of ``size`` bytes may be in progress at once."""
        return min(max(self.size // size, LEAST_CALLS), MOST_CALLS)

    def note(self, seconds: float) -> None:
        """Count the duration of a call."""
        self._fastest = min(self._fastest, seconds)
        self._seen += 1
        if self._seen == SAMPLE:
            self.size = NEAR if self._fastest <= AT_ONCE else FAR
            self._fastest, self._seen = inf, 0
