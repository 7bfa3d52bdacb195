"""The fast path from frames to messages, for ordinary frames.

Most frames of a capture are complete IPv4 packets on Ethernet, in order, with whole records of
calls that are not retransmissions, or of their first replies. The fast path reads them in place in
the buffer. All other frames go to ``Tracer``, which defines the meaning of each frame. Both share
the flows and the pending calls, so either one can read the next frame.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from struct import Struct

from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame, FramePlace
from oncrpc.snoop.capture.segments import ACK, SYN, TCP, UDP, TcpSegment
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.flow import SEQUENCE
from oncrpc.snoop.streams.recognition import HEAD
from oncrpc.snoop.streams.records import MAX_SEEN_RECORD, SeenRecord
from oncrpc.snoop.streams.tracer import KEEP, Flow, Tracer

ETHERNET = 1  # LinkType.ETHERNET, as an int, which compares faster
IPV4 = b"\x08\x00\x45"
"""The Ethernet type of IPv4, then the version and the header size without options."""

PLAIN = Struct(">12x3sxH2xI2x12sIIH")
"""Ethernet, IPv4 and TCP; UDP has its length and checksum where TCP has its sequence number."""

SHORTEST = 54
"""Bytes of the headers of Ethernet, IPv4 and TCP without options."""

WHOLE = 0x3FFF00FF
"""The bits of the fragment and the protocol in the third word of IPv4."""

PAYLOADS = {
    words << 12 | flags: 34 + words * 4 for words in range(5, 16) for flags in range(64)
    if flags & (SYN | ACK) == ACK
}  # fmt: skip
"""Where the payload of a frame begins, by the words of the header of TCP and its flags."""

START = Struct(">HH4s8s12s")
"""The halves of a record mark, then a message: xid, two words, and three words.

The two words are kind, and version of RPC or reply status. The three are program, version and
procedure of a call. Of a reply that was accepted they are flavor and length of its verifier, and
the status if the verifier is empty.
"""

DATAGRAM_START = Struct(">4s8s12s")
"""The same without a mark."""

LAST_SMALL = 0x8000
"""The first half of the mark of a record of less than 64 KiB in one fragment."""

ORDINARY_CALL = b"\0\0\0\0\0\0\0\2"
ORDINARY_REPLY = b"\0\0\0\1\0\0\0\0"
"""The two words of a call, and of a reply that was accepted."""

ORDINARY = frozenset({ORDINARY_CALL, ORDINARY_REPLY})
START_BYTES = START.size
LEAST = HEAD.size
"""Bytes of the shortest message on the fast path."""

HALF = SEQUENCE // 2
SegmentHead = tuple[int, int, bytes, int, int]
"""A segment: number and time of its frame, flow, sequence number, acknowledgement."""

Seen = tuple[int, int, int, bytes, int]
"""The values of a ``SeenRecord`` that is not in doubt. A plain tuple is created faster."""


class QuickTracer(Tracer, ABC):
    """Reads ordinary frames in place; a subclass takes the ordinary messages in them.

    ``other`` takes all other messages. ``_waits`` is True if a message waits for another one.
    """

    def __init__(self, other: Callable[[RpcMessage], object], *, keep: int = KEEP) -> None:
        super().__init__(keep=max(keep, LEAST))
        self._other = other
        self._waits = False

    @abstractmethod
    def _read_records(self, flow: Flow, head: SegmentHead, data: bytes, at: int, stop: int) -> int:
        """Read the records in a segment that are whole, begin the last if it is not whole.

        Returns:
            The offset after them; before ``stop`` if a record is not ordinary.
        """

    @abstractmethod
    def _take_record(self, flow: Flow, seen: Seen) -> None:
        """Take a record of several segments."""

    @abstractmethod
    def _read_datagram(self, number: int, time: int, flow: bytes, data: bytes) -> bool:
        """Read a datagram; if it is not ordinary, return False and change nothing."""

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
        unpack, payloads, last = PLAIN.unpack_from, PAYLOADS, len(data) - SHORTEST
        for number, time, link, begin, end, length in places:
            done = False
            if link == ETHERNET and begin <= last:
                kind, total, what, flow, seq, ack, offset = unpack(data, begin)
                stop = begin + 14 + total
                if kind != IPV4 or stop > end:
                    pass
                elif what & WHOLE == TCP and offset in payloads:
                    at = begin + payloads[offset]
                    if at < stop:
                        done = self._read_segment((number, time, flow, seq, ack), data, at, stop)
                    else:
                        done = at == stop  # it only acknowledges
                elif what & WHOLE == UDP and seq >> 16 == total - 20:
                    done = self._read_datagram(number, time, flow, data[begin + 42 : stop])
            if not done:
                frame = CapturedFrame(number, time, link, data[begin:end], length)
                self._deliver(self.feed(frame))
                continue
            self.frames += 1
            if self._waits:
                self._deliver(self.matcher.overdue(time))

    def _deliver(self, messages: Iterable[RpcMessage]) -> None:
        """Pass messages of ``Tracer`` on, and note whether other messages wait now."""
        self._waits = self.matcher.waits
        for message in messages:
            self._other(message)

    def _read_segment(self, head: SegmentHead, data: bytes, at: int, stop: int) -> bool:
        """Read a segment with data; if it is not ordinary, return False and change nothing."""
        number, time, key, seq, ack = head
        flow = self._flows.get(key)
        if flow is None or seq != (reader := flow.reader).ready:
            return False
        back = flow.back
        if back is not None and ack != (expected := back.reader.next) and _is_ahead(ack, expected):
            return False
        splitter = reader.splitter
        flow.used = True
        if splitter.begun:
            if not splitter.checked or not (splitter.left > stop - at or splitter.last):
                return False
            reader.ready = reader.next = (seq + stop - at) % SEQUENCE
            at = self._go_on(flow, number, time, data, at, stop)
            if at == stop:
                return True
        else:
            reader.ready = reader.next = (seq + stop - at) % SEQUENCE
        at = self._read_records(flow, head, data, at, stop)
        if at < stop:
            self._read_rest(flow, head, data[at:stop])
        return True

    def _begin_record(self, flow: Flow, time: int, data: bytes, place: tuple[int, int, int]) -> int:
        """Begin a record of that size, of which the segment has the bytes between two offsets."""
        size, begin, stop = place
        splitter, seen, keep = flow.reader.splitter, stop - begin, self._keep
        splitter.body += data[begin:stop] if seen < keep else data[begin : begin + keep]
        splitter.began, splitter.length, splitter.left = time, size, size - seen
        splitter.begun = splitter.last = splitter.checked = True
        splitter.fragments = 1
        self._charge_bytes(flow, len(splitter.body))
        return stop

    def _go_on(self, flow: Flow, number: int, time: int, data: bytes, at: int, stop: int) -> int:
        """Read bytes of a record that has begun; returns the offset after them."""
        splitter = flow.reader.splitter
        left, size, held = splitter.left, stop - at, len(splitter.body)
        if left > size and held >= self._keep:
            splitter.left = left - size  # most segments of READ and WRITE
            return stop
        end = at + left if left < size else stop
        if held < self._keep:
            splitter.go_on(data, at, end)
        if left > size:
            self._charge_bytes(flow, len(splitter.body) - held)
            return end
        began, length = splitter.began, splitter.length
        body = splitter.close()
        flow.charged -= held
        self._held -= held
        self._take_record(flow, (number, time, began, body, length))
        return end

    def _read_rest(self, flow: Flow, head: SegmentHead, data: bytes) -> None:
        """Read the rest of a segment, which is not an ordinary message, by ``Tracer``."""
        number, time, key, seq, ack = head
        reader = flow.reader
        assert reader.next is not None
        seq = reader.next = (reader.next - len(data)) % SEQUENCE
        found = list[RpcMessage]()
        segment = TcpSegment(number, time, key, seq, ack, ACK, data, len(data))
        self._records(flow, reader.feed(segment), found)
        self._deliver(found)

    def _read_slowly(self, flow: Flow, seen: Seen) -> None:
        """Read a record that is not ordinary by ``Tracer``."""
        found = list[RpcMessage]()
        self._message(SeenRecord(*seen), flow.calls, flow.calls, flow.replies, flow, found)
        self._deliver(found)


def size_of(high: int, low: int) -> int:
    """The size of a record by the halves of its mark.

    Negative if the record has more fragments, or is too long.
    """
    size = (high - LAST_SMALL << 16) + low
    return size if size <= MAX_SEEN_RECORD else -1


def _is_ahead(ack: int, place: int | None) -> bool:
    """True if an acknowledgement may cover bytes that were not captured."""
    return place is None or (ack - place) % SEQUENCE < HALF
