"""The fast path for statistics: ordinary messages are counted where they are in the buffer.

A pending call is a tuple, a reply is no object at all, and values that are counted go to lists.
``_read_records`` looks at each message. Its body is long, and does some work of ``CallMatcher``
itself, because a call of a function takes as long as several of its lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from oncrpc.snoop.capture.frames import FramePlace
from oncrpc.snoop.capture.segments import parties_of
from oncrpc.snoop.messages import Party
from oncrpc.snoop.streams.matching import (
    COST,
    MAX_PENDING,
    MAX_PENDING_BYTES,
    CountedCall,
    Key,
    KnownCall,
    KnownReply,
)
from oncrpc.snoop.streams.outcome import SUCCESS
from oncrpc.snoop.streams.quick import (
    DATAGRAM_START,
    LAST_SMALL,
    LEAST,
    ORDINARY,
    ORDINARY_CALL,
    ORDINARY_REPLY,
    START,
    START_BYTES,
    QuickTracer,
    SegmentHead,
    size_of,
)
from oncrpc.snoop.streams.recognition import (
    MAX_AUTH,
    MIN_CALL,
    TRIPLE,
    WORD,
)
from oncrpc.snoop.streams.records import MAX_SEEN_RECORD, SeenRecord
from oncrpc.snoop.streams.statistics import (
    PLAIN_SUCCESS,
    CallStatistics,
    ProcedureCounter,
)
from oncrpc.snoop.streams.tracer import KEEP, Flow

FLUSH = 1 << 21
"""Bytes of frames that are read before collected values are counted."""

MAX_COUNTERS = 1024
"""Procedures whose counter is found by the words of a call."""

ZERO = bytes(4)
VERIFIED = PLAIN_SUCCESS[4:]
"""The flavor and length of an empty verifier, and the status of success."""

SUCCESS_WITH_STATUS, LEAST_STATUS = PLAIN_SUCCESS + ZERO, 28
"""The same behind the reply status, and with a first word of results; the end of that word."""


class Seen(NamedTuple):
    """A message: the fields of ``KnownReply`` behind the call."""

    number: int
    time: int
    began: int
    flow: bytes
    body: bytes
    length: int


class CountingTracer(QuickTracer):
    """Counts the messages of a capture in ``statistics``, as ``Tracer`` finds them."""

    def __init__(self, statistics: CallStatistics, *, keep: int = KEEP) -> None:
        super().__init__(statistics.add, keep=keep)
        self._statistics = statistics
        self._counters: dict[bytes, ProcedureCounter] = {}
        self._unflushed = 0

    def read(self, data: bytes, places: Iterable[FramePlace]) -> None:
        """Read the frames at some places of a buffer."""
        super().read(data, places)
        self._unflushed += len(data)
        if self._unflushed >= FLUSH:
            self._unflushed = 0
            self._statistics.flush()

    def _read_records(self, flow: Flow, head: SegmentHead, data: bytes, at: int, stop: int) -> int:
        number, time, *_ = head
        keep, matcher, counters = self._keep, self.matcher, self._counters
        pending, answered = matcher.pending, matcher.answered
        while at + START_BYTES <= stop:
            high, size, xid, kind, words = START.unpack_from(data, at)
            if high != LAST_SMALL:
                size = size_of(high, size)
            if not LEAST <= size <= MAX_SEEN_RECORD or kind not in ORDINARY:
                return at
            begin = at + 4
            at = begin + size
            if at > stop:
                return self._begin_record(flow, time, data, (size, begin, stop))
            if kind == ORDINARY_CALL:
                key = flow.calls + xid
                if key in pending or key in answered.young or key in answered.old or self._waits:
                    self._read_at(flow, head, data, (begin, size))
                    continue
                counter = counters.get(words) or self._counter(words)
                body = data[begin:at] if size <= keep else data[begin : begin + keep]
                pending[key] = counter, number, time, time, flow.calls, True, body, size
                pending.cost += COST + len(body)
                if len(pending) > MAX_PENDING or pending.cost > MAX_PENDING_BYTES:
                    pending.shrink()
                counter.calls.append(size)
                flow.last_xid = xid
                if words not in flow.procedures:
                    flow.note(words)
                continue
            key = flow.replies + xid
            call = pending.get(key)
            if not isinstance(call, tuple):
                self._read_at(flow, head, data, (begin, size))
                continue
            del pending[key]
            cost = COST + len(call[6])
            pending.cost -= cost
            answered.put(key, (call, flow.source, time), cost)
            counter = call[0]
            counter.replies.append(size)
            counter.service.append(time - call[2])
            first = data[begin + 24 : begin + 28] if size >= LEAST_STATUS else b""
            if first != ZERO or words != VERIFIED or not counter.status_first:
                body = data[begin : min(at, begin + keep)]
                self._judge(call, Seen(number, time, time, flow.calls, body, size))
        return at

    def _read_at(self, flow: Flow, head: SegmentHead, data: bytes, place: tuple[int, int]) -> None:
        """Read a record that is not ordinary, at an offset and of a size."""
        number, time, *_ = head
        begin, size = place
        body = data[begin : begin + min(size, self._keep)]
        self._read_slowly(flow, SeenRecord(number, time, time, body, size))

    def _take_record(self, flow: Flow, record: SeenRecord) -> None:
        number, time, began, body, length, _ = record
        if len(body) >= LEAST:  # else the rest was not captured
            xid, kind, words = DATAGRAM_START.unpack_from(body)
            seen = Seen(number, time, began, flow.calls, body, length)
            if kind == ORDINARY_REPLY:
                if self._count_reply(flow.replies + xid, seen, flow.source):
                    return
            elif self._count_call(flow.calls + xid, seen, words, by_tcp=True):
                flow.last_xid = xid
                if words not in flow.procedures:
                    flow.note(words)
                return
        self._read_slowly(flow, record)

    def _read_datagram(self, number: int, time: int, flow: bytes, data: bytes) -> bool:
        length = len(data)
        if length < LEAST:
            return False
        xid, kind, words = DATAGRAM_START.unpack_from(data)
        if kind not in ORDINARY:
            return False
        seen = Seen(number, time, time, flow, data[: self._keep], length)
        if kind == ORDINARY_REPLY:
            return self._count_reply(flow[4:8] + flow[10:12] + xid, seen, parties_of(flow)[0])
        if length < MIN_CALL or WORD.unpack_from(data, 28)[0] > MAX_AUTH:
            return False
        return self._count_call(flow[:4] + flow[8:10] + xid, seen, words, by_tcp=False)

    def _count_call(self, key: Key, seen: Seen, words: bytes, *, by_tcp: bool) -> bool:
        """Count a call, unless one with its key is known."""
        number, time, began, flow, body, length = seen
        counter = self._counters.get(words) or self._counter(words)
        call = counter, number, time, began, flow, by_tcp, body, length
        if not self.matcher.new_call(key, call):
            return False
        counter.calls.append(length)
        if time != began:
            counter.transfer.append(time - began)
        return True

    def _count_reply(self, key: Key, seen: Seen, server: Party) -> bool:
        """Count a reply, if it is the first to a call that was counted."""
        call = self.matcher.counted_reply(key, server, seen.time)
        if call is None:
            return False
        counter: ProcedureCounter = call[0]
        counter.replies.append(seen.length)
        counter.service.append(seen.began - call[2])
        if not counter.status_first or seen.body[8:28] != SUCCESS_WITH_STATUS:
            self._judge(call, seen)
        return True

    def _judge(self, call: CountedCall, reply: Seen) -> None:
        """Note the outcome of a reply, which may be an error."""
        message = KnownReply(KnownCall(*call[1:]), *reply).message
        outcome = self._statistics.outcome(message)
        if outcome != SUCCESS:
            call[0].failed.append(outcome)

    def _counter(self, words: bytes) -> ProcedureCounter:
        """The counter of a procedure; more than ``MAX_COUNTERS`` are not remembered."""
        counter = self._statistics.counter(*TRIPLE.unpack(words))
        if len(self._counters) < MAX_COUNTERS:
            self._counters[words] = counter
        return counter
