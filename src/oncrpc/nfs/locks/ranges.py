"""The locks of one file in the order of their first byte, found by the bytes that they cover.

The list is cut into chunks, and the largest end of each chunk is kept. A search skips the chunks
that end before the range, so it costs about the square root of the number of locks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

LONGEST = 1024
"""Locks of a chunk; a longer one is cut in two."""


class Ranged(Protocol):
    """Something that covers bytes. No other has the same start and owner."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def owner(self) -> Any: ...


R = TypeVar("R", bound=Ranged)


class RangeIndex(Generic[R]):
    """The locks of a file, by range.

    The order is that of start and owner. ``_chunks`` are not empty. ``_firsts`` has the place of
    the first lock of each chunk, ``_ends`` the largest end of its locks.
    """

    __slots__ = ("_chunks", "_ends", "_firsts")

    def __init__(self, ranges: Iterable[R] = ()) -> None:
        self._chunks: list[list[R]] = []
        self._firsts: list[tuple[int, Any]] = []
        self._ends: list[int] = []
        ordered = sorted(ranges, key=_place)
        for at in range(0, len(ordered), LONGEST // 2):
            self._insert_chunk(len(self._chunks), ordered[at : at + LONGEST // 2])

    def __iter__(self) -> Iterator[R]:
        for chunk in self._chunks:
            yield from chunk

    def add(self, added: R) -> None:
        """Add a range."""
        if not self._chunks:
            self._insert_chunk(0, [added])
            return
        at = max(bisect_right(self._firsts, _place(added)) - 1, 0)
        chunk = self._chunks[at]
        insort(chunk, added, key=_place)
        if len(chunk) > LONGEST:
            del self._chunks[at], self._firsts[at], self._ends[at]
            self._insert_chunk(at, chunk[LONGEST // 2 :])
            self._insert_chunk(at, chunk[: LONGEST // 2])
            return
        self._firsts[at] = _place(chunk[0])
        self._ends[at] = max(self._ends[at], added.end)

    def remove(self, removed: R) -> None:
        """Remove a range that was added."""
        at = bisect_right(self._firsts, _place(removed)) - 1
        chunk = self._chunks[at]
        del chunk[bisect_left(chunk, _place(removed), key=_place)]
        if not chunk:
            del self._chunks[at], self._firsts[at], self._ends[at]
            return
        self._firsts[at] = _place(chunk[0])
        if removed.end == self._ends[at]:
            self._ends[at] = max(each.end for each in chunk)

    def overlapping(self, start: int, end: int) -> Iterator[R]:
        """Yield those that cover a byte from ``start`` up to ``end``, in the order of their start.

        The index must not change meanwhile.
        """
        for at, last in enumerate(self._ends):
            if self._firsts[at][0] >= end:
                return
            if last > start:
                yield from overlapping(self._chunks[at], start, end)

    def _insert_chunk(self, at: int, chunk: list[R]) -> None:
        self._chunks.insert(at, chunk)
        self._firsts.insert(at, _place(chunk[0]))
        self._ends.insert(at, max(each.end for each in chunk))


def overlapping(ranges: Sequence[R], start: int, end: int) -> Iterator[R]:
    """Yield those of a list that cover a byte from ``start`` up to ``end``."""
    for each in ranges:
        if each.start < end and start < each.end:
            yield each


_place = attrgetter("start", "owner")
