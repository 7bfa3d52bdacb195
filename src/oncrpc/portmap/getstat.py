"""The statistics of GETSTAT (RFC 1833 §2.1): calls by procedure, lookups and forwards."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from oncrpc.caching import Bounded
from oncrpc.programs.rpcb import (
    RPCBSTAT_HIGHPROC,
    RPCBVERS_STAT,
    rpcb_stat,
    rpcbs_addrlist,
    rpcbs_rmtcalllist,
)
from oncrpc.rpc.reply_cache import CallCounter, ReplyCache

MAX_LISTED = 256
"""Programs in each list of GETSTAT; the oldest is dropped."""

MAX_COUNT = 2**31 - 1
"""The largest count in GETSTAT."""

FIRST_VERSION = 2
K = TypeVar("K", bound=Hashable)
Lookup = tuple[int, int, bytes]
Forward = tuple[int, int, int, bool, bytes]


class Tally(Generic[K]):
    """Successes and failures by key; of more than ``MAX_LISTED`` keys the oldest is evicted."""

    def __init__(self) -> None:
        self._counts = Bounded[K, list[int]](MAX_LISTED)

    def add(self, key: K, times: int, *, success: bool) -> None:
        """Count some more successes or failures; an evicted key is listed again."""
        counts = self._counts.get(key)
        if counts is None:
            counts = [0, 0]
            self._counts.keep(key, counts)
        counts[0 if success else 1] += times

    def items(self) -> list[tuple[K, list[int]]]:
        """The keys and their counts, newest first."""
        return [(key, _listed(counts)) for key, counts in reversed(self._counts.items())]


class TallyCounter(Generic[K]):
    """The counter of one key's successes or failures.

    It has the key and not the count, so that a cached reply can continue counting when the key was
    evicted in between.
    """

    __slots__ = ("_key", "_success", "_tally")

    def __init__(self, tally: Tally[K], key: K, *, success: bool) -> None:
        self._tally, self._key, self._success = tally, key, success

    def again(self, times: int = 1) -> None:
        """Count one or more calls."""
        self._tally.add(self._key, times, success=self._success)


def _listed(counts: list[int]) -> list[int]:
    """Counts stop at what an XDR int holds."""
    return [min(count, MAX_COUNT) for count in counts]


class Statistics:
    """The counters of versions 2, 3 and 4; methods take the version that was called.

    Calls and lookups may be answered from the ``reply_cache``. Their counters are to be raised with
    ``Call.count``, and what reads them here settles the cache first.
    """

    def __init__(self, reply_cache: ReplyCache) -> None:
        self._reply_cache = reply_cache
        self._calls = [
            [CallCounter() for _ in range(RPCBSTAT_HIGHPROC)] for _ in range(RPCBVERS_STAT)
        ]
        self._set = [0] * RPCBVERS_STAT
        self._unset = [0] * RPCBVERS_STAT
        self._lookups = [Tally[Lookup]() for _ in range(RPCBVERS_STAT)]
        self._forwards = [Tally[Forward]() for _ in range(RPCBVERS_STAT)]

    def calls_of(self, vers: int, proc: int) -> CallCounter:
        """The counter of a procedure's calls, whether they succeed or not."""
        return self._calls[vers - FIRST_VERSION][proc]

    def calls(self) -> list[list[int]]:
        """How often each procedure of each version was called."""
        self._reply_cache.settle()
        return [_counts(counters) for counters in self._calls]

    def changes(self) -> list[tuple[int, int]]:
        """The successful SETs and UNSETs of each version."""
        return list(zip(self._set, self._unset, strict=True))

    def was_set(self, vers: int, *, success: bool, times: int = 1) -> None:
        """Count a SET if it was successful."""
        self._set[vers - FIRST_VERSION] += times * success

    def was_unset(self, vers: int, *, success: bool, times: int = 1) -> None:
        """Count an UNSET if it was successful."""
        self._unset[vers - FIRST_VERSION] += times * success

    def lookups_of(self, vers: int, key: Lookup, *, success: bool) -> TallyCounter[Lookup]:
        """The counter of lookups of (program, version, netid) that were successful, or were not."""
        return TallyCounter(self._lookups[vers - FIRST_VERSION], key, success=success)

    def forwarded(
        self, vers: int, key: tuple[int, int, int], netid: bytes, *, indirect: bool, success: bool
    ) -> None:
        """Count an attempt to forward a call of (program, version, procedure)."""
        forwards = self._forwards[vers - FIRST_VERSION]
        forwards.add((*key, indirect, netid), 1, success=success)

    def report(self) -> list[rpcb_stat]:
        """The result of GETSTAT."""
        self._reply_cache.settle()
        return [
            rpcb_stat(
                _listed(_counts(self._calls[i])),
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


def _counts(counters: Sequence[CallCounter]) -> list[int]:
    return [counter.count for counter in counters]
