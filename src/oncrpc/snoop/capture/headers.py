"""Headers in front of TCP and UDP: of the link, IPv4 (RFC 791) and IPv6 (RFC 8200).

The functions work on places in the bytes of a frame. A frame may be captured only in part: a place
may be beyond its bytes, but what is read is checked.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from oncrpc.snoop.capture.frames import LinkType

ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
VLAN_TAGS = {0x8100, 0x88A8, 0x9100}
MAX_VLAN_TAGS = 8
"""VLAN tags of a frame."""

MAX_EXTENSION_HEADERS = 16
"""IPv6 extension headers of a packet."""

ETHERTYPE_AT = {LinkType.ETHERNET: 12, LinkType.LINUX_SLL: 14}
WITHOUT_ETHERTYPE = {
    LinkType.RAW: 0, LinkType.RAW_BSD: 0, LinkType.RAW_OPENBSD: 0, LinkType.IPV4: 0,
    LinkType.IPV6: 0, LinkType.NULL: 4, LinkType.LOOP: 4,
}  # fmt: skip
"""Links where IP begins at a fixed place. Its first four bits tell the version."""

SLL2_HEADER = 20
U16 = Struct(">H")
IPV4 = Struct(">BxHHHxB2x")
IPV6 = Struct(">B3xHB")
FRAGMENT = Struct(">BxHI")
HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = {HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, AUTHENTICATION, DESTINATION, 135, 139, 140}


class Piece(NamedTuple):
    """The place of a fragment in its IP packet."""

    identification: int
    offset: int
    more: bool


class IpHeader(NamedTuple):
    """What the headers of a packet tell; ``begin`` and ``end`` are the places of its payload."""

    protocol: int
    addresses: bytes
    """Source and target."""

    begin: int
    end: int
    piece: Piece | None
    """None if the packet is whole."""


def network_place(link: int, data: bytes) -> int | None:
    """The place of the IP header in a frame; None if there is none."""
    if link == LinkType.LINUX_SLL2:
        return _behind_ethertype(data, 0, SLL2_HEADER)
    if link in ETHERTYPE_AT:
        at = ETHERTYPE_AT[LinkType(link)]
        return _behind_ethertype(data, at, at + 2)
    place = WITHOUT_ETHERTYPE.get(link)  # type: ignore[call-overload]  # any number
    return place if place is not None and place < len(data) else None


def _behind_ethertype(data: bytes, at: int, place: int) -> int | None:
    """The place of the IP header by the Ethernet type at a place, behind any VLAN tags."""
    for _ in range(MAX_VLAN_TAGS + 1):
        if len(data) <= place or len(data) < at + 2:
            return None
        (kind,) = U16.unpack_from(data, at)
        if kind not in VLAN_TAGS:
            return place if kind in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) else None
        at, place = place + 2, place + 4
    return None


def ip_header(data: bytes, at: int, length: int) -> IpHeader | None:
    """The headers of the packet at a place of a frame of that length; None if they are invalid."""
    version = data[at] >> 4
    if version == 4:
        return _ipv4_header(data, at, length)
    return _ipv6_header(data, at, length) if version == 6 else None


def _ipv4_header(data: bytes, at: int, length: int) -> IpHeader | None:
    if len(data) < at + 20:
        return None
    first, total, identification, fragment, protocol = IPV4.unpack_from(data, at)
    size = (first & 15) * 4
    # The sending kernel leaves the length to the card if it is over 65535.
    end = at + total if total else length
    if size < 20 or end < at + size:
        return None
    offset, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
    piece = Piece(identification, offset, more) if offset or more else None
    return IpHeader(protocol, data[at + 12 : at + 20], at + size, end, piece)


def _ipv6_header(data: bytes, at: int, length: int) -> IpHeader | None:
    if len(data) < at + 40:
        return None
    _, payload, protocol = IPV6.unpack_from(data, at)
    end = at + 40 + payload if payload else length
    addresses, place, piece = data[at + 8 : at + 40], at + 40, None
    for _ in range(MAX_EXTENSION_HEADERS + 1):
        if protocol not in EXTENSIONS:
            return IpHeader(protocol, addresses, place, end, piece) if place <= end else None
        if len(data) < place + 8:
            return None
        if protocol == FRAGMENT_HEADER:
            following, offset, identification = FRAGMENT.unpack_from(data, place)
            if offset & 0xFFF9:
                piece = Piece(identification, offset & 0xFFF8, bool(offset & 1))
            size = 8
        else:
            following = data[place]
            size = (
                (data[place + 1] + 2) * 4
                if protocol == AUTHENTICATION
                else (data[place + 1] + 1) * 8
            )
        if piece is not None and piece.offset:  # the payload is in the middle of the packet
            return IpHeader(following, addresses, place + size, end, piece)
        protocol, place = following, place + size
    return None
