"""Signals of frames: TCP flags, ICMP errors, ARP and lost segments."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from struct import pack

import pytest

from oncrpc.snoop.explain.signals import FrameWatcher, Signal, SignalKind
from oncrpc.snoop.messages import Party
from support.captured import ACK, SYN, UP, UP6, A, B, Ends, ethernet, fragments, ip, ipv4, tcp, udp
from support.conversations import framed

FIN, RST = 1, 4
CLIENT, SERVER = Party(A, 700), Party(B, 2049)


def signals(*frames: bytes) -> list[Signal]:
    watcher = FrameWatcher()
    found = (watcher.signal_of(frame) for frame in framed(enumerate(frames)))
    return [signal for signal in found if signal is not None]


def segment(data: bytes = b"", ends: Ends = UP, *, seq: int = 1, flags: int = ACK) -> bytes:
    return ethernet(ip(tcp(data, ends, seq=seq, flags=flags), ends, protocol=6))


def error(kind: int, code: int, about: bytes, ends: Ends = UP, *, rest: int = 0) -> bytes:
    """An error of ICMP or ICMPv6 to the source of a packet."""
    message = pack(">BBHI", kind, code, 0, rest) + about[:68]
    protocol = 58 if ":" in ends.source else 1
    return ethernet(ip(message, ends.back(), protocol=protocol))


def arp(operation: int, source: str, target: str) -> bytes:
    addresses = [bytes(map(int, each.split("."))) for each in (source, target)]
    body = pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    body += bytes(6) + addresses[0] + bytes(6) + addresses[1]
    return bytes(12) + b"\x08\x06" + body


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (SYN, SignalKind.OPENING),
        (SYN | ACK, SignalKind.OPENED),
        (FIN | ACK, SignalKind.CLOSING),
        (RST | ACK, SignalKind.RESET),
    ],
)
def test_flags_of_tcp_are_signals(flags: int, kind: SignalKind) -> None:
    (signal,) = signals(segment(flags=flags))

    assert (signal.kind, signal.source, signal.target) == (kind, CLIENT, SERVER)


@pytest.mark.parametrize(
    ("kind", "code", "found"),
    [
        (3, 1, SignalKind.HOST_UNREACHABLE),
        (3, 3, SignalKind.PORT_UNREACHABLE),
        (3, 13, SignalKind.PROHIBITED),
        (3, 4, SignalKind.TOO_BIG),
    ],
)
def test_icmp_is_about_the_packet_in_it(kind: int, code: int, found: SignalKind) -> None:
    (signal,) = signals(error(kind, code, ipv4(udp(bytes(40))), rest=1400))

    assert signal[0] is found
    assert (signal.source, signal.target, signal.transport) == (CLIENT, SERVER, "udp")
    assert signal.size == 1400


@pytest.mark.parametrize(
    ("kind", "code", "found"),
    [
        (1, 4, SignalKind.PORT_UNREACHABLE),
        (1, 1, SignalKind.PROHIBITED),
        (1, 0, SignalKind.HOST_UNREACHABLE),
        (2, 0, SignalKind.TOO_BIG),
    ],
)
def test_icmpv6_is_about_the_packet_in_it(kind: int, code: int, found: SignalKind) -> None:
    about = ip(tcp(b"", UP6), UP6, protocol=6)

    (signal,) = signals(error(kind, code, about, UP6, rest=1280))

    assert (signal.kind, signal.transport, signal.size) == (found, "tcp", 1280 * (kind == 2))
    assert signal.source.host == UP6.source


@pytest.mark.parametrize(
    "frame",
    [
        error(3, 3, ipv4(udp(b""))[:20]),
        error(3, 3, b"\x45"),
        error(3, 99, ipv4(udp(b""))),
        error(8, 0, ipv4(udp(b""))),
        error(3, 3, ipv4(bytes(8), protocol=47)),
        segment()[:40],
        ethernet(ipv4(udp(b"data"))),
        ethernet(b"\x45" + bytes(10)),
        arp(1, A, B)[:30],
        arp(3, A, B),
        arp(1, A, A),
        bytes(20),
    ],
)
def test_other_frames_have_no_signal(frame: bytes) -> None:
    assert signals(frame) == []


def test_arp_asks_and_answers() -> None:
    asked, answered = signals(arp(1, A, B), arp(2, B, A))

    assert (asked.kind, asked.source.host, asked.target.host) == (SignalKind.ARP_ASKED, A, B)
    assert (answered.kind, answered.source.host) == (SignalKind.ARP_ANSWERED, B)


def neighbor(kind: int, about: str, ends: Ends) -> bytes:
    message = pack(">BBHI", kind, 0, 0, 0) + ip_address(about).packed
    return ethernet(ip(message, ends, protocol=58))


def test_neighbors_of_ipv6_ask_and_answer() -> None:
    to_all = UP6._replace(target="ff02::1:ff00:2")
    unknown = Ends("::", "ff02::1:ff00:2")

    asked, answered = signals(
        neighbor(135, UP6.target, to_all),
        neighbor(136, UP6.target, UP6.back()),
        neighbor(135, UP6.target, unknown),
        neighbor(135, UP6.target, to_all)[:-9],
    )

    assert (asked.kind, asked.source.host, asked.target.host) == (
        SignalKind.ARP_ASKED, UP6.source, UP6.target,
    )  # fmt: skip
    assert (answered.kind, answered.source.host, answered.target.host) == (
        SignalKind.ARP_ANSWERED, UP6.target, UP6.source,
    )  # fmt: skip


def test_fragments_are_signals() -> None:
    packet = ipv4(udp(bytes(3000)))

    found = signals(*(ethernet(piece) for piece in fragments(packet, size=1480)))

    assert [signal.kind for signal in found] == [SignalKind.FRAGMENT] * 3


def kinds(places: Sequence[tuple[int, int]]) -> list[SignalKind]:
    """The signals of segments, each with its number and its size."""
    return [each.kind for each in signals(*(segment(bytes(size), seq=at) for at, size in places))]


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([(1, 100), (101, 100)], []),
        ([(1, 100), (1, 100)], [SignalKind.RESENT]),
        ([(1, 100), (301, 100)], [SignalKind.GAP]),
        ([(2**32 - 50, 100), (50, 10)], []),
        ([(1, 100), (100, 1)], []),
    ],
)
def test_lost_segments_are_signals(
    places: Sequence[tuple[int, int]], found: Sequence[SignalKind]
) -> None:
    assert kinds(places) == found
