"""The fast path from frames to messages, for ordinary frames.

Most frames of a capture are complete IPv4 packets on Ethernet, in order, with whole records of
calls that are not retransmissions, or of their first replies. The fast path reads them in place in
the buffer, and creates only two objects for a call: the waiting call, and the reply. All other
frames go to ``Tracer``, which defines the meaning of each frame. Both share the flows and the
pending calls, so either one can read the next frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Protocol

from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame, FramePlace
from oncrpc.snoop.capture.segments import ACK, SYN, TCP, UDP, TcpSegment, parties_of
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.flow import SEQUENCE
from oncrpc.snoop.streams.matching import KnownCall, KnownReply
from oncrpc.snoop.streams.recognition import (
    CALL,
    HEAD,
    MAX_AUTH,
    MIN_CALL,
    REPLY,
    RPC_VERSION,
    WORD,
)
from oncrpc.snoop.streams.records import LAST_FRAGMENT, MAX_SEEN_RECORD, SeenRecord
from oncrpc.snoop.streams.tracer import KEEP, Flow, Tracer

ETHERNET = 1  # LinkType.ETHERNET, as an int, which compares faster
IPV4 = b"\x08\x00\x45"
"""The Ethernet type of IPv4, then the version and the header size without options."""

PLAIN = Struct(">12x3sxH2xHxB2x12sIIBB")
"""Ethernet, IPv4 and TCP; UDP has its length and checksum where TCP has its sequence number."""

SHORTEST = 54
"""Bytes of the headers of Ethernet, IPv4 and TCP without options."""

FRAGMENT = 0x3FFF
START = Struct(">IIIIIII")
"""A record mark, and the first six words of a message."""

START_BYTES, LEAST = START.size, HEAD.size
"""Bytes of the mark with these words, and of the shortest message on the fast path."""

HALF = SEQUENCE // 2
SYN_ACK = SYN | ACK
SegmentHead = tuple[int, int, bytes, int, int, int]
"""A segment: number and time of its frame, flow, sequence number, acknowledgement, flags."""

Seen = tuple[int, int, int, bytes, int]
"""A record: number and time of its last frame, time of its first byte, its bytes, its length."""


class MessageSink(Protocol):
    """Takes messages in the order in which their last bytes were captured."""

    def call(self, call: KnownCall) -> None:
        """Take a call that is not a retransmission."""

    def reply(self, reply: KnownReply) -> None:
        """Take the first reply to a call."""

    def message(self, message: RpcMessage) -> None:
        """Take any other message."""


class QuickTracer(Tracer):
    """A tracer that passes its messages to a sink; they are the same as those of ``Tracer``."""

    def __init__(self, sink: MessageSink, *, keep: int = KEEP) -> None:
        super().__init__(keep=max(keep, LEAST))
        self._sink = sink
        self._waits = False

    def trace(
        self,
        batches: Iterable[tuple[bytes, Iterable[FramePlace]]],
        done: Callable[[], object] = lambda: None,
    ) -> None:
        """Read a whole capture; ``done`` is called after each batch, and at the end.

        Raises:
            CaptureDamaged: after all messages before the damage.
        """
        damage: CaptureDamaged | None = None
        try:
            for data, places in batches:
                self.read(data, places)
                done()
        except CaptureDamaged as error:
            damage = error
        self._deliver(self.finish())
        done()
        if damage is not None:
            raise damage

    def read(self, data: bytes, places: Iterable[FramePlace]) -> None:
        """Read the frames at some places of a buffer."""
        unpack = PLAIN.unpack_from
        for number, time, link, begin, end, length in places:
            done = False
            if link == ETHERNET and end - begin >= SHORTEST:
                kind, total, fragment, protocol, flow, seq, ack, offset, flags = unpack(data, begin)
                stop = begin + 14 + total
                if kind != IPV4 or fragment & FRAGMENT or stop > end:
                    pass
                elif protocol == TCP and offset >= 0x50 and flags & SYN_ACK == ACK:
                    at = begin + 34 + (offset >> 4) * 4
                    if at < stop:
                        head = number, time, flow, seq, ack, flags
                        done = self._read_segment(head, data, at, stop)
                    else:
                        done = at == stop  # it only acknowledges
                elif protocol == UDP and seq >> 16 == total - 20:
                    done = self._read_datagram(number, time, flow, data[begin + 42 : stop])
            if not done:
                frame = CapturedFrame(number, time, link, data[begin:end], length)
                self._deliver(self.feed(frame))
                continue
            self.frames += 1
            if self._waits:
                self._deliver(self.matcher.overdue(time))

    def _deliver(self, messages: Iterable[RpcMessage]) -> None:
        """Pass messages of ``Tracer`` to the sink, and note whether other messages wait now."""
        self._waits = self.matcher.waits
        for message in messages:
            self._sink.message(message)

    def _read_segment(self, head: SegmentHead, data: bytes, at: int, stop: int) -> bool:
        """Read a segment with data; if it is not ordinary, return False and change nothing."""
        number, time, key, seq, ack, _ = head
        flow = self._flows.get(key)
        if flow is None or seq != flow.reader.ready:
            return False
        reader, back, size = flow.reader, flow.back, stop - at
        if back is not None and ack != back.reader.next and _is_ahead(ack, back.reader.next):
            return False
        splitter = reader.splitter
        if splitter.begun and not (splitter.checked and (splitter.left > size or splitter.last)):
            return False
        flow.used = True
        reader.ready = reader.next = (seq + size) % SEQUENCE
        if splitter.begun:
            at = self._go_on(flow, number, time, data, at, stop)
        keep = self._keep
        while at + START_BYTES <= stop:
            mark, xid, kind, second, prog, vers, proc = START.unpack_from(data, at)
            size = mark - LAST_FRAGMENT
            if not LEAST <= size <= MAX_SEEN_RECORD:
                break
            if second != RPC_VERSION if kind == CALL else second or kind != REPLY:
                break
            begin, at = at + 4, at + 4 + size
            if at > stop:
                splitter.open(data, begin, stop, size=size, time=time)
                self._charge(flow)
                return True
            body = data[begin:at] if size <= keep else data[begin : begin + keep]
            if kind == CALL:
                call = KnownCall(
                    number, time, time, key, True, xid, prog, vers, proc, body, size, time
                )
                self._take_call(flow, call)
            else:
                self._take_reply(flow, (number, time, time, body, size))
        if at < stop:
            self._read_rest(flow, head, data[at:stop])
        return True

    def _go_on(self, flow: Flow, number: int, time: int, data: bytes, at: int, stop: int) -> int:
        """Read bytes of a record that has begun; returns the offset after them."""
        splitter = flow.reader.splitter
        left, size = splitter.left, stop - at
        if left > size and len(splitter.body) >= self._keep:
            splitter.left = left - size  # most segments of READ and WRITE
            return stop
        end = at + left if left < size else stop
        splitter.go_on(data, at, end)
        if not splitter.left:
            self._take_record(flow, splitter.close(time, number))
        if splitter.held != flow.charged:
            self._charge(flow)
        return end

    def _read_rest(self, flow: Flow, head: SegmentHead, data: bytes) -> None:
        """Read the rest of a segment, which is not an ordinary message, by ``Tracer``."""
        number, time, key, seq, ack, flags = head
        reader = flow.reader
        assert reader.next is not None
        seq = reader.next = (reader.next - len(data)) % SEQUENCE
        found = list[RpcMessage]()
        segment = TcpSegment(number, time, key, seq, ack, flags, data, len(data))
        self._records(flow, reader.feed(segment), found)
        self._deliver(found)

    def _take_record(self, flow: Flow, record: SeenRecord) -> None:
        """Take a record of several segments."""
        number, time, began, body, length, _ = record
        if len(body) < LEAST:  # the rest was not captured
            self._read_slowly(flow, record)
            return
        xid, kind, _, prog, vers, proc = HEAD.unpack_from(body)
        if kind == CALL:
            call = KnownCall(
                number, time, began, flow.calls, True, xid, prog, vers, proc, body, length, time
            )
            self._take_call(flow, call)
        else:
            self._take_reply(flow, (number, time, began, body, length))

    def _take_call(self, flow: Flow, call: KnownCall) -> None:
        """Take a call of a connection."""
        if self.matcher.new_call(flow.calls + call.body[:4], call):
            flow.last_xid = call.xid
            if call.prog != flow.prog or call.vers != flow.vers:
                flow.note_program(call.prog, call.vers)
            self._sink.call(call)
        else:
            record = SeenRecord(call.number, call.time, call.began, call.body, call.length)
            self._read_slowly(flow, record)

    def _take_reply(self, flow: Flow, seen: Seen) -> None:
        """Take a reply of a connection."""
        number, time, began, body, length = seen
        call = self.matcher.first_reply(flow.replies + body[:4], flow.source, time)
        if call is not None:
            self._sink.reply(KnownReply(call, number, time, began, flow.calls, body, length))
        else:
            self._read_slowly(flow, SeenRecord(number, time, began, body, length))

    def _read_slowly(self, flow: Flow, record: SeenRecord) -> None:
        found = list[RpcMessage]()
        self._message(record, flow.calls, flow.calls, flow.replies, flow, found)
        self._deliver(found)

    def _read_datagram(self, number: int, time: int, flow: bytes, data: bytes) -> bool:
        """Read a datagram; if it is not ordinary, return False and change nothing."""
        length = len(data)
        if length < LEAST:
            return False
        body = data[: self._keep]
        xid, kind, second, prog, vers, proc = HEAD.unpack_from(body)
        if second != RPC_VERSION if kind == CALL else second or kind != REPLY:
            return False
        matcher = self.matcher
        if kind == CALL:
            key = flow[:4] + flow[8:10] + data[:4]
            call = KnownCall(
                number, time, time, flow, False, xid, prog, vers, proc, body, length, time
            )
            if length < MIN_CALL or WORD.unpack_from(data, 28)[0] > MAX_AUTH:
                return False
            if not matcher.new_call(key, call):
                return False
            self._sink.call(call)
            return True
        key = flow[4:8] + flow[10:12] + data[:4]
        known = matcher.first_reply(key, parties_of(flow)[0], time)
        if known is None:
            return False
        self._sink.reply(KnownReply(known, number, time, time, flow, body, length))
        return True


def _is_ahead(ack: int, place: int | None) -> bool:
    """True if an acknowledgement may cover bytes that were not captured."""
    return place is None or (ack - place) % SEQUENCE < HALF
