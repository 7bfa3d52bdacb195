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
NOT_READY = -1


class FlowReader:
    """The records of a direction; ``lost`` counts the bytes that were not captured.

    ``next`` is the sequence number of the next byte, None before the first segment. ``early`` are
    segments beyond it, by their sequence number. A flow in step feeds its splitter, another one its
    search.

    ``ready`` equals ``next`` if the fast path may read the next bytes: the flow is in step, no
    segment is early, no record is in doubt, and no mark is cut. Otherwise it is ``NOT_READY``.
    Every method keeps it correct; a caller that reads bytes itself must advance both.
    """

    __slots__ = (
        "_early_bytes", "_initial", "_search", "early", "in_step", "lost", "next", "ready",
        "splitter",
    )  # fmt: skip

    def __init__(self, expected: Callable[[int, int, int, int], bool], *, keep: int) -> None:
        self.splitter = RecordSplitter(keep)
        self._search = StepSearch(expected)
        self.next: int | None = None
        self.ready = NOT_READY
        self._initial: int | None = None
        self.early: dict[int, TcpSegment] = {}
        self._early_bytes = 0
        self.in_step = False
        self.lost = 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return self.splitter.held + self._search.held + self._early_bytes

    def whole_record(self, segment: TcpSegment) -> SeenRecord | None:
        """The record, if the segment is the next and holds exactly one; else feed it.

        This is the short way for most segments: nothing is kept.
        """
        if not self.in_step or segment.seq != self.next or self.early:
            return None
        if len(segment.data) != segment.length or segment.flags & SYN:
            return None
        found = self.splitter.whole_record(segment.data, segment.time, segment.number)
        if found is not None:
            self.next = (segment.seq + segment.length) % SEQUENCE
            self._settle()
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
        if self.next is None or ack == self.next:
            return []
        ahead = _distance(self.next, ack)
        while 0 < ahead <= MAX_JUMP:
            gap = min((_distance(self.next, seq) for seq in self.early), default=ahead)
            self._lose(min(gap, ahead), segment.time, segment.number)
            self._take_early()
            ahead = _distance(self.next, ack)
        return self._records()

    def trust(self) -> None:
        """A record that was in doubt is confirmed, and so are those behind it."""
        self.splitter.doubtful = 0
        self._settle()

    def _settle(self) -> None:
        splitter = self.splitter
        ready = self.in_step and not (self.early or splitter.doubtful or splitter.mark)
        self.ready = self.next if ready and self.next is not None else NOT_READY

    def finish(self) -> list[SeenRecord]:
        """The records that end in segments which still wait for others."""
        while self.early:
            self._skip_gap()
        return self._records()

    def _records(self) -> list[SeenRecord]:
        self._settle()
        found = self.splitter.records
        if not found:
            return []  # the list itself is filled later
        self.splitter.records = []
        return found

    def _open(self, segment: TcpSegment) -> None:
        """A new connection; a repeated SYN changes nothing."""
        if segment.seq == self._initial:
            return
        self._restart((segment.seq + 1) % SEQUENCE)
        self._initial = segment.seq
        self.in_step = True

    def _restart(self, place: int) -> None:
        self.early.clear()
        self._early_bytes = 0
        self.splitter = RecordSplitter(self.splitter.keep)
        self._search.forget()
        self.in_step = False
        self.next = place

    def _take(self, segment: TcpSegment) -> None:
        if self.next is None:
            self.next = segment.seq
        distance = _distance(self.next, segment.seq)
        if abs(distance) > MAX_JUMP:
            self._restart(segment.seq)
            distance = 0
        if distance > 0:
            self._keep_early(segment)
            return
        if -distance >= segment.length:
            return  # all of it was seen
        self._deliver(segment, -distance)
        if self.early:
            self._take_early()

    def _deliver(self, segment: TcpSegment, seen: int) -> None:
        """Read a segment without its first bytes, which were seen before."""
        data = segment.data[seen:] if seen else segment.data
        self.next = (segment.seq + segment.length) % SEQUENCE
        missing = segment.length - max(seen, len(segment.data))
        self._read(data, segment.time, segment.number, missing=missing)
        if missing:
            self._lose_here(missing, segment.time, segment.number)

    def _read(self, data: bytes, time: int, number: int, *, missing: int) -> None:
        """Read bytes in order: split them, or search in them as long as the flow is not in step."""
        waiting = [Arrival(time, number, data)]
        while waiting:
            time, number, data, whole = waiting.pop()
            if self.in_step:
                read = self.splitter.feed(data, time, number, whole=whole)
                if read == len(data):
                    continue
                self.in_step = False
                data = data[read:]
            left_out = 0 if waiting else missing
            found = self._search.feed(data, time, number, missing=left_out)
            if found:
                self.in_step = True
                self.splitter.begin_in_doubt()
                waiting += reversed(found)

    def _lose(self, size: int, time: int, number: int) -> None:
        """Bytes were not captured; go on behind them."""
        assert self.next is not None
        self.next = (self.next + size) % SEQUENCE
        self._lose_here(size, time, number)

    def _lose_here(self, size: int, time: int, number: int) -> None:
        self.lost += size
        if self.in_step:
            self.in_step = self.splitter.lose(size, time, number)
        else:
            self._search.forget()

    def _keep_early(self, segment: TcpSegment) -> None:
        known = self.early.get(segment.seq)
        if known is not None:
            if known.length >= segment.length:
                return
            self._early_bytes -= len(known.data)
        self.early[segment.seq] = segment
        self._early_bytes += len(segment.data)
        while self._early_bytes > MAX_EARLY_BYTES or len(self.early) > MAX_EARLY_SEGMENTS:
            self._skip_gap()

    def _skip_gap(self) -> None:
        """Take the bytes up to the first early segment as lost."""
        first = self._first_early()
        assert self.next is not None
        self._lose(_distance(self.next, first.seq), first.time, first.number)
        self._take_early()

    def _first_early(self) -> TcpSegment:
        start = self.next
        assert start is not None
        return min(self.early.values(), key=lambda segment: _distance(start, segment.seq))

    def _take_early(self) -> None:
        """Read the early segments that are not early any more."""
        while self.early:
            first = self._first_early()
            assert self.next is not None
            distance = _distance(self.next, first.seq)
            if distance > 0:
                return
            del self.early[first.seq]
            self._early_bytes -= len(first.data)
            if -distance < first.length:
                self._deliver(first, -distance)


def _distance(start: int, place: int) -> int:
    """How far a sequence number is behind another; negative if it is before it."""
    distance = (place - start) % SEQUENCE
    return distance - SEQUENCE if distance >= SEQUENCE // 2 else distance
