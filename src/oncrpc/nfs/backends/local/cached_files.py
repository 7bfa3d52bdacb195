"""Files that are kept open, so that calls on them need not open them again.

A kept file has an O_PATH descriptor, which is valid whatever happens to its names, and up to two
descriptors for its data. While one of them is open the kernel gives the inode number to no other
file: a file with the same device and inode number is the same file.

::

    key       the id of the file
    bound     MAX_KEPT files; the one that has not been used for longest, as far as is known
    emptied   of a file that lost its last name by a call, at once; by another process, when a call
              notices it; of a file that was not used for IDLE seconds; by ``close``. A descriptor
              for writing is closed by COMMIT, and after WRITTEN seconds without a call

An open file keeps the space of a removed one, and its file system busy: therefore the short time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from oncrpc.nfs.backends.local.objects import Objects, OpenObject, Place, stale
from oncrpc.nfs.backends.local.residence import ResidentBlocks

MAX_KEPT = 512
"""Files; each has at most three descriptors."""

IDLE = 3.0
"""Seconds."""

WRITTEN = 1.0
"""Seconds after which a file is no longer open for writing: nobody can run it until then."""

TRIES = 8
CLOSED = -1


class CachedFile:
    """An open file. ``descriptor`` is ``CLOSED`` once it is not kept any more.

    ``reading`` and ``writing`` are descriptors for its data, or ``CLOSED``. ``children`` are files
    of a directory that were found in it, by name; each has to be compared before it is used.
    ``pages`` are lists of its entries, and ``watch`` tells when they are no longer right. ``ahead``
    are entries that were read and not yet sent.
    ``nowait``: the file system can say that data are not in memory, and ``resident`` are data that
    are. ``used`` is a time of the monotonic clock.
    """

    __slots__ = (
        "ahead", "children", "descriptor", "id", "kind", "nowait", "pages", "place", "reading",
        "resident", "used", "watch", "writing",
    )  # fmt: skip

    def __init__(self, file: bytes, descriptor: int, found: os.stat_result, used: float) -> None:
        self.id, self.descriptor, self.used = file, descriptor, used
        self.place: Place = (found.st_dev, found.st_ino)
        self.kind = found.st_mode & 0o170000
        self.reading = self.writing = CLOSED
        self.children: dict[bytes, Any] = {}
        self.pages: dict[Any, Any] = {}
        self.watch = 0
        self.ahead: Any = None
        self.nowait = True
        self.resident = ResidentBlocks()

    def close(self) -> None:
        """Close all descriptors."""
        descriptors = self.descriptor, self.reading, self.writing
        self.descriptor = self.reading = self.writing = CLOSED
        self.children.clear()
        self.pages.clear()
        self.ahead = None
        for each in descriptors:
            if each != CLOSED:
                os.close(each)


class CachedFiles:
    """The kept files of one file system, whose ``objects`` open them.

    Every file is in ``_by_id`` and in ``_by_place``, except that only one of two ids of the same
    file is in ``_by_place``; after ``close`` there are none.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        most: int = MAX_KEPT,
        idle: float = IDLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects, self._most, self._idle, self._clock = objects, most, idle, clock
        self._by_id: OrderedDict[bytes, CachedFile] = OrderedDict()
        self._by_place: dict[Place, CachedFile] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, file: bytes) -> CachedFile:
        """The file with that id, opened if it is not kept.

        Raises:
            OSError: as ``Objects.open``.
        """
        kept = self._by_id.get(file)
        if kept is not None:
            kept.used = self._clock()
            return kept
        if self._closed:
            raise stale()
        found = self._objects.open(file)
        kept = CachedFile(file, found.descriptor, found.stat, self._clock())
        if len(self._by_id) >= self._most:
            self._make_room()
        self._by_id[file] = self._by_place[kept.place] = kept
        if self._timer is None:
            self._watch()
        return kept

    def find(self, file: bytes) -> OpenObject | None:
        """The file with that id, if it is kept; its descriptor stays open until the next event.

        Raises:
            OSError: ESTALE: the file is gone.
        """
        kept = self._by_id.get(file)
        if kept is None:
            return None
        found = os.fstat(kept.descriptor)
        if not found.st_nlink:
            self.forget(kept)
            raise stale()
        kept.used = self._clock()
        return OpenObject(kept.descriptor, found)

    def forget(self, kept: CachedFile) -> None:
        """Close a file."""
        if self._by_id.get(kept.id) is kept:
            del self._by_id[kept.id]
        if self._by_place.get(kept.place) is kept:
            del self._by_place[kept.place]
        kept.close()

    def forget_changed(self, place: Place) -> None:
        """Close a file whose permissions have changed in a way that its mode does not show."""
        kept = self._by_place.get(place)
        if kept is not None:
            self.forget(kept)

    def forget_removed(self, place: Place) -> None:
        """Close a file that has lost its last name, so that its space is free."""
        kept = self._by_place.get(place)
        if kept is not None and not os.fstat(kept.descriptor).st_nlink:
            self.forget(kept)

    def stop_writing(self, place: Place) -> None:
        """Close the descriptor for writing, if there is one."""
        kept = self._by_place.get(place)
        if kept is not None and kept.writing != CLOSED:
            os.close(kept.writing)
            kept.writing = CLOSED

    def close(self) -> None:
        """Close all files, and keep none from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for kept in list(self._by_id.values()):
            self.forget(kept)

    def _make_room(self) -> None:
        """Close a file: of the first ones, one that was not used lately, or else the ninth."""
        for _ in range(TRIES):
            kept = next(iter(self._by_id.values()))
            if kept.used + self._idle / 4 < self._clock():
                break
            self._by_id.move_to_end(kept.id)
        self.forget(next(iter(self._by_id.values())))

    def _watch(self) -> None:
        """Look again when a file may be idle."""
        every = min(self._idle, WRITTEN)
        self._timer = asyncio.get_running_loop().call_later(every, self._close_idle)

    def _close_idle(self) -> None:
        self._timer = None
        now = self._clock()
        for kept in list(self._by_id.values()):
            if kept.used <= now - self._idle:
                self.forget(kept)
            elif kept.used <= now - WRITTEN:
                self.stop_writing(kept.place)
        if self._by_id:
            self._watch()
