"""One direction of a TCP connection: segments in any order to records (RFC 9293).

Segments that come early wait in a bounded window. Bytes are taken as lost when the window is full,
or when the peer acknowledges them: then they were not captured, and never will be.
"""

from __future__ import annotations

from collections.abc import Callable

from oncrpc.snoop.capture.segments import SYN, TcpSegment
from oncrpc.snoop.streams.records import RecordSplitter, SeenRecord
from oncrpc.snoop.streams.search import Arrival, StepSearch

MAX_EARLY_BYTES = 1 << 17
"""Bytes of segments that wait for those before them."""

MAX_EARLY_SEGMENTS = 256
"""Segments that wait for those before them."""

MAX_JUMP = 1 << 26
"""Bytes between a segment and its expected place; beyond, it is of another connection."""

SEQUENCE = 1 << 32


class FlowReader:
    """The records of a direction; ``lost`` counts the bytes that were not captured.

    ``_next`` is the sequence number of the next byte, None before the first segment. ``_early`` are
    segments beyond it, by their sequence number. A flow in step feeds its splitter, another one its
    search.
    """

    __slots__ = (
        "_early", "_early_bytes", "_in_step", "_initial", "_next", "_search", "_splitter",
        "lost",
    )  # fmt: skip

    def __init__(self, expected: Callable[[int, int, int, int], bool], *, keep: int) -> None:
        self._splitter = RecordSplitter(keep)
        self._search = StepSearch(expected)
        self._next: int | None = None
        self._initial: int | None = None
        self._early: dict[int, TcpSegment] = {}
        self._early_bytes = 0
        self._in_step = False
        self.lost = 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return self._splitter.held + self._search.held + self._early_bytes

    def whole_record(self, segment: TcpSegment) -> SeenRecord | None:
        """The record, if the segment is the next and holds exactly one; else feed it.

        This is the short way for most segments: nothing is kept.
        """
        if not self._in_step or segment.seq != self._next or self._early:
            return None
        if len(segment.data) != segment.length or segment.flags & SYN:
            return None
        found = self._splitter.whole_record(segment.data, segment.time, segment.number)
        if found is not None:
            self._next = (segment.seq + segment.length) % SEQUENCE
        return found

    def feed(self, segment: TcpSegment) -> list[SeenRecord]:
        """Take a segment; the records that end in it, or before it because bytes were lost."""
        if segment.flags & SYN:
            self._open(segment)
        elif segment.length:
            self._take(segment)
        return self._records()

    def acknowledged(self, ack: int, segment: TcpSegment) -> list[SeenRecord]:
        """The peer acknowledges all bytes before ``ack``, in a segment with data."""
        if self._next is None or ack == self._next:
            return []
        ahead = _distance(self._next, ack)
        while 0 < ahead <= MAX_JUMP:
            gap = min((_distance(self._next, seq) for seq in self._early), default=ahead)
            self._lose(min(gap, ahead), segment.time, segment.number)
            self._take_early()
            ahead = _distance(self._next, ack)
        return self._records()

    def trust(self) -> None:
        """A record that was in doubt is confirmed, and so are those behind it."""
        self._splitter.doubtful = 0

    def finish(self) -> list[SeenRecord]:
        """The records that end in segments which still wait for others."""
        while self._early:
            self._skip_gap()
        return self._records()

    def _records(self) -> list[SeenRecord]:
        found = self._splitter.records
        if not found:
            return []  # the list itself is filled later
        self._splitter.records = []
        return found

    def _open(self, segment: TcpSegment) -> None:
        """A new connection; a repeated SYN changes nothing."""
        if segment.seq == self._initial:
            return
        self._restart((segment.seq + 1) % SEQUENCE)
        self._initial = segment.seq
        self._in_step = True

    def _restart(self, place: int) -> None:
        self._early.clear()
        self._early_bytes = 0
        self._splitter = RecordSplitter(self._splitter.keep)
        self._search.forget()
        self._in_step = False
        self._next = place

    def _take(self, segment: TcpSegment) -> None:
        if self._next is None:
            self._next = segment.seq
        distance = _distance(self._next, segment.seq)
        if abs(distance) > MAX_JUMP:
            self._restart(segment.seq)
            distance = 0
        if distance > 0:
            self._keep_early(segment)
            return
        if -distance >= segment.length:
            return  # all of it was seen
        self._deliver(segment, -distance)
        if self._early:
            self._take_early()

    def _deliver(self, segment: TcpSegment, seen: int) -> None:
        """Read a segment without its first bytes, which were seen before."""
        data = segment.data[seen:] if seen else segment.data
        self._next = (segment.seq + segment.length) % SEQUENCE
        missing = segment.length - max(seen, len(segment.data))
        self._read(data, segment.time, segment.number, missing=missing)
        if missing:
            self._lose_here(missing, segment.time, segment.number)

    def _read(self, data: bytes, time: int, number: int, *, missing: int) -> None:
        """Read bytes in order: split them, or search in them as long as the flow is not in step."""
        waiting = [Arrival(time, number, data)]
        while waiting:
            time, number, data, whole = waiting.pop()
            if self._in_step:
                read = self._splitter.feed(data, time, number, whole=whole)
                if read == len(data):
                    continue
                self._in_step = False
                data = data[read:]
            left_out = 0 if waiting else missing
            found = self._search.feed(data, time, number, missing=left_out)
            if found:
                self._in_step = True
                self._splitter.begin_in_doubt()
                waiting += reversed(found)

    def _lose(self, size: int, time: int, number: int) -> None:
        """Bytes were not captured; go on behind them."""
        assert self._next is not None
        self._next = (self._next + size) % SEQUENCE
        self._lose_here(size, time, number)

    def _lose_here(self, size: int, time: int, number: int) -> None:
        self.lost += size
        if self._in_step:
            self._in_step = self._splitter.lose(size, time, number)
        else:
            self._search.forget()

    def _keep_early(self, segment: TcpSegment) -> None:
        known = self._early.get(segment.seq)
        if known is not None:
            if known.length >= segment.length:
                return
            self._early_bytes -= len(known.data)
        self._early[segment.seq] = segment
        self._early_bytes += len(segment.data)
        while self._early_bytes > MAX_EARLY_BYTES or len(self._early) > MAX_EARLY_SEGMENTS:
            self._skip_gap()

    def _skip_gap(self) -> None:
        """Take the bytes up to the first early segment as lost."""
        first = self._first_early()
        assert self._next is not None
        self._lose(_distance(self._next, first.seq), first.time, first.number)
        self._take_early()

    def _first_early(self) -> TcpSegment:
        start = self._next
        assert start is not None
        return min(self._early.values(), key=lambda segment: _distance(start, segment.seq))

    def _take_early(self) -> None:
        """Read the early segments that are not early any more."""
        while self._early:
            first = self._first_early()
            assert self._next is not None
            distance = _distance(self._next, first.seq)
            if distance > 0:
                return
            del self._early[first.seq]
            self._early_bytes -= len(first.data)
            if -distance < first.length:
                self._deliver(first, -distance)


def _distance(start: int, place: int) -> int:
    """How far a sequence number is behind another; negative if it is before it."""
    distance = (place - start) % SEQUENCE
    return distance - SEQUENCE if distance >= SEQUENCE // 2 else distance
