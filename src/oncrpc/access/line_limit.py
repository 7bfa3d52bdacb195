"""A limit for log lines that anybody on the network can cause."""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_LOGGED = 64
"""Sources about which lines are written in the same second."""

QUIET = 1.0
"""Seconds between two lines about a source."""


class LineLimit:
    """Allows a line a second about a source, and about ``MAX_LOGGED`` sources a second.

    The next line says how many lines were left out.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        # When the last line about a source was written, and how many were left out since then.
        # The key is the source as logged, the bound MAX_LOGGED. An entry leaves the table when the
        # table is full and QUIET seconds have passed since its line.
        self._logged: dict[str, tuple[float, int]] = {}
        self._others = 0

    def left_out(self, source: str) -> str | None:
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
