"""The fast path for a reader that looks at each message, such as one that prints lines.

It creates two objects for a call that is not a retransmission: the waiting call, and its reply.
"""

from __future__ import annotations

from typing import Protocol

from oncrpc.snoop.capture.segments import parties_of
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.matching import KnownCall, KnownReply
from oncrpc.snoop.streams.quick import (
    DATAGRAM_START,
    LEAST,
    ORDINARY,
    ORDINARY_CALL,
    START,
    START_BYTES,
    QuickTracer,
    Seen,
    SegmentHead,
    size_of,
)
from oncrpc.snoop.streams.recognition import MAX_AUTH, MIN_CALL, WORD
from oncrpc.snoop.streams.tracer import KEEP, Flow


class MessageSink(Protocol):
    """Takes messages in the order in which their last bytes were captured."""

    def call(self, call: KnownCall) -> None:
        """Take a call that is not a retransmission."""

    def reply(self, reply: KnownReply) -> None:
        """Take the first reply to a call."""

    def message(self, message: RpcMessage) -> None:
        """Take any other message."""


class SinkTracer(QuickTracer):
    """A tracer that passes its messages to a sink; they are the same as those of ``Tracer``."""

    def __init__(self, sink: MessageSink, *, keep: int = KEEP) -> None:
        super().__init__(sink.message, keep=keep)
        self._sink = sink

    def _read_records(self, flow: Flow, head: SegmentHead, data: bytes, at: int, stop: int) -> int:
        number, time, _, _, _ = head
        keep = self._keep
        while at + START_BYTES <= stop:
            high, low, _, kind, _ = START.unpack_from(data, at)
            size = size_of(high, low)
            if size < LEAST or kind not in ORDINARY:
                return at
            begin, end = at + 4, at + 4 + size
            if end > stop:
                return self._begin_record(flow, time, data, (size, begin, stop))
            body = data[begin:end] if size <= keep else data[begin : begin + keep]
            self._take_record(flow, (number, time, time, body, size))
            at = end
        return at

    def _take_record(self, flow: Flow, seen: Seen) -> None:
        number, time, began, body, length = seen
        if len(body) < LEAST or body[4:12] not in ORDINARY:
            self._read_slowly(flow, seen)
            return
        _, kind, words = DATAGRAM_START.unpack_from(body)
        if kind == ORDINARY_CALL:
            call = KnownCall(number, time, began, flow.calls, True, body, length)
            if not self.matcher.new_call(flow.calls + body[:4], call):
                self._read_slowly(flow, seen)
                return
            flow.last_xid = body[:4]
            if words not in flow.procedures:
                flow.note(words)
            self._sink.call(call)
            return
        known = self.matcher.first_reply(flow.replies + body[:4], flow.source, time)
        if known is None:
            self._read_slowly(flow, seen)
        else:
            self._sink.reply(KnownReply(known, number, time, began, flow.calls, body, length))

    def _read_datagram(self, number: int, time: int, flow: bytes, data: bytes) -> bool:
        length = len(data)
        if length < LEAST:
            return False
        body = data[: self._keep]
        _, kind, _ = DATAGRAM_START.unpack_from(body)
        if kind not in ORDINARY:
            return False
        matcher = self.matcher
        if kind == ORDINARY_CALL:
            if length < MIN_CALL or WORD.unpack_from(data, 28)[0] > MAX_AUTH:
                return False
            call = KnownCall(number, time, time, flow, False, body, length)
            if not matcher.new_call(flow[:4] + flow[8:10] + data[:4], call):
                return False
            self._sink.call(call)
            return True
        known = matcher.first_reply(flow[4:8] + flow[10:12] + data[:4], parties_of(flow)[0], time)
        if known is None:
            return False
        self._sink.reply(KnownReply(known, number, time, time, flow, body, length))
        return True
