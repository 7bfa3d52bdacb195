"""Releasing ranges on local files, little by little.

A client may release the bytes between thousands of locks of others at once. For the kernel these
are as many calls, and each takes the longer the more locks there are. So only some are made at a
time. Until then local processes find more locked than there is. Clients do not: the table counts.
"""

from __future__ import annotations

import asyncio
import logging
import time

from oncrpc.nfs.locks.local_locks import LocalLocks
from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import ByteRange, LockedFile

log = logging.getLogger("oncrpc.nfs")

PAUSE = 0.01
"""Seconds between two steps; as long as the step took if that was longer."""


class LateReleases:
    """Releases ranges on the local files of a table. ``left`` has one for each file that has more.

    It goes on in the event loop, with one file after the other.
    """

    def __init__(self, local: LocalLocks, table: LockTable) -> None:
        self._local, self._table = local, table
        self.left: dict[LockedFile, ByteRange] = {}
        self._timer: asyncio.TimerHandle | None = None

    def release(self, file: LockedFile, range_: ByteRange) -> None:
        """Lock no more of a range of a file than the table says; the rest of it later."""
        left = self.left.get(file)
        if left is not None:
            start, end = min(left.start, range_.start), max(left.end, range_.end)
            self.later(file, ByteRange(start, end))
        else:
            self._begin(file, range_)

    def later(self, file: LockedFile, range_: ByteRange) -> None:
        """Release a range later."""
        self.left[file] = range_
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._go_on)

    def close(self) -> None:
        """Release no more."""
        self.left.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        self._timer = None
        began = time.perf_counter()
        file = next(iter(self.left))
        self._begin(file, self.left.pop(file))
        if self.left and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.left:
            pause = max(PAUSE, time.perf_counter() - began)
            self._timer = asyncio.get_running_loop().call_later(pause, self._go_on)

    def _begin(self, file: LockedFile, range_: ByteRange) -> None:
        if file not in self._local:
            return
        try:
            rest = self._local.release(file, range_, self._table.union(file, range_))
        except OSError as error:
            log.warning("cannot unlock a file of this host: %s", error.strerror)
            return
        if rest is not None:
            self.later(file, rest)
