"""Frames of real interfaces: loopback, a pair of cards, all of them; with a ring and without."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing

import pytest

from oncrpc.snoop.capture.frames import CapturedFrame, LinkType
from oncrpc.snoop.capture.segments import Datagram, Dissector, parties_of
from oncrpc.snoop.live.interface import ANY, WHOLE, LiveCapture, LiveCaptureError
from support.captured import UP6, ethernet, ip, udp
from support.hosts import Host

pytestmark = [pytest.mark.interop, pytest.mark.slow]

Opener = Callable[..., LiveCapture]
FLOOD = 3000
"""Datagrams of 60,000 bytes, which are too many for any buffer here."""

PACKET = ip(udp(b"plain"))
MACS = bytes.fromhex("020000000001 020000000002")
SENT = {
    "IPv4": ethernet(PACKET),
    "IPv6": ethernet(ip(udp(b"six"), UP6)),
    "tagged": ethernet(PACKET, tags=[0x8100]),
    "tagged twice": ethernet(PACKET, tags=[0x88A8, 0x8100]),
    "ICMP": ethernet(ip(b"echo", protocol=1)),
    "ARP": MACS + b"\x08\x06" + bytes(28),
}
MULTICAST = bytes.fromhex("ff02 0000 0000 0000")
WANTED = ["IPv4", "IPv6", "tagged", "tagged twice"]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as made:
        yield made


@pytest.fixture(params=[True, False], ids=["ring", "plain"])
def capture_on(request: pytest.FixtureRequest, host: Host) -> Iterator[Opener]:
    """Opens captures, by either way."""
    with ExitStack() as stack:

        def opened(name: str, *, hosts: Collection[str] = (), most: int = WHOLE) -> LiveCapture:
            with host.network():
                made = LiveCapture(name, hosts=hosts, most=most, ring=request.param)
            return stack.enter_context(closing(made))

        yield opened


def send_to_itself(host: Host, data: bytes, *, times: int = 1) -> None:
    """Send datagrams over loopback."""
    with host.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        for _ in range(times):
            sock.send(data)


def send_all(host: Host) -> None:
    """Send every frame of ``SENT`` through a card."""
    with host.network(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind(("lan0", 0))
        for frame in SENT.values():
            sock.send(frame)


def all_of(host: Host, capture: LiveCapture) -> list[CapturedFrame]:
    """What was captured until now, without the multicast of the host itself."""
    capture.stop()
    with host.network():
        return [frame for frame in capture.frames() if MULTICAST not in frame.data]


def test_loopback_is_captured_once(host: Host, capture_on: Opener) -> None:
    capture, before = capture_on("lo"), time.time_ns()

    send_to_itself(host, b"once")

    (frame,) = all_of(host, capture)
    seen = Dissector().dissect(frame)
    assert isinstance(seen, Datagram)
    assert (seen.data, parties_of(seen.flow)[0].host) == (b"once", "127.0.0.1")
    assert (capture.captured, capture.dropped, frame.number) == (1, 0, 1)
    assert before <= frame.time <= time.time_ns()


@pytest.mark.parametrize("card", ["lan0", "lan1"])
def test_card_shows_ip_with_its_tags(host: Host, capture_on: Opener, card: str) -> None:
    capture = capture_on(card)

    send_all(host)

    assert [frame.data for frame in all_of(host, capture)] == [SENT[name] for name in WANTED]


def test_errors_of_the_network_are_captured(host: Host) -> None:
    with host.network():
        capture = LiveCapture("lan1", hosts=["192.0.2.2"], errors=True)

    with closing(capture):
        send_all(host)
        found = [frame.data for frame in all_of(host, capture)]

    wanted = ["IPv4", "tagged", "tagged twice", "ICMP", "ARP"]
    assert found == [SENT[name] for name in wanted]


def test_all_interfaces_show_both_directions(host: Host, capture_on: Opener) -> None:
    capture = capture_on(ANY)

    send_all(host)

    ipv4 = [frame.data for frame in all_of(host, capture) if frame.data.endswith(SENT["IPv4"][14:])]
    directions = [data[10] for data in ipv4]
    assert (capture.link, len({data[4:8] for data in ipv4})) == (LinkType.LINUX_SLL2, 2)
    assert {socket.PACKET_OUTGOING, socket.PACKET_OTHERHOST} == set(directions)


@pytest.mark.parametrize(
    ("hosts", "wanted"),
    [
        (["192.0.2.2"], ["IPv4", "tagged", "tagged twice"]),
        (["192.0.2.22", "2001:db8::2"], ["IPv6", "tagged twice"]),
    ],
)
def test_kernel_chooses_hosts(
    host: Host, capture_on: Opener, hosts: list[str], wanted: list[str]
) -> None:
    capture = capture_on("lan1", hosts=hosts)

    send_all(host)

    assert [frame.data for frame in all_of(host, capture)] == [SENT[name] for name in wanted]


def test_limit_keeps_the_length(host: Host, capture_on: Opener) -> None:
    capture = capture_on("lo", most=60)

    send_to_itself(host, bytes(1000))

    assert [(len(frame.data), frame.length) for frame in all_of(host, capture)] == [(60, 1042)]


def test_frames_without_room_are_counted(host: Host, capture_on: Opener) -> None:
    capture = capture_on("lo")

    send_to_itself(host, bytes(60_000), times=FLOOD)

    assert len(all_of(host, capture)) == capture.captured == FLOOD - capture.dropped
    assert capture.dropped > 0


def test_idle_is_called_before_waiting(host: Host, capture_on: Opener) -> None:
    capture, idle = capture_on("lo"), list[int]()
    send_to_itself(host, b"data")

    def stop() -> None:
        idle.append(capture.captured)
        if capture.captured:
            capture.stop()

    assert len(list(capture.frames(stop))) == 1
    assert idle[-1] == 1


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("ip link set dev9 down", "the interface is down; 'ip link set dev9 up' starts it"),
        ("ip link delete dev9", "the interface was removed"),
    ],
)
def test_lost_interface_ends_with_its_reason(
    host: Host, capture_on: Opener, command: str, reason: str
) -> None:
    host.sh("ip link add dev9 type veth peer name dev8; ip link set dev9 up; ip link set dev8 up")
    capture = capture_on("dev9")

    with host.network(), pytest.raises(LiveCaptureError) as raised:
        list(capture.frames(lambda: host.sh(command)))

    host.sh("ip link delete dev8 || true")
    assert str(raised.value) == f"dev9: {reason}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none9", "no such interface; 'ip link' lists them, and 'any' is all of them"),
        ("a-name-that-is-too-long", "no such interface"),
        ("down9", "the interface is down; 'ip link set down9 up' starts it"),
    ],
)
def test_interface_that_cannot_be_captured_is_refused(host: Host, name: str, reason: str) -> None:
    host.sh("ip link add down9 type veth peer name down8 || true")

    with host.network(), pytest.raises(LiveCaptureError, match=reason):
        LiveCapture(name)
