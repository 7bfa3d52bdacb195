"""Fragments of IP packets: any order, overlaps, losses, and bounds."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.capture import fragments as store
from oncrpc.snoop.capture.fragments import FragmentStore, IpPayload
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.capture.headers import ip_header
from support.captured import UP6, fragments, ipv4, ipv6

PAYLOAD = bytes(range(256)) * 16
PIECES = fragments(ipv4(PAYLOAD), size=1000 // 8 * 8)


def add(
    kept: FragmentStore, packet: bytes, number: int, *, captured: int = 9999
) -> IpPayload | None:
    frame = CapturedFrame(number, number * 1000, 101, packet[:captured], len(packet))
    header = ip_header(packet, 0, len(packet))
    assert header is not None
    return kept.add(frame, header)


@given(st.permutations(PIECES))
def test_packet_is_whole_in_any_order(pieces: list[bytes]) -> None:
    kept = FragmentStore()

    found = [add(kept, piece, number) for number, piece in enumerate(pieces, 1)]

    assert found[:-1] == [None] * (len(pieces) - 1)
    last = len(pieces)
    assert found[-1] == IpPayload(
        last, last * 1000, 1000, 17, PIECES[0][12:20], PAYLOAD, len(PAYLOAD)
    )


def test_repeated_fragments_change_nothing() -> None:
    kept = FragmentStore()

    found = [add(kept, piece, number) for number, piece in enumerate([*PIECES[:-1]] * 2, 1)]

    assert not any(found)
    whole = add(kept, PIECES[-1], 99)
    assert whole is not None
    assert whole.data == PAYLOAD


def test_packets_do_not_mix() -> None:
    kept = FragmentStore()
    other = fragments(ipv4(PAYLOAD[::-1]), size=1000 // 8 * 8, identification=8)

    found = [add(kept, piece, 1) for pair in zip(PIECES, other, strict=True) for piece in pair]

    assert [each.data for each in found if each] == [PAYLOAD, PAYLOAD[::-1]]


def test_ipv6_fragments_are_joined() -> None:
    kept = FragmentStore()
    head = [ipv6(PAYLOAD[at : at + 1024], UP6, extensions=[
        (44, b"\0" + pack(">HI", at | (at + 1024 < len(PAYLOAD)), 7))
    ]) for at in range(0, len(PAYLOAD), 1024)]  # fmt: skip

    found = [add(kept, piece, 1) for piece in head]

    assert found[-1] is not None
    assert (found[-1].protocol, found[-1].data) == (17, PAYLOAD)


def test_overlap_keeps_what_came_first_in_place() -> None:
    kept = FragmentStore()
    pieces = [
        ipv4(b"a" * 16, fragment=0x2000),
        ipv4(b"b" * 16, fragment=0x2000 | 1),
        ipv4(b"c" * 8, fragment=3),
    ]

    found = [add(kept, piece, 1) for piece in pieces]

    assert found[-1] is not None
    assert found[-1].data == b"a" * 16 + b"b" * 8 + b"c" * 8


def test_second_fragment_of_a_place_is_ignored() -> None:
    kept = FragmentStore()
    pieces = [ipv4(each * 8, fragment=0x2000) for each in (b"a", b"b")]

    found = [add(kept, piece, 1) for piece in [*pieces, ipv4(b"c" * 8, fragment=1)]]

    assert found[-1] is not None
    assert found[-1].data == b"a" * 8 + b"c" * 8


def test_cut_fragment_cuts_the_packet() -> None:
    kept = FragmentStore()

    for number, piece in enumerate(PIECES[:-1], 1):
        add(kept, piece, number, captured=500 if number == 2 else 9999)
    whole = add(kept, PIECES[-1], 9)

    assert whole is not None
    assert whole.data == PAYLOAD[: 1000 + 480]
    assert whole.length == len(PAYLOAD)


def test_incomplete_packet_is_given_up_in_time() -> None:
    kept = FragmentStore()
    for number, piece in enumerate((PIECES[0], PIECES[1], PIECES[4]), 1):
        add(kept, piece, number)
    assert kept.expired() == []

    late = 2 + store.PATIENCE // 1000
    add(kept, ipv4(bytes(8), fragment=0x2000, identification=99), late)

    (found,) = kept.expired()
    assert (found.data, found.length) == (PAYLOAD[:2000], len(PAYLOAD))
    assert kept.given_up == 1
    assert kept.expired() == []


def test_incomplete_packet_without_end_is_longer() -> None:
    kept = FragmentStore()
    add(kept, PIECES[0], 1)

    kept.expire_all()

    (found,) = kept.expired()
    assert found.length > len(found.data) == 1000


def test_packet_without_beginning_is_dropped() -> None:
    kept = FragmentStore()
    add(kept, PIECES[1], 1)

    kept.expire_all()

    assert kept.expired() == []
    assert kept.given_up == 1


def test_number_of_incomplete_packets_is_bounded() -> None:
    kept = FragmentStore()

    for number in range(store.MAX_INCOMPLETE + 5):
        add(kept, ipv4(bytes(8), fragment=0x2000, identification=number), number)

    assert kept.given_up == 5


def test_bytes_of_fragments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_FRAGMENT_BYTES", 10_000)
    kept = FragmentStore()

    for number in range(20):
        add(kept, ipv4(bytes(1800), fragment=0x2000, identification=number), number)

    assert kept.given_up == 15


def test_fragments_of_a_packet_are_bounded() -> None:
    kept = FragmentStore()

    for number in range(store.MAX_PIECES + 1):
        assert add(kept, ipv4(bytes(8), fragment=0x2000 | number), number) is None

    assert add(kept, ipv4(bytes(8), fragment=store.MAX_PIECES + 1), 1) is None


@pytest.mark.parametrize(
    "packet", [ipv4(bytes(16), fragment=0x1FFF), ipv4(b"", fragment=0x2000 | 5)]
)
def test_impossible_fragments_are_ignored(packet: bytes) -> None:
    kept = FragmentStore()

    assert add(kept, packet, 1) is None
    kept.expire_all()

    assert kept.given_up == 0
