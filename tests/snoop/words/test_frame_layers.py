"""The lines for the headers in front of RPC."""

from __future__ import annotations

import pytest

from oncrpc.snoop.capture.frames import CapturedFrame, LinkType
from oncrpc.snoop.words.frame_layers import frame_lines
from support.captured import UP, UP6, ethernet, ip, ipv4, tcp, udp

SYN_ACK_PUSH = 2 | 16 | 8
MORE_AT_64 = 0x2000 | 8


def lines(data: bytes, *, link: int = LinkType.ETHERNET, length: int = 0) -> list[str]:
    return frame_lines(CapturedFrame(1, 0, link, data, length or len(data)))


def test_datagram_has_three_lines() -> None:
    assert lines(ethernet(ip(udp(b"1234")))) == [
        "ETHER Type=0800 (IP), size=46 bytes",
        "IP  D=192.0.2.2 S=192.0.2.1 LEN=32, ID=0, TOS=0x0, TTL=64",
        "UDP D=2049 S=700 LEN=12",
    ]


def test_segment_of_ipv6_has_three_lines() -> None:
    segment = tcp(b"12345", UP6, seq=7, ack=8, flags=SYN_ACK_PUSH)

    assert lines(ip(segment, UP6, protocol=6), link=LinkType.RAW) == [
        "LINK Type=RAW, size=65 bytes",
        "IPv6  S=2001:db8::1 D=2001:db8::2 LEN=25 HOPS=64 CLASS=0x0 FLOW=0x0",
        "TCP D=2049 S=700 Syn Push Ack=8 Seq=7 Len=5 Win=1000",
    ]


def test_fragment_in_the_middle_has_no_transport() -> None:
    packet = ipv4(b"12345678", UP, fragment=MORE_AT_64, identification=9)

    assert lines(packet, link=LinkType.RAW)[1:] == [
        "UDP IP fragment ID=9 Offset=64   MF=1 TOS=0x0 TTL=64"
    ]


@pytest.mark.parametrize("size", range(14, 42))
def test_cut_headers_have_no_lines(size: int) -> None:
    whole = lines(ethernet(ip(udp(b"1234"))))

    found = lines(ethernet(ip(udp(b"1234")))[:size], length=46)

    assert found == whole[: len(found)]
    assert len(found) < 3 or size >= 40


def test_other_frames_have_only_their_link() -> None:
    assert lines(bytes(14), length=14) == ["ETHER Type=0000 (Unknown), size=14 bytes"]
    assert lines(b"12", link=147) == ["LINK Type=147, size=2 bytes"]
