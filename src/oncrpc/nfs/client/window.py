"""How many READs or WRITEs of one file are in progress at once.

Many calls in progress hide the latency of a network. A server on the same host has no latency: more
than one call only pushes the data out of the processor's cache before they are used, which costs up
to half of the speed.

The address alone does not show where the server is: a tunnel to another host also has an address of
this host. So the window becomes large if none of the last ``SAMPLE`` calls was fast.
"""

from __future__ import annotations

from math import inf

MAX_LOCAL_WINDOW = 1 << 20
"""Bytes of the READs or WRITEs in progress for one file of a server on the same host."""

MAX_WINDOW = 4 << 20
"""Bytes of the READs or WRITEs in progress for one file of a server on another host."""

LEAST_CALLS, MOST_CALLS = 4, 64
"""Smallest and largest number of READs or WRITEs in progress for one file on another host."""

FAST = 0.004
"""Seconds: the longest call that shows that the server is on the same host."""

SAMPLE = 32
"""Calls whose fastest one is compared with ``FAST``, since a busy host delays some calls."""


class TransferWindow:
    """The window of the READs, or of the WRITEs, to one server.

    ``local`` is True if the server has an address of this host. ``near`` is True while the window
    is small. ``_fastest`` is the duration of the fastest of
    the last ``_seen`` calls.
    """

    def __init__(self, *, local: bool) -> None:
        self.local = self.near = local
        self._fastest, self._seen = inf, 0

    def calls(self, size: int) -> int:
        """How many calls of ``size`` bytes may be in progress at once."""
        if self.near:
            return max(MAX_LOCAL_WINDOW // size, 1)
        return min(max(MAX_WINDOW // size, LEAST_CALLS), MOST_CALLS)

    def note(self, seconds: float) -> None:
        """Count the duration of a call."""
        self._fastest = min(self._fastest, seconds)
        self._seen += 1
        if self._seen == SAMPLE:
            self.near = self.local and self._fastest <= FAST
            self._fastest, self._seen = inf, 0
