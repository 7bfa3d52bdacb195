"""Lines for the headers in front of RPC: link, IP, and TCP or UDP (``-V``, as in snoop)."""

from __future__ import annotations

from ipaddress import ip_address
from struct import Struct

from oncrpc.snoop.capture.frames import CapturedFrame, LinkType
from oncrpc.snoop.capture.headers import IpHeader, ip_header, network_place
from oncrpc.snoop.capture.segments import TCP, UDP

ETHERTYPE = Struct(">H")
TYPES = {0x0800: "IP", 0x86DD: "IPv6", 0x8100: "VLAN", 0x88A8: "VLAN"}
IPV4 = Struct(">xBHHHBB")
IPV6 = Struct(">IHBB")
TCP_HEADER = Struct(">HHIIBBH")
UDP_HEADER = Struct(">HHH")
FLAGS = ((2, "Syn"), (1, "Fin"), (4, "Rst"), (8, "Push"))
ACK = 16
MORE_FRAGMENTS = 0x2000


def frame_lines(frame: CapturedFrame) -> list[str]:
    """A line for each header of a frame, as far as it was captured."""
    place = network_place(frame.link, frame.data)
    header = None if place is None else ip_header(frame.data, place, frame.length)
    if place is None or header is None:
        return [_link(frame)]
    network = _ipv4(frame.data, place) if frame.data[place] >> 4 == 4 else _ipv6(frame.data, place)
    return [_link(frame), network, *_transport(frame.data, header)]


def _link(frame: CapturedFrame) -> str:
    if frame.link == LinkType.ETHERNET and len(frame.data) >= 14:
        (kind,) = ETHERTYPE.unpack_from(frame.data, 12)
        return f"ETHER Type={kind:04X} ({TYPES.get(kind, 'Unknown')}), size={frame.length} bytes"
    try:
        name = LinkType(frame.link).name
    except ValueError:
        name = str(frame.link)
    return f"LINK Type={name}, size={frame.length} bytes"


def _ipv4(data: bytes, at: int) -> str:
    service, length, identification, fragment, ttl, protocol = IPV4.unpack_from(data, at)
    tail = f"TOS=0x{service:x}"
    offset, more = (fragment & 0x1FFF) * 8, bool(fragment & MORE_FRAGMENTS)
    if offset or more:
        name = {TCP: "TCP", UDP: "UDP"}.get(protocol, str(protocol))
        place = f"ID={identification} Offset={offset:<4} MF={more:d}"
        return f"{name} IP fragment {place} {tail} TTL={ttl}"
    source, target = ip_address(data[at + 12 : at + 16]), ip_address(data[at + 16 : at + 20])
    return f"IP  D={target} S={source} LEN={length}, ID={identification}, {tail}, TTL={ttl}"


def _ipv6(data: bytes, at: int) -> str:
    first, length, _, hops = IPV6.unpack_from(data, at)
    source, target = ip_address(data[at + 8 : at + 24]), ip_address(data[at + 24 : at + 40])
    label = f"CLASS=0x{first >> 20 & 0xFF:x} FLOW=0x{first & 0xFFFFF:x}"
    return f"IPv6  S={source} D={target} LEN={length} HOPS={hops} {label}"


def _transport(data: bytes, header: IpHeader) -> list[str]:
    """The line of TCP or UDP; none for a fragment in the middle of a packet."""
    left = min(header.end, len(data)) - header.begin
    if header.piece is not None and header.piece.offset:
        return []
    if header.protocol == TCP and left >= TCP_HEADER.size:
        return [_tcp(data, header)]
    if header.protocol == UDP and left >= UDP_HEADER.size:
        source, target, length = UDP_HEADER.unpack_from(data, header.begin)
        return [f"UDP D={target} S={source} LEN={length}"]
    return []


def _tcp(data: bytes, header: IpHeader) -> str:
    source, target, seq, ack, offset, flags, window = TCP_HEADER.unpack_from(data, header.begin)
    length = header.end - header.begin - (offset >> 4) * 4
    words = [f"TCP D={target} S={source}", *(name for bit, name in FLAGS if flags & bit)]
    if flags & ACK:
        words.append(f"Ack={ack}")
    return " ".join([*words, f"Seq={seq} Len={length} Win={window}"])
