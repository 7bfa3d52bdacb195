"""The types, ranges and outcomes of the lock manager's versions.

There are two dialects: that of versions 1 to 3, with 32 bits for offsets (X/Open XNFS, chapter 10),
and that of version 4, with 64 bits and more outcomes (RFC 1813 §6). All else is the same. The
procedures work with the outcomes of version 4, and a dialect translates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from oncrpc.nfs.locks.terms import END, ByteRange, LocalHolder, Lock, LockOutcome
from oncrpc.nfs.status import NfsError, status_of
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nlm import (
    nlm4_holder,
    nlm4_lock,
    nlm4_res,
    nlm4_shareres,
    nlm4_stat,
    nlm4_stats,
    nlm4_testargs,
    nlm4_testres,
    nlm4_testrply,
    nlm_holder,
    nlm_lock,
    nlm_res,
    nlm_shareres,
    nlm_stat,
    nlm_stats,
    nlm_testargs,
    nlm_testres,
    nlm_testrply,
)

LOCAL_OH = b"local"
"""The holder's opaque name if the holder is a process of this host."""

OF_OUTCOME: Mapping[LockOutcome, nlm4_stats] = {
    LockOutcome.GRANTED: nlm4_stats.NLM4_GRANTED,
    LockOutcome.DENIED: nlm4_stats.NLM4_DENIED,
    LockOutcome.BLOCKED: nlm4_stats.NLM4_BLOCKED,
    LockOutcome.DEADLOCK: nlm4_stats.NLM4_DEADLCK,
    LockOutcome.NO_ROOM: nlm4_stats.NLM4_DENIED_NOLOCKS,
    LockOutcome.READ_ONLY: nlm4_stats.NLM4_ROFS,
    LockOutcome.GRACE: nlm4_stats.NLM4_DENIED_GRACE_PERIOD,
}

_OF_STATUS: Mapping[nfsstat3, nlm4_stats] = {
    nfsstat3.NFS3ERR_ROFS: nlm4_stats.NLM4_ROFS,
    nfsstat3.NFS3ERR_STALE: nlm4_stats.NLM4_STALE_FH,
    nfsstat3.NFS3ERR_BADHANDLE: nlm4_stats.NLM4_STALE_FH,
    nfsstat3.NFS3ERR_FBIG: nlm4_stats.NLM4_FBIG,
    nfsstat3.NFS3ERR_NOSPC: nlm4_stats.NLM4_DENIED_NOLOCKS,
    nfsstat3.NFS3ERR_DQUOT: nlm4_stats.NLM4_DENIED_NOLOCKS,
    nfsstat3.NFS3ERR_JUKEBOX: nlm4_stats.NLM4_DENIED_GRACE_PERIOD,
}
"""The outcome of an error; all others are NLM4_FAILED.

JUKEBOX asks the client to try again later. The lock manager's only outcome for that is the one of
the grace period.
"""

_ONLY_IN_4 = nlm_stats.nlm_denied_nolocks
"""What versions 1 to 3 answer where version 4 has an outcome that they lack, as Linux does.

The client gets ENOLCK. It must not be ``nlm_denied``: that means that another has the lock.
"""


class Dialect(NamedTuple):
    """One of the two dialects. ``limit`` is the first offset that it cannot name."""

    limit: int
    stats: Mapping[nlm4_stats, Any]
    lock: type[Any]
    testargs: type[Any]
    holder: type[Any]
    testrply: type[Any]
    testres: type[Any]
    stat: type[Any]
    res: type[Any]
    shareres: type[Any]

    def range_of(self, alock: Any) -> ByteRange:
        """The bytes that a client names. A length of 0 goes on to the end of the file.

        With 32 bits the sum of offset and length has one bit more, and is a range like any other.

        Raises:
            NfsError: NFS3ERR_FBIG: the sum is more than 64 bits can count.
        """
        end = alock.l_offset + alock.l_len if alock.l_len else END
        if end > END:
            raise NfsError(nfsstat3.NFS3ERR_FBIG)
        return ByteRange(alock.l_offset, end)

    def outcome(self, cookie: bytes, found: nlm4_stats) -> Any:
        """The result of LOCK, CANCEL, UNLOCK and GRANTED."""
        return self.res(cookie, self.stat(self.stats[found]))

    def share_outcome(self, cookie: bytes, found: nlm4_stats) -> Any:
        """The result of SHARE and UNSHARE. ``sequence`` is not used, and is 0."""
        return self.shareres(cookie, self.stats[found], 0)

    def test_outcome(self, cookie: bytes, found: nlm4_stats | Lock | LocalHolder) -> Any:
        """The result of TEST, with the holder if there is one."""
        if isinstance(found, nlm4_stats):
            return self.testres(cookie, self.testrply(self.stats[found], None))
        denied = self.stats[nlm4_stats.NLM4_DENIED]
        return self.testres(cookie, self.testrply(denied, self._holder_of(found)))

    def granted(self, cookie: bytes, lock: Lock, handle: bytes) -> Any:
        """The arguments of GRANTED: what the client has asked for, in the same words."""
        owner, (start, end), exclusive = lock
        length = 0 if end >= END else end - start
        alock = self.lock(owner.client.name, handle, owner.oh, owner.svid, start, length)
        return self.testargs(cookie, exclusive, alock)

    def _holder_of(self, found: Lock | LocalHolder) -> Any:
        """The holder. In 32 bits a range that has no room goes on to the end of the file."""
        start, end = min(found.range.start, self.limit - 1), found.range.end
        has_room = end <= self.limit and end - start < self.limit
        length = end - start if has_room and end < END else 0
        if isinstance(found, LocalHolder):
            return self.holder(found.exclusive, found.pid, LOCAL_OH, start, length)
        owner = found.owner
        return self.holder(found.exclusive, owner.svid, owner.oh, start, length)


LONG = Dialect(
    1 << 64, {each: each for each in nlm4_stats}, nlm4_lock, nlm4_testargs, nlm4_holder,
    nlm4_testrply, nlm4_testres, nlm4_stat, nlm4_res, nlm4_shareres,
)  # fmt: skip
"""Version 4."""

_COMMON = {each.value: each for each in nlm_stats}
SHORT = Dialect(
    1 << 32, {each: _COMMON.get(each.value, _ONLY_IN_4) for each in nlm4_stats}, nlm_lock,
    nlm_testargs, nlm_holder, nlm_testrply, nlm_testres, nlm_stat, nlm_res, nlm_shareres,
)  # fmt: skip
"""Versions 1 to 3."""

DIALECTS: Mapping[int, Dialect] = {1: SHORT, 2: SHORT, 3: SHORT, 4: LONG}
"""The dialect of each version."""


def outcome_of(error: OSError) -> nlm4_stats:
    """The outcome of a failure."""
    return _OF_STATUS.get(status_of(error), nlm4_stats.NLM4_FAILED)
