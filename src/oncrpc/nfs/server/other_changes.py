"""Changes of one file by several processes at the same time, found after the fact.

The change locks of a process (``change_locks``) are not seen by another one. So each process counts
in shared memory, for each file, the changes that it has started and finished. A change overlaps
with one of another process if that one was running when it began, or was started meanwhile. Then
the attributes before the change are left out of the reply: they would hide the other change from
the client.

Each process writes only its own counters, so no counter needs a lock. Two processes that start at
the same moment may not see each other at first; the comparison at the end finds it, because each
counts its start before it reads the counters of the others. Files share counters by a checksum of
their ids: a false overlap costs a client one more GETATTR.
"""

from __future__ import annotations

from zlib import crc32

SLOTS = 4096
"""Counters of started changes of a process, and as many of finished ones."""

ROW = 2 * SLOTS
"""Counters of a process."""

Seen = list[int]
"""The slot of a change, and what the other processes had started in it."""

RUNNING = -1


class OtherChanges:
    """The counters of all processes, as process ``own`` sees them.

    ``counters`` is shared memory of 32-bit numbers, ``ROW`` for each process. ``_now`` is the
    change that ``begin_now`` has begun, if it has not ended.
    """

    def __init__(self, counters: memoryview, *, own: int) -> None:
        self._counters, self._own = counters, own * ROW
        self._rows = [at for at in range(0, len(counters), ROW) if at != self._own]
        self._now: Seen | None = None

    def begin(self, file: bytes) -> Seen:
        """Call this before the attributes before a change are read."""
        slot = crc32(file) % SLOTS
        self._count(self._own + slot)
        counters, seen = self._counters, [slot]
        for row in self._rows:
            started = counters[row + slot]
            seen.append(started if counters[row + SLOTS + slot] == started else RUNNING)
        return seen

    def overlaps(self, seen: Seen) -> bool:
        """Whether another process has changed the file since, or was changing it."""
        slot, *started = seen
        return started != [self._counters[row + slot] for row in self._rows]

    def end(self, seen: Seen) -> None:
        """The change has ended, and its attributes have been read."""
        self._count(self._own + SLOTS + seen[0])

    def begin_now(self, file: bytes) -> None:
        """As ``begin``, for a change during which this process does nothing else.

        One that failed before ``end_now`` is ended here. Meanwhile others may see an overlap.
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
        """A process has died: it changes nothing any more."""
        row = process * ROW
        for slot in range(SLOTS):
            self._counters[row + SLOTS + slot] = self._counters[row + slot]

    def _count(self, at: int) -> None:
        self._counters[at] = self._counters[at] + 1 & 0xFFFFFFFF
