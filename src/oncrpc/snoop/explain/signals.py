"""Signals: events in frames that are not RPC, such as SYN, ICMP errors, ARP and lost segments.

A frame has at most one signal; most frames have none.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from ipaddress import ip_address
from struct import Struct
from typing import NamedTuple

from oncrpc.snoop.capture.frames import CapturedFrame, LinkType
from oncrpc.snoop.capture.headers import IpHeader, ip_header, network_place
from oncrpc.snoop.capture.segments import ACK, FIN, RST, SYN, TCP, TCP_HEADER, UDP, parties_of
from oncrpc.snoop.messages import Party, TransportName

MAX_WATCHED_FLOWS = 10_000
"""Directions of TCP connections in which lost segments are detected."""

PROBE = 1
"""Bytes of a keepalive segment: it repeats an acknowledged byte, which is not a loss."""

ICMP, ICMP_6 = 1, 58
ICMP_HEADER = Struct(">BBxxHH")
ETHERTYPE_ARP = b"\x08\x06"
ARP_PLACES = {
    LinkType.ETHERNET: (12, 14),
    LinkType.LINUX_SLL: (14, 16),
    LinkType.LINUX_SLL2: (0, 20),
}
"""Offsets of the Ethernet type and of ARP in a frame."""

ARP = Struct(">6xH6x4s6x4s")
ARP_REQUEST, ARP_REPLY = 1, 2
SEQUENCE = 1 << 32


class SignalKind(Enum):
    """The kinds of signals.

    The source and target of an ICMP error are those of the packet that it reports.
    """

    OPENING = auto()
    """SYN of a client."""
    OPENED = auto()
    """SYN and ACK of a server."""
    CLOSING = auto()
    RESET = auto()
    PORT_UNREACHABLE = auto()
    HOST_UNREACHABLE = auto()
    PROHIBITED = auto()
    TOO_BIG = auto()
    """A packet is larger than the MTU of a link; ``size`` is the MTU."""
    RESENT = auto()
    """A segment of ``size`` bytes that was sent before."""
    GAP = auto()
    """A segment whose predecessor was not captured."""
    FRAGMENT = auto()
    ARP_ASKED = auto()
    ARP_ANSWERED = auto()


IPV4_ERRORS = {
    0: SignalKind.HOST_UNREACHABLE, 1: SignalKind.HOST_UNREACHABLE,
    2: SignalKind.PORT_UNREACHABLE, 3: SignalKind.PORT_UNREACHABLE, 4: SignalKind.TOO_BIG,
    5: SignalKind.HOST_UNREACHABLE, 6: SignalKind.HOST_UNREACHABLE,
    7: SignalKind.HOST_UNREACHABLE, 9: SignalKind.PROHIBITED, 10: SignalKind.PROHIBITED,
    11: SignalKind.HOST_UNREACHABLE, 12: SignalKind.HOST_UNREACHABLE, 13: SignalKind.PROHIBITED,
    14: SignalKind.HOST_UNREACHABLE,
}  # fmt: skip
"""The codes of ICMP type 3 (RFC 792, RFC 1812 §5.2.7.1)."""

IPV6_ERRORS = {
    0: SignalKind.HOST_UNREACHABLE, 1: SignalKind.PROHIBITED, 2: SignalKind.HOST_UNREACHABLE,
    3: SignalKind.HOST_UNREACHABLE, 4: SignalKind.PORT_UNREACHABLE, 5: SignalKind.PROHIBITED,
    6: SignalKind.PROHIBITED,
}  # fmt: skip
"""The codes of ICMPv6 type 1 (RFC 4443 §3.1)."""

UNREACHABLE_4, UNREACHABLE_6, TOO_BIG_6 = 3, 1, 2
NEIGHBORS = {135: SignalKind.ARP_ASKED, 136: SignalKind.ARP_ANSWERED}
"""Types of neighbor discovery, the ARP of IPv6 (RFC 4861 §4.3 and §4.4)."""

AT_NEIGHBOR = 8
"""Offset of the target address in a message of neighbor discovery."""


class Signal(NamedTuple):
    """A signal in a frame. Parties of ARP and of fragments have port 0."""

    kind: SignalKind
    number: int
    time: int
    source: Party
    target: Party
    transport: TransportName = "tcp"
    size: int = 0


class FrameWatcher:
    """Finds the signals of frames."""

    def __init__(self) -> None:
        self._expected: OrderedDict[bytes, int] = OrderedDict()

    def signal_of(self, frame: CapturedFrame) -> Signal | None:
        """The signal in a frame, None for most frames."""
        place = network_place(frame.link, frame.data)
        if place is None:
            return _arp(frame)
        length = max(frame.length, len(frame.data))
        header = ip_header(frame.data, place, length)
        if header is None:
            return None
        if header.piece is not None:
            source, target = parties_of(header.addresses + bytes(4))
            return Signal(SignalKind.FRAGMENT, frame.number, frame.time, source, target, "udp")
        if header.protocol == TCP:
            return self._of_segment(frame, header)
        if header.protocol in (ICMP, ICMP_6):
            return _of_error(frame, header)
        return None

    def _of_segment(self, frame: CapturedFrame, header: IpHeader) -> Signal | None:
        data = frame.data[header.begin : header.begin + 20]
        if len(data) < 20:
            return None
        seq, _, offset, flags = TCP_HEADER.unpack_from(data)
        flow = header.addresses + data[:4]
        if flags & (SYN | FIN | RST):
            return _signal(_kind_of_flags(flags), frame, flow)
        size = header.end - header.begin - (offset >> 4) * 4
        kind = self._loss(flow, seq, size) if size > 0 else None
        return _signal(kind, frame, flow, size=size) if kind else None

    def _loss(self, flow: bytes, seq: int, size: int) -> SignalKind | None:
        """Whether a segment is sent again, or follows one that is missing."""
        expected = self._expected.get(flow)
        ahead = 0 if expected is None else (seq - expected) % SEQUENCE
        if ahead >= SEQUENCE // 2:
            return SignalKind.RESENT if size > PROBE else None
        if expected is None and len(self._expected) >= MAX_WATCHED_FLOWS:
            self._expected.popitem(last=False)
        self._expected[flow] = (seq + size) % SEQUENCE
        return SignalKind.GAP if ahead else None


def _kind_of_flags(flags: int) -> SignalKind:
    if flags & RST:
        return SignalKind.RESET
    if flags & SYN:
        return SignalKind.OPENED if flags & ACK else SignalKind.OPENING
    return SignalKind.CLOSING


def _signal(kind: SignalKind, frame: CapturedFrame, flow: bytes, *, size: int = 0) -> Signal:
    return Signal(kind, frame.number, frame.time, *parties_of(flow), size=size)


def _of_error(frame: CapturedFrame, header: IpHeader) -> Signal | None:
    """The signal of an ICMP error; the reported packet follows the ICMP header."""
    data = frame.data[header.begin : header.end]
    if len(data) < 9:
        return None
    kind, code, high, low = ICMP_HEADER.unpack_from(data)
    if header.protocol == ICMP_6 and kind in NEIGHBORS:
        return _neighbor(frame, header.addresses, NEIGHBORS[kind], data[AT_NEIGHBOR:][:16])
    found, mtu = None, 0
    if header.protocol == ICMP and kind == UNREACHABLE_4:
        found, mtu = IPV4_ERRORS.get(code), low
    elif header.protocol == ICMP_6 and kind == UNREACHABLE_6:
        found = IPV6_ERRORS.get(code)
    elif header.protocol == ICMP_6 and kind == TOO_BIG_6:
        found, mtu = SignalKind.TOO_BIG, high << 16 | low
    about = ip_header(data, 8, len(data)) if found is not None else None
    if found is None or about is None or about.protocol not in (TCP, UDP):
        return None
    ports = data[about.begin : about.begin + 4]
    if len(ports) < 4 or (about.piece is not None and about.piece.offset):
        return None
    source, target = parties_of(about.addresses + ports)
    transport: TransportName = "tcp" if about.protocol == TCP else "udp"
    return Signal(found, frame.number, frame.time, source, target, transport, mtu)


def _neighbor(
    frame: CapturedFrame, addresses: bytes, kind: SignalKind, about: bytes
) -> Signal | None:
    """A solicitation or an advertisement.

    A source without an address only checks that its own new address is free (RFC 4862 §5.4).
    """
    source, target = addresses[:16], addresses[16:]
    asked = kind is SignalKind.ARP_ASKED
    ends = (source, about) if asked else (about, target)
    if len(about) < 16 or not any(source):
        return None
    first, second = (Party(str(ip_address(each)), 0) for each in ends)
    return Signal(kind, frame.number, frame.time, first, second)


def _arp(frame: CapturedFrame) -> Signal | None:
    """ARP for IPv4 over Ethernet (RFC 826)."""
    data = frame.data
    at, begin = ARP_PLACES.get(frame.link, (0, 0))  # type: ignore[call-overload]  # any number
    if not begin or data[at : at + 2] != ETHERTYPE_ARP or len(data) < begin + ARP.size:
        return None
    operation, source, target = ARP.unpack_from(data, begin)
    if operation not in (ARP_REQUEST, ARP_REPLY) or source == target:
        return None
    kind = SignalKind.ARP_ASKED if operation == ARP_REQUEST else SignalKind.ARP_ANSWERED
    asker, asked = (Party(str(ip_address(each)), 0) for each in (source, target))
    return Signal(kind, frame.number, frame.time, asker, asked)
