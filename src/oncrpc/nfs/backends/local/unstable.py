"""Files with data that were written UNSTABLE and may not be on disk yet.

The kernel writes such data in the background. If that fails, it reports the error once to each open
descriptor of the file. Without an open descriptor the error is lost: a COMMIT that opens the file
later would succeed, although the data are gone. So the first descriptor that data were written
through is kept until COMMIT.

::

    key       device and inode number
    bound     MAX_UNSTABLE files, the one that was written longest ago is removed
    emptied   by COMMIT, IDLE seconds after the last write, and with the file's last name

A file that is removed for the bound or for its age is synced. If that fails, ``GroupSync.lost`` is
set.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict

from oncrpc.nfs.backends.local.group_sync import Depth, GroupSync
from oncrpc.nfs.backends.local.objects import Place
from oncrpc.nfs.filesystem import KeptFile

MAX_UNSTABLE = 256
"""Files with UNSTABLE data that are kept open."""

IDLE = 30.0
"""Seconds; the kernel itself waits so long before it writes data in the background."""


class _Kept:
    __slots__ = ("descriptor", "host", "since", "size", "used")

    def __init__(self, descriptor: int, now: float) -> None:
        self.descriptor, self.since = descriptor, now
        self.used, self.host, self.size = now, "", 0


class UnstableFiles:
    """The descriptors, the file that was written last at the end."""

    def __init__(self, group: GroupSync, *, most: int = MAX_UNSTABLE, idle: float = IDLE) -> None:
        self._group, self._most, self._idle = group, most, idle
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, place: Place, descriptor: int, *, host: str = "", size: int = 0) -> None:
        """Note that a host wrote ``size`` bytes through this descriptor, and take it over."""
        if place in self._kept:
            os.close(descriptor)
        else:
            self._kept[place] = _Kept(descriptor, time.monotonic())
        self._used(self._kept[place], place, host, size)
        if len(self._kept) > self._most:
            self._give_up(next(iter(self._kept)))
        if self._timer is None:
            self._watch()

    def report(self) -> list[KeptFile]:
        """The files, for the status."""
        now = time.monotonic()
        return [
            KeptFile(
                path_of(each.descriptor), each.host, now - each.since, now - each.used, each.size
            )
            for each in self._kept.values()
        ]

    def note(self, place: Place, descriptor: int, *, host: str, size: int) -> None:
        """As ``keep``, but the descriptor stays with the caller."""
        known = self._kept.get(place)
        if known is None:
            self.keep(place, os.dup(descriptor), host=host, size=size)
        else:
            self._used(known, place, host, size)

    def _used(self, kept: _Kept, place: Place, host: str, size: int) -> None:
        """Note that a host wrote some bytes."""
        kept.used, kept.host = time.monotonic(), host
        kept.size += size
        self._kept.move_to_end(place)

    def take(self, place: Place) -> int | None:
        """The descriptor of a file, to be synced and closed; None if it has no such data."""
        kept = self._kept.pop(place, None)
        return None if kept is None else kept.descriptor

    def forget_removed(self, place: Place) -> None:
        """Close a file that has lost its last name, so that its space is free."""
        kept = self._kept.get(place)
        if kept is not None and not os.fstat(kept.descriptor).st_nlink:
            os.close(self._kept.pop(place).descriptor)

    def close(self) -> None:
        """Close all. The kernel writes the data in its own time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._kept:
            os.close(self._kept.popitem()[1].descriptor)

    def _watch(self) -> None:
        """Look again when the first file may be idle."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._idle, self._give_up_idle)

    def _give_up_idle(self) -> None:
        self._timer = None
        limit = time.monotonic() - self._idle
        while self._kept and next(iter(self._kept.values())).used <= limit:
            self._give_up(next(iter(self._kept)))
        if self._kept:
            self._watch()

    def _give_up(self, place: Place) -> None:
        descriptor = self._kept.pop(place).descriptor
        self._group.sync(place, descriptor, Depth.DATA, first=True).cancel()  # no call waits


def path_of(descriptor: int) -> bytes | None:
    """The path of a descriptor's file, as the kernel has it."""
    try:
        return os.readlink(b"/proc/self/fd/%d" % descriptor)
    except OSError:
        return None
