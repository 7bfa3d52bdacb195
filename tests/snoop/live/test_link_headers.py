"""Headers in front of what the kernel hands out without them."""

from __future__ import annotations

from socket import AF_PACKET
from struct import pack

from oncrpc.snoop.capture.frames import LinkType
from oncrpc.snoop.capture.headers import network_place
from oncrpc.snoop.live.link_headers import cooked_header, tagged_head
from support.captured import ethernet, ip, udp

PACKET = ip(udp(b"data"))


def test_tag_is_put_behind_the_addresses() -> None:
    frame = tagged_head(ethernet(PACKET)[:12], 42, 0x88A8) + ethernet(PACKET)[12:]

    assert frame[12:18] == bytes.fromhex("88a8 002a 0800")
    assert network_place(LinkType.ETHERNET, frame) == 18


def test_cooked_header_tells_interface_and_direction() -> None:
    address = pack("=H2siHBB8s", AF_PACKET, b"\x08\0", 7, 1, 4, 6, b"\2\0\0\0\0\1")

    frame = cooked_header(address) + PACKET

    assert frame[:20] == bytes.fromhex("0800 0000 00000007 0001 04 06 0200000000010000")
    assert network_place(LinkType.LINUX_SLL2, frame) == 20
