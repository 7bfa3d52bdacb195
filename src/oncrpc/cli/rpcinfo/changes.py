"""The differences between lists of registrations: new, changed and gone ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from oncrpc.programs.rpcb import rpcb

NEW, CHANGED, GONE = "new", "changed", "gone"
GONE_SHOWN = 60.0
"""Seconds for which a registration that is gone is shown."""

MAX_GONE = 256
"""Registrations that are shown though they are gone; the one gone longest is dropped."""

UNITS = ((86400, "d"), (3600, "h"), (60, "m"))

Key = tuple[int, int, bytes]


class HistoryRow(NamedTuple):
    """A registration, its state or "", and the time since which it has that state."""

    entry: rpcb
    state: str
    since: float

    def age(self, now: float) -> float:
        """Seconds in this state."""
        return max(now - self.since, 0.0)


class History:
    """The registrations of the last list, with their states.

    Program, version and transport identify a registration; its address and owner may change.
    """

    def __init__(self) -> None:
        self.rows: list[HistoryRow] = []
        self._known: dict[Key, HistoryRow] | None = None

    def take(self, found: Iterable[rpcb], now: float) -> None:
        """Take the next list; ``rows`` are then its registrations, followed by those gone."""
        known = self._known
        listed = [self._row(entry, now) for entry in found]
        self._known = {_key(row.entry): row for row in listed}
        gone = []
        for key, row in (known or {}).items():
            if key not in self._known and row.state == GONE:
                gone.append(row)
            elif key not in self._known:
                gone.append(HistoryRow(row.entry, GONE, now))
        gone = [row for row in gone if row.age(now) < GONE_SHOWN]
        gone = sorted(gone, key=lambda row: row.since)[-MAX_GONE:]
        self._known.update((_key(row.entry), row) for row in gone)
        self.rows = listed + gone

    def count(self, state: str) -> int:
        """The number of registrations in a state."""
        return sum(row.state == state for row in self.rows)

    def _row(self, entry: rpcb, now: float) -> HistoryRow:
        if self._known is None:
            return HistoryRow(entry, "", now)
        before = self._known.get(_key(entry))
        if before is None or before.state == GONE:
            return HistoryRow(entry, NEW, now)
        if before.entry != entry:
            return HistoryRow(entry, CHANGED, now)
        return before


def _key(entry: rpcb) -> Key:
    return entry.r_prog, entry.r_vers, entry.r_netid


def age_text(seconds: float) -> str:
    """A short age, such as ``12s`` or ``3m``."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
