"""The fast path for statistics: ordinary messages are counted where they are in the buffer.

A pending call is a tuple, a reply is no object at all, and values that are counted go to lists.
``_read_records`` looks at each message. Its body is long, and does some work of ``CallMatcher``
itself, because a call of a function takes as long as several of its lines.
"""

from __future__ import annotations

from collections.abc import Iterable

from oncrpc.snoop.capture.frames import FramePlace
from oncrpc.snoop.capture.segments import parties_of
from oncrpc.snoop.streams.matching import (
    COST,
    MAX_PENDING,
    MAX_PENDING_BYTES,
    RPCSEC_GSS,
    CountedCall,
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
    Seen,
    SegmentHead,
    size_of,
)
from oncrpc.snoop.streams.recognition import (
    MAX_AUTH,
    MIN_CALL,
    TRIPLE,
    WORD,
)
from oncrpc.snoop.streams.statistics import (
    MAX_OUTCOMES,
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

FLAVOR, FLAVOR_END = 24, 28
"""The place of the flavor of the credential in a call."""


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
        number, time, _, _, _ = head
        keep, matcher, counters = self._keep, self.matcher, self._counters
        pending, answered = matcher.pending, matcher.answered
        while at + START_BYTES <= stop:
            high, size, xid, kind, words = START.unpack_from(data, at)
            if high != LAST_SMALL:
                size = size_of(high, size)
            if size < LEAST or kind not in ORDINARY:
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
                self._judge(call, flow.calls, (number, time, time, body, size))
        return at

    def _read_at(self, flow: Flow, head: SegmentHead, data: bytes, place: tuple[int, int]) -> None:
        """Read a record that is not ordinary, at an offset and of a size."""
        number, time, _, _, _ = head
        begin, size = place
        body = data[begin : begin + min(size, self._keep)]
        self._read_slowly(flow, (number, time, time, body, size))

    def _take_record(self, flow: Flow, seen: Seen) -> None:
        number, time, began, body, length = seen
        if len(body) < LEAST or body[4:12] not in ORDINARY:
            self._read_slowly(flow, seen)
            return
        xid, kind, words = DATAGRAM_START.unpack_from(body)
        if kind == ORDINARY_REPLY:
            call = self.matcher.counted_reply(flow.replies + xid, flow.source, time)
            if call is None:
                self._read_slowly(flow, seen)
            else:
                self._count_reply(call, flow.calls, seen)
            return
        counter = self._counters.get(words) or self._counter(words)
        counted = counter, number, time, began, flow.calls, True, body, length
        if not self.matcher.new_call(flow.calls + xid, counted):
            self._read_slowly(flow, seen)
            return
        counter.calls.append(length)
        if time != began:
            counter.transfer.append(time - began)
        flow.last_xid = xid
        if words not in flow.procedures:
            flow.note(words)

    def _read_datagram(self, number: int, time: int, flow: bytes, data: bytes) -> bool:
        length = len(data)
        if length < LEAST:
            return False
        xid, kind, words = DATAGRAM_START.unpack_from(data)
        body = data if length <= self._keep else data[: self._keep]
        if kind == ORDINARY_REPLY:
            server, _ = parties_of(flow)
            call = self.matcher.counted_reply(flow[4:8] + flow[10:12] + xid, server, time)
            if call is None:
                return False
            self._count_reply(call, flow, (number, time, time, body, length))
            return True
        if kind != ORDINARY_CALL or length < MIN_CALL or WORD.unpack_from(data, 28)[0] > MAX_AUTH:
            return False
        counter = self._counters.get(words) or self._counter(words)
        counted = counter, number, time, time, flow, False, body, length
        if not self.matcher.new_call(flow[:4] + flow[8:10] + xid, counted):
            return False
        counter.calls.append(length)
        return True

    def _count_reply(self, call: CountedCall, flow: bytes, seen: Seen) -> None:
        """Count the first reply to a call."""
        _, _, began, body, length = seen
        counter: ProcedureCounter = call[0]
        counter.replies.append(length)
        counter.service.append(began - call[2])
        if not counter.status_first or body[8:28] != SUCCESS_WITH_STATUS:
            self._judge(call, flow, seen)

    def _judge(self, call: CountedCall, flow: bytes, seen: Seen) -> None:
        """Note the outcome of a reply, which may be an error."""
        counter: ProcedureCounter = call[0]
        body, outcome = seen[3], None
        first = body[8:LEAST_STATUS]
        is_known = (
            counter.status_first
            and first[:-4] == PLAIN_SUCCESS
            and call[6][FLAVOR:FLAVOR_END] != RPCSEC_GSS
        )
        if is_known:
            outcome = counter.outcomes.get(first)
        if outcome is None:
            number, time, began, _, length = seen
            reply = KnownReply(KnownCall(*call[1:]), number, time, began, flow, body, length)
            outcome = self._statistics.outcome(reply.message)
            if is_known and len(counter.outcomes) < MAX_OUTCOMES:
                counter.outcomes[first] = outcome
        if outcome != SUCCESS:
            counter.failed.append(outcome)

    def _counter(self, words: bytes) -> ProcedureCounter:
        """The counter of a procedure; more than ``MAX_COUNTERS`` are not remembered."""
        counter = self._statistics.counter(*TRIPLE.unpack(words))
        if len(self._counters) < MAX_COUNTERS:
            self._counters[words] = counter
        return counter
