"""What GETSTAT reports: calls by version and procedure, lookups and forwards (RFC 1833 §2.1)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from oncrpc.caching import Bounded
from oncrpc.programs.rpcb import (
    RPCBSTAT_HIGHPROC,
    RPCBVERS_STAT,
    rpcb_stat,
    rpcbs_addrlist,
    rpcbs_rmtcalllist,
)
from oncrpc.rpc.reply_cache import Counter, ReplyCache

MAX_LISTED = 256
"""Programs in each list of GETSTAT; the oldest is dropped."""

MAX_COUNT = 2**31 - 1
"""The largest count in GETSTAT."""

FIRST_VERSION = 2
K = TypeVar("K", bound=Hashable)
Lookup = tuple[int, int, bytes]
Forward = tuple[int, int, int, bool, bytes]


def _listed(counters: list[Counter]) -> list[int]:
    """The counts; they stop at what an XDR int holds."""
    return [min(counter.count, MAX_COUNT) for counter in counters]


def _nothing() -> None:
    """No reply cache has to drop anything."""


class Tally(Generic[K]):
    """Counters of successes and of failures by key; the oldest of too many keys makes room.

    ``dropped`` is called when that happens: nothing may go on to raise counters that are not
    reported any more.
    """

    def __init__(self, dropped: Callable[[], None] = _nothing) -> None:
        self._dropped = dropped
        self._counters = Bounded[K, list[Counter]](MAX_LISTED)

    def counter(self, key: K, *, success: bool) -> Counter:
        """The key's counter of successes or of failures."""
        counters = self._counters.get(key)
        if counters is None:
            counters = [Counter(), Counter()]
            if self._counters.keep(key, counters):
                self._dropped()
        return counters[0] if success else counters[1]

    def items(self) -> list[tuple[K, list[int]]]:
        """The keys and their counts, newest first."""
        return [(key, _listed(counters)) for key, counters in reversed(self._counters.items())]


class Statistics:
    """The counters of versions 2, 3 and 4; methods take the version that was called.

    Calls and lookups may be answered from the ``reply_cache``. Their counters are to be raised with
    ``Call.count``, and what reads them here settles the cache first.
    """

    def __init__(self, reply_cache: ReplyCache) -> None:
        self._reply_cache = reply_cache
        self._calls = [[Counter() for _ in range(RPCBSTAT_HIGHPROC)] for _ in range(RPCBVERS_STAT)]
        self._set = [0] * RPCBVERS_STAT
        self._unset = [0] * RPCBVERS_STAT
        self._lookups = [Tally[Lookup](reply_cache.forget) for _ in range(RPCBVERS_STAT)]
        self._forwards = [Tally[Forward]() for _ in range(RPCBVERS_STAT)]

    def calls_of(self, vers: int, proc: int) -> Counter:
        """The counter of a procedure's calls, whatever becomes of them."""
        return self._calls[vers - FIRST_VERSION][proc]

    def calls(self) -> list[list[int]]:
        """How often each procedure of each version was called."""
        self._reply_cache.settle()
        return [[counter.count for counter in counters] for counters in self._calls]

    def changes(self) -> list[tuple[int, int]]:
        """The successful SETs and UNSETs of each version."""
        return list(zip(self._set, self._unset, strict=True))

    def was_set(self, vers: int, *, success: bool) -> None:
        """A SET was answered."""
        self._set[vers - FIRST_VERSION] += success

    def was_unset(self, vers: int, *, success: bool) -> None:
        """An UNSET was answered."""
        self._unset[vers - FIRST_VERSION] += success

    def lookups_of(self, vers: int, key: Lookup, *, success: bool) -> Counter:
        """The counter of lookups of (program, version, netid) that were successful, or were not."""
        return self._lookups[vers - FIRST_VERSION].counter(key, success=success)

    def forwarded(
        self, vers: int, key: tuple[int, int, int], netid: bytes, *, indirect: bool, success: bool
    ) -> None:
        """A call of (program, version, procedure) was to be forwarded."""
        forwards = self._forwards[vers - FIRST_VERSION]
        forwards.counter((*key, indirect, netid), success=success).again()

    def report(self) -> list[rpcb_stat]:
        """The result of GETSTAT."""
        self._reply_cache.settle()
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
