"""The segment or datagram in a frame."""

from __future__ import annotations

import pytest

from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.capture.segments import (
    Datagram,
    Dissector,
    TcpSegment,
    parties_of,
    reverse_of,
)
from oncrpc.snoop.messages import Party
from support.captured import (
    UP,
    UP6,
    Ends,
    ethernet,
    fragments,
    ip,
    ipv4,
    tcp,
    udp,
)

ENDS = pytest.mark.parametrize("ends", [UP, UP6], ids=["IPv4", "IPv6"])
FAR_APART = 0xFFFFFFFE


def framed(data: bytes, *, captured: int | None = None, link: int = 1) -> CapturedFrame:
    return CapturedFrame(3, 5000, link, data[:captured], len(data))


def segment_in(packet: bytes) -> TcpSegment:
    found = Dissector().dissect(framed(ethernet(packet) + b"padding"))
    assert isinstance(found, TcpSegment)
    return found


def datagram_in(packet: bytes) -> Datagram:
    found = Dissector().dissect(framed(ethernet(packet) + b"padding"))
    assert isinstance(found, Datagram)
    return found


@ENDS
def test_segment_is_found(ends: Ends) -> None:
    found = segment_in(ip(tcp(b"data", ends, seq=FAR_APART, ack=7, flags=24), ends, protocol=6))

    assert found[:2] == (3, 5000)
    assert found[3:] == (FAR_APART, 7, 24, b"data", 4)
    assert parties_of(found.flow) == (Party(ends.source, 700), Party(ends.target, 2049))


@ENDS
def test_datagram_is_found(ends: Ends) -> None:
    found = datagram_in(ip(udp(b"data", ends), ends))

    assert found == Datagram(3, 5000, 5000, found.flow, b"data", 4)
    assert parties_of(found.flow) == (Party(ends.source, 700), Party(ends.target, 2049))


@pytest.mark.parametrize("size", [0, 4, 12, 13, 40, 1400])
@pytest.mark.parametrize("options", [b"", bytes(4)])
def test_datagram_of_any_size_is_found(size: int, options: bytes) -> None:
    data = bytes(range(1, 256)) * 6

    found = datagram_in(ipv4(udp(data[:size]), options=options))

    assert found == Datagram(3, 5000, 5000, found.flow, data[:size], size)


@ENDS
def test_flows_of_a_conversation_are_reverse(ends: Ends) -> None:
    there = datagram_in(ip(udp(b"", ends), ends)).flow
    back = datagram_in(ip(udp(b"", ends.back()), ends.back())).flow

    assert there != back
    assert reverse_of(there) == back
    assert reverse_of(back) == there


def test_options_make_no_difference() -> None:
    plain = tcp(b"data")
    optional = plain[:12] + b"\x80" + plain[13:20] + bytes(12) + b"data"

    found = [
        segment_in(ipv4(segment, protocol=6, options=options))
        for segment in (plain, optional)
        for options in (b"", bytes(8))
    ]

    assert found == found[:1] * 4


def test_segment_may_be_captured_in_part() -> None:
    packet = ethernet(ip(tcp(b"data of which little is kept"), protocol=6))

    for captured in (54, 58, 60):
        found = Dissector().dissect(framed(packet, captured=captured))
        assert isinstance(found, TcpSegment)
        assert found.data == b"data of which little is kept"[: captured - 54]
        assert found.length == 28


def test_datagram_may_be_captured_in_part() -> None:
    found = Dissector().dissect(framed(ethernet(ip(udp(b"data"))), captured=44))

    assert isinstance(found, Datagram)
    assert (found.data, found.length) == (b"da", 4)


def test_fragmented_datagram_is_found_when_complete() -> None:
    dissector, data = Dissector(), bytes(range(250)) * 20
    packets = fragments(ipv4(udp(data)), size=1480)

    found = [dissector.dissect(framed(ethernet(packet))) for packet in packets]

    assert found[:-1] == [None] * (len(packets) - 1)
    assert isinstance(found[-1], Datagram)
    assert found[-1].data == data


def test_incomplete_datagram_is_found_at_the_end() -> None:
    dissector, data = Dissector(), bytes(range(250)) * 20
    dissector.dissect(framed(ethernet(fragments(ipv4(udp(data)), size=1480)[0])))
    assert dissector.expired() == []

    (found,) = dissector.flush()

    assert (found.data, found.length) == (data[:1472], 5000)
    assert dissector.given_up == 1


def test_other_frames_are_counted() -> None:
    dissector = Dissector()

    assert dissector.dissect(framed(b"")) is None
    assert dissector.dissect(framed(ethernet(ip(b"ping", protocol=1)))) is None

    assert (dissector.ignored, dissector.malformed) == (2, 0)


@pytest.mark.parametrize(
    "packet",
    [
        ip(b"short"),
        ip(b"\0" * 6 + b"\0\x07\0\0"),
        ip(b"\0" * 4 + b"\0\xff\0\0"),
        ip(b"short", protocol=6),
        ip(tcp(b"")[:12] + b"\x40" + tcp(b"")[13:], protocol=6),
        ip(tcp(b"")[:12] + b"\xf0" + tcp(b"")[13:], protocol=6),
        ipv4(tcp(b"")[:12] + b"\xf0" + tcp(b"")[13:], protocol=6, options=bytes(4)),
        b"\x41" + ip(udp(b""))[1:],
    ],
)
def test_contradicting_headers_are_counted(packet: bytes) -> None:
    dissector = Dissector()

    assert dissector.dissect(framed(ethernet(packet) + bytes(40))) is None

    assert (dissector.ignored, dissector.malformed) == (0, 1)
