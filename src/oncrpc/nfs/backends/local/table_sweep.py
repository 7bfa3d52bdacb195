"""Forgetting the files that are gone, so that the table does not grow for ever.

A file that a local process removes is not reported. So for each new row some old ones are looked
at, in the order of their ids. A file that is not at its place is lost, and it may have been moved.
Its row is removed when it is still lost after a day; until then it may be found, or come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from oncrpc.nfs.backends.local.table_places import Places, tried
from oncrpc.nfs.backends.local.table_rows import FileRow

FOR_EACH = 4
"""Old rows to look at for each new one: more than half of the rows are of files that exist, or that
were lost in the last two days."""

STEP = 4
"""Rows to look at between two calls, so that a slow disk does not hold up a client for long."""

LOST_FOR = 86_400
"""Seconds from when a file is lost until its row is removed."""

MAX_LOST_AT_START = 10_000
"""Lost files that are looked at when the server starts."""


class Sweep:
    """Looks at old rows. ``clock`` is the time of the day: rows are lost over restarts."""

    def __init__(self, places: Places, clock: Callable[[], float] = time.time) -> None:
        self._places, self._clock = places, clock
        self._due = self._last = 0
        lost = places.rows.lost(places.root.volume, before=self._before(), most=MAX_LOST_AT_START)
        for id_ in lost:
            row = places.rows.get(id_)
            if row is None:
                tried(lambda gone=id_: places.rows.found(gone))  # type: ignore[misc]
            else:
                self._look_at(row)
        tried(places.rows.commit)

    def lose(self, row: FileRow) -> None:
        """Note that a file was not found."""
        tried(lambda: self._places.rows.lose(row.id, int(self._clock())))

    def step(self, new: int) -> None:
        """Look at a few rows, if so many new ones make it necessary."""
        self._due += FOR_EACH * new
        if self._due <= 0:
            return
        most = min(self._due, STEP)
        rows = self._places.rows.after(self._last, most)
        self._due -= most
        self._last = rows[-1].id if len(rows) == most else -1
        for row in rows:
            if row.volume == self._places.root.volume:
                self._look_at(row)

    def _look_at(self, row: FileRow) -> None:
        try:
            exists = self._places.is_somewhere(row)
        except OSError:
            return  # nobody knows
        since = self._places.rows.lost_since(row.id)
        if exists and since is not None:
            tried(lambda: self._places.rows.found(row.id))
        elif since is not None and since < self._before():
            self._places.rows.remove(row.id)
        elif since is None and not exists:
            self.lose(row)

    def _before(self) -> int:
        return int(self._clock()) - LOST_FOR
