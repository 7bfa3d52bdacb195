"""Frames to UDP datagrams and TCP segments (RFC 768, RFC 9293).

A flow is one direction of a conversation. Its key is made of bytes of the headers: the addresses
of source and target, then the ports.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from oncrpc.snoop.capture.fragments import FragmentStore, IpPayload
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.capture.headers import ip_header, network_place
from oncrpc.snoop.messages import Party

TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
TCP_HEADER = Struct(">4xIIBB")
UDP_HEADER = Struct(">4xH2x")
IPV4_BYTES = 4
PORTS = Struct(">HH")

PLAIN = Struct(">2xH2xHxB2x12xIIBB")
"""The headers of IPv4 without options and of TCP; those of UDP are shorter."""


class Datagram(NamedTuple):
    """A UDP datagram; ``data`` is shorter than ``length`` if its end was not captured."""

    number: int
    time: int
    began: int
    flow: bytes
    data: bytes
    length: int


class TcpSegment(NamedTuple):
    """A TCP segment; ``data`` is shorter than ``length`` if its end was not captured."""

    number: int
    time: int
    flow: bytes
    seq: int
    ack: int
    flags: int
    data: bytes
    length: int


def reverse_of(flow: bytes) -> bytes:
    """The flow of the other direction."""
    half = (len(flow) - 4) // 2
    return flow[half : 2 * half] + flow[:half] + flow[-2:] + flow[-4:-2]


@lru_cache(maxsize=4096)
def parties_of(flow: bytes) -> tuple[Party, Party]:
    """The source and the target of a flow."""
    half = (len(flow) - 4) // 2
    source, target = PORTS.unpack_from(flow, 2 * half)
    return Party(_host(flow[:half]), source), Party(_host(flow[half : 2 * half]), target)


@lru_cache(maxsize=4096)
def _host(address: bytes) -> str:
    if len(address) == IPV4_BYTES:
        return ".".join(map(str, address))
    from ipaddress import IPv6Address  # loading it takes time

    return str(IPv6Address(address))


class Dissector:
    """Finds the segment or datagram in each frame.

    ``ignored`` counts the frames with neither; ``malformed`` those whose headers are invalid.
    """

    def __init__(self) -> None:
        self._fragments = FragmentStore()
        self.ignored = self.malformed = 0

    @property
    def given_up(self) -> int:
        """The number of packets of which a fragment never came."""
        return self._fragments.given_up

    def dissect(self, frame: CapturedFrame) -> TcpSegment | Datagram | None:
        """What the frame holds, or completes if it is a fragment."""
        data = frame.data
        # Most frames are of this kind: whole packets of IPv4 without options.
        if frame.link == 1 and len(data) >= 54 and data[12:15] == b"\x08\x00\x45":
            total, fragment, protocol, seq, ack, offset, flags = PLAIN.unpack_from(data, 14)
            if not fragment & 0x3FFF:
                end = total + 14
                if protocol == TCP and end >= (begin := 34 + (offset >> 4) * 4) >= 54:
                    return TcpSegment(
                        frame.number, frame.time, data[26:38], seq, ack, flags,
                        data[begin:end], end - begin,
                    )  # fmt: skip
                # The length of UDP is where the first half of ``seq`` is.
                if protocol == UDP and 8 <= (length := seq >> 16) <= total - 20:
                    return Datagram(
                        frame.number, frame.time, frame.time, data[26:38],
                        data[42 : 34 + length], length - 8,
                    )  # fmt: skip
        return self._dissect_any(frame)

    def expired(self) -> list[Datagram]:
        """Datagrams of which a fragment never came, as far as they came."""
        found = [self._transport(payload) for payload in self._fragments.expired()]
        return [each for each in found if isinstance(each, Datagram)]

    def flush(self) -> list[Datagram]:
        """The same for all that are incomplete, at the end of the capture."""
        self._fragments.expire_all()
        return self.expired()

    def _dissect_any(self, frame: CapturedFrame) -> TcpSegment | Datagram | None:
        place = network_place(frame.link, frame.data)
        if place is None:
            self.ignored += 1
            return None
        header = ip_header(frame.data, place, max(frame.length, len(frame.data)))
        if header is None:
            self.malformed += 1
            return None
        if header.piece is not None:
            payload = self._fragments.add(frame, header)
            return None if payload is None else self._transport(payload)
        whole = IpPayload(
            frame.number, frame.time, frame.time, header.protocol, header.addresses,
            frame.data[header.begin : header.end], header.end - header.begin,
        )  # fmt: skip
        return self._transport(whole)

    def _transport(self, payload: IpPayload) -> TcpSegment | Datagram | None:
        if payload.protocol == UDP:
            return self._datagram(payload)
        if payload.protocol == TCP:
            return self._segment(payload)
        self.ignored += 1
        return None

    def _datagram(self, payload: IpPayload) -> Datagram | None:
        data = payload.data
        length = UDP_HEADER.unpack_from(data)[0] if len(data) >= 8 else 0
        if not 8 <= length <= payload.length:
            self.malformed += 1
            return None
        return Datagram(
            payload.number, payload.time, payload.began, payload.addresses + data[:4],
            data[8:length], length - 8,
        )  # fmt: skip

    def _segment(self, payload: IpPayload) -> TcpSegment | None:
        data = payload.data
        if len(data) >= 20:
            seq, ack, offset, flags = TCP_HEADER.unpack_from(data)
            begin = (offset >> 4) * 4
            if 20 <= begin <= payload.length:
                return TcpSegment(
                    payload.number, payload.time, payload.addresses + data[:4], seq, ack, flags,
                    data[begin:], payload.length - begin,
                )  # fmt: skip
        self.malformed += 1
        return None
