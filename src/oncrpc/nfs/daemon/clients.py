"""The clients that called lately, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from oncrpc.caching import Bounded
from oncrpc.nfs.daemon.status import ClientCalls

MAX_CLIENTS = 1024
"""Clients that are counted; the one that has been counted longest is forgotten."""


class ClientCount:
    """A client's calls, and when the last one came."""

    __slots__ = ("at", "calls")

    def __init__(self) -> None:
        self.calls, self.at = 0, 0.0


class Clients:
    """Counts the calls of each client address.

    The bound is ``MAX_CLIENTS``; the oldest entry is removed for a new one, so a flood of forged
    addresses takes little memory.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts = Bounded[str, ClientCount](MAX_CLIENTS)

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, host: str, calls: int = 1) -> None:
        """Count a call, or several."""
        found = self._counts.get(host)
        if found is None:
            found = ClientCount()
            self._counts.keep(host, found)
        found.calls += calls
        found.at = self._clock()

    def totals(self) -> dict[str, int]:
        """The calls of each client."""
        return {host: each.calls for host, each in self._counts.items()}

    def report(self, connections: Mapping[str, int], *, most: int) -> list[ClientCalls]:
        """The clients with the most calls, and their open connections."""
        ordered = sorted(self._counts.items(), key=lambda each: -each[1].calls)
        now = self._clock()
        return [
            ClientCalls(host, each.calls, connections.get(host, 0), now - each.at)
            for host, each in ordered[:most]
        ]
