"""Detects that two processes changed one file at the same time.

The change locks of a process (``change_locks``) do not exclude other processes. So each process
counts in shared memory, for each file, the changes that it has started and finished. A change
overlaps if another process was changing the file when it began, or started to before it ended.
Then the reply has no attributes from before the change: they would hide the other change from the
client.

Each process writes only its own counters, so no counter needs a lock. Two processes that start at
the same moment may not see each other at first. The comparison at the end finds the overlap,
because each process counts its start before it reads the counters of the others. A checksum of the
file's id selects its counters, so several files may share them. A false overlap costs a client one
more GETATTR.
"""

from __future__ import annotations

from zlib import crc32

SLOTS = 4096
"""Counters of started changes of a process; there are as many of finished changes."""

ROW = 2 * SLOTS
"""Counters of a process."""

Seen = list[int]
"""The slot of a change, and how many changes each other process had started in that slot."""

RUNNING = -1
"""Stands for the number of a process that was changing the file: it differs from all numbers."""


class OtherChanges:
    """The counters of all processes, as process ``own`` sees them.

    ``counters`` is shared memory with ``ROW`` 32-bit numbers for each process. ``_now`` is the
    change that ``begin_now`` started, until it ends.
    """

    def __init__(self, counters: memoryview, *, own: int) -> None:
        self._counters, self._own = counters, own * ROW
        self._rows = [at for at in range(0, len(counters), ROW) if at != self._own]
        self._now: Seen | None = None

    def begin(self, file: bytes) -> Seen:
        """Start a change. Call it before the attributes before the change are read."""
        slot = crc32(file) % SLOTS
        self._count(self._own + slot)
        counters, seen = self._counters, [slot]
        for row in self._rows:
            started = counters[row + slot]
            seen.append(started if counters[row + SLOTS + slot] == started else RUNNING)
        return seen

    def overlaps(self, seen: Seen) -> bool:
        """Whether another process has changed the file since ``begin``, or was changing it then."""
        slot, *started = seen
        return started != [self._counters[row + slot] for row in self._rows]

    def end(self, seen: Seen) -> None:
        """End a change, after the attributes after it have been read."""
        self._count(self._own + SLOTS + seen[0])

    def begin_now(self, file: bytes) -> None:
        """As ``begin``, for a change during which this process does nothing else.

        This ends an earlier change that failed before ``end_now``. Until then other processes may
        see a false overlap.
        """
        if self._now is not None:
            self.end(self._now)
        self._now = self.begin(file)

    def end_now(self) -> bool:
        """End the change. Returns whether it overlaps with another one."""
        seen, self._now = self._now, None
        assert seen is not None, "begin_now was called"
        overlaps = self.overlaps(seen)
        self.end(seen)
        return overlaps

    def forget(self, process: int) -> None:
        """End all changes of a process that has died."""
        row = process * ROW
        for slot in range(SLOTS):
            self._counters[row + SLOTS + slot] = self._counters[row + slot]

    def _count(self, at: int) -> None:
        self._counters[at] = self._counters[at] + 1 & 0xFFFFFFFF
