"""Counting the calls that are answered at once, as exactly as the others.

Each connection has a list of numbers. They are reported when somebody reads the counters of the
application, and when the connection is gone. The time of a batch is divided among its calls.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.program import Caller

Tally: TypeAlias = list[int]
"""Calls by the number of their procedure."""

NUMBERS = max(NFS_V3.procedures) + 1


class FastCalls(NamedTuple):
    """Calls of one procedure of version 3 that one caller made, and how long they took."""

    caller: Caller
    number: int
    calls: int
    seconds: float


class CountsCalls(Protocol):
    """Takes what was counted."""

    def counted(self, calls: FastCalls) -> None:
        """Some calls were answered."""

    def took(self, count: int, seconds: float) -> None:
        """A batch of calls took that long."""


class CountsNothing:
    """For a server without counters."""

    def counted(self, calls: FastCalls) -> None:
        """Do nothing."""

    def took(self, count: int, seconds: float) -> None:
        """Do nothing."""


class FastCounts:
    """The tallies of all connections, reported to ``reader``."""

    def __init__(self, reader: CountsCalls | None = None) -> None:
        self.reader: CountsCalls = CountsNothing() if reader is None else reader
        self._tallies: dict[int, tuple[Caller, Tally]] = {}
        self._seconds, self._calls = 0.0, 0

    def of(self, caller: Caller) -> Tally:
        """The tally of a connection; each has one caller object."""
        tally = [0] * NUMBERS
        self._tallies[id(caller)] = caller, tally
        return tally

    def end(self, caller: Caller) -> None:
        """A connection has ended."""
        found = self._tallies.pop(id(caller), None)
        if found is not None:
            self._report(*found)

    def settle(self) -> None:
        """Report what was counted since the last time."""
        for caller, tally in self._tallies.values():
            self._report(caller, tally)
        self._seconds, self._calls = 0.0, 0

    def _report(self, caller: Caller, tally: Tally) -> None:
        """Report a tally; each call took as long as the mean since ``settle``."""
        if not any(tally):
            return
        each = self._seconds / self._calls if self._calls else 0.0
        for number, count in enumerate(tally):
            if count:
                tally[number] = 0
                self.reader.counted(FastCalls(caller, number, count, each * count))

    def took(self, count: int, seconds: float) -> None:
        """A batch of calls took that long."""
        self._seconds, self._calls = self._seconds + seconds, self._calls + count
        self.reader.took(count, seconds)
