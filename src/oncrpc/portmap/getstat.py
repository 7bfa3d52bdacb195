"""What GETSTAT reports: calls by version and procedure, lookups and forwards (RFC 1833 §2.1)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from oncrpc.programs.rpcb import (
    RPCBSTAT_HIGHPROC,
    RPCBVERS_STAT,
    rpcb_stat,
    rpcbs_addrlist,
    rpcbs_rmtcalllist,
)

MAX_LISTED = 256
"""Programs in each list of GETSTAT; the oldest is dropped."""

MAX_COUNT = 2**31 - 1
"""The largest count in GETSTAT."""

FIRST_VERSION = 2
K = TypeVar("K", bound=Hashable)
Lookup = tuple[int, int, bytes]
Forward = tuple[int, int, int, bool, bytes]
Counter = tuple[list[int], int]
"""A list of counters and the index of the one that was raised."""


def _raised(counters: list[int], index: int) -> Counter:
    counters[index] += 1
    return counters, index


def _listed(counters: list[int]) -> list[int]:
    """Counters stop at what an XDR int holds."""
    return [min(count, MAX_COUNT) for count in counters]


class Tally(Generic[K]):
    """Successes and failures by key; when there are too many keys the oldest is forgotten.

    ``forgetting`` is called before that: nobody may go on to raise what it counted.
    """

    def __init__(self, forgetting: Callable[[], None] = lambda: None) -> None:
        self.forgetting = forgetting
        self._counts: OrderedDict[K, list[int]] = OrderedDict()

    def count(self, key: K, *, success: bool) -> Counter:
        """One more for the key."""
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) >= MAX_LISTED:
                self.forgetting()
                self._counts.popitem(last=False)
            counts = self._counts[key] = [0, 0]
        return _raised(counts, int(not success))

    def items(self) -> list[tuple[K, list[int]]]:
        """The keys and their counts, newest first."""
        return [(key, _listed(counts)) for key, counts in reversed(self._counts.items())]


class Statistics:
    """The counters of versions 2, 3 and 4; each takes the version that was called.

    Those that a lookup raises are returned: an answer from memory raises them again.
    """

    def __init__(self, forgetting: Callable[[], None] = lambda: None) -> None:
        self._calls = [[0] * RPCBSTAT_HIGHPROC for _ in range(RPCBVERS_STAT)]
        self._set = [0] * RPCBVERS_STAT
        self._unset = [0] * RPCBVERS_STAT
        self._lookups: list[Tally[Lookup]] = [Tally(forgetting) for _ in range(RPCBVERS_STAT)]
        self._forwards: list[Tally[Forward]] = [Tally() for _ in range(RPCBVERS_STAT)]

    def called(self, vers: int, proc: int) -> Counter:
        """A procedure was called, whatever became of it."""
        return _raised(self._calls[vers - FIRST_VERSION], proc)

    def calls(self) -> list[list[int]]:
        """How often each procedure of each version was called."""
        return [list(counts) for counts in self._calls]

    def changes(self) -> list[tuple[int, int]]:
        """How many SETs and UNSETs of each version were successes."""
        return list(zip(self._set, self._unset, strict=True))

    def was_set(self, vers: int, *, success: bool) -> None:
        """A SET was answered."""
        self._set[vers - FIRST_VERSION] += success

    def was_unset(self, vers: int, *, success: bool) -> None:
        """An UNSET was answered."""
        self._unset[vers - FIRST_VERSION] += success

    def looked_up(
        self, vers: int, prog: int, asked: int, netid: bytes, *, success: bool
    ) -> Counter:
        """A program's version ``asked`` was looked up."""
        return self._lookups[vers - FIRST_VERSION].count((prog, asked, netid), success=success)

    def forwarded(
        self, vers: int, key: tuple[int, int, int], netid: bytes, *, indirect: bool, success: bool
    ) -> None:
        """A call of (program, version, procedure) was to be forwarded."""
        forwards = self._forwards[vers - FIRST_VERSION]
        forwards.count((*key, indirect, netid), success=success)

    def report(self) -> list[rpcb_stat]:
        """The result of GETSTAT."""
        return [
            rpcb_stat(
                _listed(self._calls[i]),
                min(self._set[i], MAX_COUNT),
                min(self._unset[i], MAX_COUNT),
                [
                    rpcbs_addrlist(prog, vers, counts[0], counts[1], netid)
                    for (prog, vers, netid), counts in self._lookups[i].items()
                ],
                [
                    rpcbs_rmtcalllist(prog, vers, proc, counts[0], counts[1], int(indirect), netid)
                    for (prog, vers, proc, indirect, netid), counts in self._forwards[i].items()
                ],
            )
            for i in range(RPCBVERS_STAT)
        ]
