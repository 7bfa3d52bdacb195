"""Segments and datagrams to RPC messages: the whole way, for one capture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from struct import Struct

from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from oncrpc.snoop.capture.segments import (
    ACK,
    SYN,
    Datagram,
    Dissector,
    TcpSegment,
    parties_of,
    reverse_of,
)
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.flow import FlowReader
from oncrpc.snoop.streams.matching import CallMatcher, Key, key_of
from oncrpc.snoop.streams.recognition import (
    CALL,
    HEAD,
    HEAD_BYTES,
    MAX_AUTH,
    MIN_CALL,
    MSG_DENIED,
    REPLY,
    RPC_VERSION,
    TRIPLE,
    WORD,
    is_certain_message,
)  # fmt: skip
from oncrpc.snoop.streams.records import Doubt, SeenRecord

MAX_FLOWS = 10_000
"""Directions of TCP connections that are followed; then one that was silent is forgotten."""

MAX_STREAM_BYTES = 8 << 20
"""Bytes of incomplete records of all connections; then a connection is forgotten."""

MAX_KNOWN_PROGRAMS = 64
"""Programs that are remembered of a direction, to recognise its calls after a loss."""

MAX_NOTED_PROCEDURES = 256
"""Procedures of a direction whose program needs not be noted again."""

KEEP = 1 << 16
"""Bytes of a message that are kept, unless the caller wants another number."""

NO_CALL = (None,) * 6
NEAR = 1 << 16
"""The difference of xids of calls that follow one another, at most."""

MIN_DATAGRAM, XID_BYTES = 20, 4
PROGRAM = Struct(">II")


class Flow:
    """A direction of a TCP connection; ``calls`` and ``replies`` are the keys of its messages.

    ``back`` is the other direction, None if it is not known. ``last_xid`` is that of the last call,
    as it was sent. ``procedures`` are the words for program, version and procedure of calls that
    were noted.
    """

    __slots__ = (
        "back", "calls", "charged", "last_xid", "procedures", "programs", "reader", "replies",
        "source", "used",
    )  # fmt: skip

    def __init__(self, flow: bytes, matcher: CallMatcher, keep: int) -> None:
        self.calls, self.replies = flow, reverse_of(flow)
        self.source, _ = parties_of(flow)
        self.back: Flow | None = None
        programs = self.programs = set[tuple[int, int]]()
        replies = self.replies

        def expected(kind: int, xid: int, prog: int, vers: int) -> bool:
            if kind == CALL:
                return (prog, vers) in programs
            return matcher.is_pending(key_of(replies, xid))

        self.reader = FlowReader(expected, keep=keep)
        self.charged = 0
        self.last_xid = b""
        self.procedures = set[bytes]()
        self.used = True

    def note(self, procedure: bytes) -> None:
        """Remember the program of a call, to recognise those that follow."""
        if len(self.procedures) >= MAX_NOTED_PROCEDURES:
            self.procedures.clear()
        self.procedures.add(procedure)
        if len(self.programs) < MAX_KNOWN_PROGRAMS:
            self.programs.add(PROGRAM.unpack_from(procedure))

    def is_near(self, xid: int) -> bool:
        """True if a call with that xid may follow those before: most clients count them up."""
        if not self.last_xid:
            return True
        return (xid - int.from_bytes(self.last_xid, "big") + NEAR) % (1 << 32) < 2 * NEAR


class Tracer:
    """The RPC messages in the frames of a capture.

    ``keep`` is how many bytes of each message are kept. ``unreadable`` counts records and datagrams
    whose header was lost or is that of no message.
    """

    def __init__(self, *, keep: int = KEEP) -> None:
        self.matcher = CallMatcher()
        self.dissector = Dissector()
        self.frames = self.unreadable = self.forgotten_flows = 0
        self._keep = keep
        self._flows: OrderedDict[bytes, Flow] = OrderedDict()
        self._held = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """Bytes of connections that were not captured."""
        return self._lost + sum(flow.reader.lost for flow in self._flows.values())

    @property
    def held(self) -> int:
        """Bytes of incomplete records that are kept."""
        return self._held

    def messages(self, frames: Iterable[CapturedFrame]) -> Iterator[RpcMessage]:
        """The messages of a whole capture.

        Raises:
            CaptureDamaged: after all messages before the damage.
        """
        damage: CaptureDamaged | None = None
        try:
            for frame in frames:
                yield from self.feed(frame)
        except CaptureDamaged as error:
            damage = error
        yield from self.finish()
        if damage is not None:
            raise damage

    def feed(self, frame: CapturedFrame) -> list[RpcMessage]:
        """The messages that a frame completes."""
        self.frames += 1
        found = list[RpcMessage]()
        seen = self.dissector.dissect(frame)
        if type(seen) is TcpSegment:
            self._segment(seen, found)
        elif type(seen) is Datagram:
            self._datagram(seen, found)
        else:  # perhaps a fragment, with which an older packet was given up
            for datagram in self.dissector.expired():
                self._datagram(datagram, found)
        if self.matcher.waits:
            found += self.matcher.overdue(frame.time)
        return found

    def finish(self) -> list[RpcMessage]:
        """The messages that are left at the end of the capture."""
        found = list[RpcMessage]()
        for datagram in self.dissector.flush():
            self._datagram(datagram, found)
        for flow in self._flows.values():
            self._records(flow, flow.reader.finish(), found)
        return found + self.matcher.overdue(None)

    def _segment(self, segment: TcpSegment, found: list[RpcMessage]) -> None:
        if not segment.length and not segment.flags & SYN:
            return
        flow = self._flows.get(segment.flow) or self._add_flow(segment.flow)
        flow.used = True
        # A reply acknowledges its call: first what is known of the call, then the reply.
        if segment.length and segment.flags & ACK:
            back = flow.back
            if back is not None and (records := back.reader.acknowledged(segment.ack, segment)):
                self._records(back, records, found)
        record = flow.reader.whole_record(segment)
        if record is not None:
            self._message(record, flow.calls, flow.calls, flow.replies, flow, found)
        else:
            self._records(flow, flow.reader.feed(segment), found)

    def _records(self, flow: Flow, records: list[SeenRecord], found: list[RpcMessage]) -> None:
        for record in records:
            self._message(record, flow.calls, flow.calls, flow.replies, flow, found)
        self._charge(flow)

    def _charge(self, flow: Flow) -> None:
        """Count the bytes that a flow holds; above the limit, forget flows."""
        more = flow.reader.held - flow.charged
        if more:
            self._charge_bytes(flow, more)

    def _charge_bytes(self, flow: Flow, more: int) -> None:
        """Count bytes that a flow holds now, or if negative does not hold any more."""
        flow.charged += more
        self._held += more
        while self._held > MAX_STREAM_BYTES:
            self._forget_flow()

    def _add_flow(self, key: bytes) -> Flow:
        while len(self._flows) >= MAX_FLOWS:
            self._forget_flow()
        flow = self._flows[key] = Flow(key, self.matcher, self._keep)
        back = flow.back = self._flows.get(flow.replies)
        if back is not None:
            back.back = flow
        return flow

    def _forget_flow(self) -> None:
        """Forget the first flow that was not used since it was passed over the last time."""
        while True:
            key, flow = self._flows.popitem(last=False)
            if not flow.used:
                break
            flow.used = False
            self._flows[key] = flow
        if flow.back is not None:
            flow.back.back = None
        self._held -= flow.charged
        self._lost += flow.reader.lost
        self.forgotten_flows += 1

    def _datagram(self, datagram: Datagram, found: list[RpcMessage]) -> None:
        if len(datagram.data) < MIN_DATAGRAM:
            return
        flow, half = datagram.flow, (len(datagram.flow) - 4) // 2
        client = flow[:half] + flow[-4:-2]
        target = flow[half : 2 * half] + flow[-2:]
        if self._is_datagram(datagram, target):
            record = SeenRecord(
                datagram.number, datagram.time, datagram.began,
                datagram.data[: self._keep], datagram.length,
            )  # fmt: skip
            self._message(record, flow, client, target, None, found)

    def _is_datagram(self, datagram: Datagram, target: bytes) -> bool:
        """True if the datagram is a message: ports alone do not tell."""
        data, length = datagram.data, datagram.length
        xid, kind, second = TRIPLE.unpack_from(data)
        if kind == CALL and second == RPC_VERSION and length >= MIN_CALL:
            return len(data) < 32 or bool(WORD.unpack_from(data, 28)[0] <= MAX_AUTH)
        if kind == REPLY and self.matcher.is_known(key_of(target, xid)):
            return bool(second <= MSG_DENIED)
        return kind == REPLY and is_certain_message(data, 0, length) is not False

    def _message(
        self,
        record: SeenRecord,
        flow: bytes,
        calls: bytes,
        replies: bytes,
        known: Flow | None,
        found: list[RpcMessage],
    ) -> None:
        """The message in a record, and what is known by it."""
        number, time, began, body, length, doubt = record
        size = len(body)
        xid, kind, _ = TRIPLE.unpack_from(body) if size >= HEAD_BYTES else (0, CALL, 0)
        if kind == CALL and size < HEAD.size:
            self.unreadable += 1
            return
        _, _, _, prog, vers, proc = HEAD.unpack_from(body) if kind == CALL else NO_CALL
        source, target = parties_of(flow)
        message = RpcMessage(
            number=number, time=time, began=began, source=source, target=target,
            transport="udp" if known is None else "tcp", xid=xid, is_call=kind == CALL,
            prog=prog, vers=vers, proc=proc, body=body, length=length, cut=size < length,
        )  # fmt: skip
        if kind == REPLY:
            self._reply(key_of(replies, xid), message, doubt, found)
        elif known is None:
            found += self.matcher.call(key_of(calls, xid), message)
        else:
            self._call(message, known, doubt, found)

    def _call(
        self, call: RpcMessage, flow: Flow, doubt: Doubt | None, found: list[RpcMessage]
    ) -> None:
        """A call of a connection."""
        key = key_of(flow.calls, call.xid)
        if doubt is not None:
            likely = doubt is Doubt.BEGINS and flow.is_near(call.xid)
            found += self.matcher.doubtful_call(key, call, likely=likely)
            return
        flow.last_xid, procedure = call.body[:XID_BYTES], call.body[XID_BYTES * 3 : HEAD.size]
        if procedure not in flow.procedures:
            flow.note(procedure)
        found += self.matcher.call(key, call)

    def _reply(
        self, key: Key, reply: RpcMessage, doubt: Doubt | None, found: list[RpcMessage]
    ) -> None:
        """A reply; it and its call confirm each other if they were in doubt."""
        if doubt is not None or self.matcher.is_doubtful(key):
            if not self.matcher.is_known(key):
                self.matcher.dropped += 1
                return
            calls = key[:-XID_BYTES]
            for flow in (self._flows.get(calls), self._flows.get(reverse_of(calls))):
                if flow is not None:
                    flow.reader.trust()
        found += self.matcher.reply(key, reply)
