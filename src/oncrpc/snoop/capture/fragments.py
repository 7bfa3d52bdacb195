"""Reassembly of fragmented IP packets (RFC 791 §3.2, RFC 8200 §4.5), bounded in bytes and time."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.capture.headers import IpHeader

MAX_INCOMPLETE = 256
"""IP packets of which fragments are kept; then the oldest is given up."""

MAX_FRAGMENT_BYTES = 4 << 20
"""Bytes of fragments that are kept; then the oldest packet is given up."""

MAX_PIECES = 1024
"""Fragments of an IP packet that are kept; later ones are ignored."""

MAX_IP_PAYLOAD = 65535
"""Bytes of an IP packet."""

PATIENCE = 30 * 1_000_000_000
"""Nanoseconds after which a packet is given up, as Linux does."""

COST = 200
"""Bytes that a kept fragment costs apart from its data."""


class IpPayload(NamedTuple):
    """The payload of an IP packet, perhaps of many frames; see ``Datagram``."""

    number: int
    time: int
    began: int
    protocol: int
    addresses: bytes
    data: bytes
    length: int


class _Fragment(NamedTuple):
    data: bytes
    length: int


class _Packet:
    """The fragments of a packet, by offset; of two with one offset the first counts."""

    def __init__(self, began: int, protocol: int) -> None:
        self.began = self.time = began
        self.number = 0
        self.protocol = protocol
        self.fragments: dict[int, _Fragment] = {}
        self.covered = self.cost = 0
        self.total: int | None = None


class FragmentStore:
    """Joins fragments to packets; ``given_up`` counts the packets that never became complete."""

    def __init__(self) -> None:
        self._packets: OrderedDict[tuple[bytes, int, int], _Packet] = OrderedDict()
        self._expired: list[IpPayload] = []
        self._cost = 0
        self.given_up = 0

    def add(self, frame: CapturedFrame, header: IpHeader) -> IpPayload | None:
        """Take the fragment in a frame; the packet if it is complete now."""
        piece = header.piece
        assert piece is not None
        length = header.end - header.begin
        if piece.offset + length > MAX_IP_PAYLOAD or (piece.more and not length):
            return None
        # The protocol is that of the first fragment in IPv6, and part of the key in IPv4.
        protocol = header.protocol if len(header.addresses) == 8 else -1
        key = (header.addresses, protocol, piece.identification)
        packet = self._packets.get(key)
        if packet is None:
            packet = self._packets[key] = _Packet(frame.time, header.protocol)
        elif piece.offset in packet.fragments or len(packet.fragments) >= MAX_PIECES:
            return None
        self._put(packet, piece.offset, _Fragment(frame.data[header.begin : header.end], length))
        packet.number, packet.time = frame.number, frame.time
        if piece.offset == 0:
            packet.protocol = header.protocol
        if not piece.more:
            packet.total = piece.offset + length
        if packet.total is not None and packet.covered >= packet.total and _is_whole(packet):
            return self._take(key)
        self._give_up_old(frame.time)
        return None

    def expired(self) -> list[IpPayload]:
        """What came of the packets given up since the last time, if their beginning did."""
        if not self._expired:
            return []
        found, self._expired = self._expired, []
        return found

    def expire_all(self) -> None:
        """Give up all packets, at the end of the capture."""
        while self._packets:
            self._give_up_oldest()

    def _put(self, packet: _Packet, offset: int, fragment: _Fragment) -> None:
        packet.fragments[offset] = fragment
        packet.covered += fragment.length
        cost = len(fragment.data) + COST
        packet.cost += cost
        self._cost += cost

    def _take(self, key: tuple[bytes, int, int]) -> IpPayload:
        packet = self._packets.pop(key)
        self._cost -= packet.cost
        data = _joined(packet)
        # Without its last fragment, all that is known of the packet is the limit of IP.
        length = MAX_IP_PAYLOAD if packet.total is None else packet.total
        return IpPayload(
            packet.number, packet.time, packet.began, packet.protocol, key[0], data, length
        )

    def _give_up_old(self, now: int) -> None:
        while self._packets:
            oldest = next(iter(self._packets.values()))
            few = len(self._packets) <= MAX_INCOMPLETE and self._cost <= MAX_FRAGMENT_BYTES
            if few and now - oldest.began <= PATIENCE:
                return
            self._give_up_oldest()

    def _give_up_oldest(self) -> None:
        self.given_up += 1
        payload = self._take(next(iter(self._packets)))
        if payload.data:
            self._expired.append(payload)


def _is_whole(packet: _Packet) -> bool:
    """True if no byte of the packet is missing."""
    end = 0
    for offset in sorted(packet.fragments):
        if offset > end:
            return False
        end = max(end, offset + packet.fragments[offset].length)
    return packet.total is not None and end >= packet.total


def _joined(packet: _Packet) -> bytes:
    """The bytes of a packet up to the first that is missing."""
    data = bytearray()
    for offset in sorted(packet.fragments):
        fragment = packet.fragments[offset].data
        if offset > len(data):
            break
        data += fragment[len(data) - offset :]
    return bytes(data[: packet.total])
