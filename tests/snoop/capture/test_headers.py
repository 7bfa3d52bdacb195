"""Link, IPv4 and IPv6 headers in front of UDP and TCP."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.snoop.capture.frames import LinkType
from oncrpc.snoop.capture.headers import MAX_VLAN_TAGS, IpHeader, Piece, ip_header, network_place
from support.captured import UP, UP6, cooked, ethernet, ip, ipv4, ipv6

PACKETS = {"IPv4": ip(b"payload", UP), "IPv6": ip(b"payload", UP6)}


@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
@pytest.mark.parametrize(
    ("link", "before"),
    [
        (LinkType.RAW, 0),
        (LinkType.RAW_BSD, 0),
        (LinkType.RAW_OPENBSD, 0),
        (LinkType.NULL, 4),
        (LinkType.LOOP, 4),
        (LinkType.ETHERNET, 14),
        (LinkType.LINUX_SLL, 16),
        (LinkType.LINUX_SLL2, 20),
    ],
)
def test_link_header_is_skipped(link: LinkType, before: int, packet: bytes) -> None:
    framed = {14: ethernet(packet), 16: cooked(packet), 20: cooked(packet, version=2)}

    frame = framed.get(before, bytes(before) + packet)

    assert network_place(link, frame) == before
    assert frame[before:] == packet


@pytest.mark.parametrize("tags", [[0x8100], [0x88A8, 0x8100], [0x8100] * MAX_VLAN_TAGS])
def test_vlan_tags_are_skipped(tags: list[int]) -> None:
    frame = ethernet(PACKETS["IPv4"], tags=tags)

    assert network_place(LinkType.ETHERNET, frame) == 14 + 4 * len(tags)


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (LinkType.ETHERNET, b""),
        (LinkType.ETHERNET, ethernet(PACKETS["IPv4"])[:14]),
        (LinkType.ETHERNET, bytes(12) + b"\x08\x06" + bytes(28)),
        (LinkType.ETHERNET, ethernet(PACKETS["IPv4"], tags=[0x8100] * (MAX_VLAN_TAGS + 1))),
        (LinkType.LINUX_SLL2, b""),
        (LinkType.RAW, b""),
        (147, PACKETS["IPv4"]),
    ],
)
def test_frame_without_ip_has_no_place(link: int, frame: bytes) -> None:
    assert network_place(link, frame) is None


@pytest.mark.parametrize("options", [b"", bytes(4), bytes(40)])
def test_ipv4_options_are_skipped(options: bytes) -> None:
    packet = ipv4(b"payload", options=options) + b"padding of the link"

    header = ip_header(packet, 0, len(packet))

    begin = 20 + len(options)
    assert header == IpHeader(17, packet[12:20], begin, begin + 7, None)


def test_ipv4_length_of_zero_means_the_frame() -> None:
    packet = bytearray(ipv4(b"payload"))
    packet[2:4] = b"\0\0"

    header = ip_header(bytes(packet), 0, len(packet))

    assert header is not None
    assert header.end == len(packet)


def test_ipv4_fragment_tells_its_place() -> None:
    packet = ipv4(bytes(16), fragment=0x2000 | 3, identification=9)

    header = ip_header(packet, 0, len(packet))

    assert header is not None
    assert header.piece == Piece(9, 24, more=True)


def test_ipv4_not_to_be_fragmented_is_whole() -> None:
    packet = ipv4(b"payload", fragment=0x4000)

    header = ip_header(packet, 0, len(packet))

    assert header is not None
    assert header.piece is None


EXTENSIONS = [(0, b"\0" + bytes(6)), (43, b"\1" + bytes(14)), (60, b"\0" + bytes(6))]


def test_ipv6_extension_headers_are_skipped() -> None:
    packet = ipv6(b"payload", extensions=[*EXTENSIONS, (51, b"\4" + bytes(22))])

    header = ip_header(packet, 0, len(packet))

    begin = 40 + 8 + 16 + 8 + 24
    assert header == IpHeader(17, packet[8:40], begin, begin + 7, None)


def test_ipv6_fragment_tells_its_place() -> None:
    fragment = (44, b"\0" + pack(">HI", 16 | 1, 77))
    packet = ipv6(bytes(8), extensions=[EXTENSIONS[0], fragment])

    header = ip_header(packet, 0, len(packet))

    assert header == IpHeader(17, packet[8:40], 56, 64, Piece(77, 16, more=True))


def test_ipv6_fragment_alone_is_whole() -> None:
    packet = ipv6(b"payload", extensions=[(44, b"\0" + pack(">HI", 0, 77))])

    header = ip_header(packet, 0, len(packet))

    assert header == IpHeader(17, packet[8:40], 48, 55, None)


@pytest.mark.parametrize(
    "packet",
    [
        PACKETS["IPv4"][:19],
        PACKETS["IPv6"][:39],
        b"\x44" + PACKETS["IPv4"][1:],
        PACKETS["IPv4"][:2] + b"\0\x13" + PACKETS["IPv4"][4:],
        b"\x50" + bytes(60),
        ipv6(b"", protocol=0),
        ipv6(b"", extensions=[(60, b"\0" + bytes(6))] * 17),
        ipv6(b"", extensions=[(60, b"\x10" + bytes(6))]),
    ],
)
def test_invalid_headers_are_refused(packet: bytes) -> None:
    assert ip_header(packet, 0, len(packet)) is None
