"""pcapng: sections, interfaces, blocks with frames, options, and damage."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame, frames_at
from oncrpc.snoop.capture.pcapng import MAX_BLOCK, PcapngReader
from support.captured import block, enhanced, interface, option, pcapng, section, simple

TIME = 1_700_000_000_123_456_000


def read(data: bytes) -> list[CapturedFrame]:
    return list(frames_at(data, PcapngReader().places(data, 0, len(data))))


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    data = pcapng([(TIME, b"one"), (TIME + 1000, b"four")], order=order)

    assert read(data) == [
        CapturedFrame(1, TIME, 1, b"one", 3),
        CapturedFrame(2, TIME + 1000, 1, b"four", 4),
    ]


def test_sections_may_differ_in_byte_order() -> None:
    data = pcapng([(TIME, b"one")], order="<") + pcapng([(TIME, b"two")], order=">")

    assert [(frame.number, frame.data) for frame in read(data)] == [(1, b"one"), (2, b"two")]


@pytest.mark.parametrize(
    ("resolution", "units", "time"),
    [
        (9, 1_000_000_007, 1_000_000_007),
        (3, 1_007, 1_007_000_000),
        (12, 1_000_999, 1_000),
        (0x80 | 10, 1_025, 1_000_976_562),
        (0, 3, 3_000_000_000),
    ],
)
def test_resolution_of_time_is_obeyed(resolution: int, units: int, time: int) -> None:
    options = option(9, bytes([resolution])) + option(0, b"")
    data = section() + interface(options=options) + enhanced(units, b"")

    assert read(data)[0].time == time


def test_offset_of_time_is_added() -> None:
    options = option(2, b"eth0") + option(14, pack("<q", -5))

    data = section() + interface(options=options) + enhanced(7_000_000, b"")

    assert read(data)[0].time == 2_000_000_000


def test_options_after_end_are_not_read() -> None:
    options = option(0, b"") + option(9, b"\x00")
    data = section() + interface(options=options) + enhanced(7, b"")

    assert read(data)[0].time == 7000


def test_frame_has_the_link_of_its_interface() -> None:
    data = section() + interface(link=1) + interface(link=113) + enhanced(0, b"", number=1)

    assert read(data)[0].link == 113


def test_options_of_a_frame_are_skipped() -> None:
    data = section() + interface() + enhanced(0, b"frame", options=option(2, b"\1\0\0\0"))

    assert read(data)[0].data == b"frame"


def test_simple_block_holds_a_frame_without_time() -> None:
    assert read(section() + interface() + simple(b"frame")) == [CapturedFrame(1, 0, 1, b"frame", 5)]


def test_simple_block_ends_at_the_interface_limit() -> None:
    body = pack("<I", 100) + b"abcdefgh"
    data = section() + interface(most=6) + block(3, body)

    assert read(data) == [CapturedFrame(1, 0, 1, b"abcdef", 100)]


def test_old_block_holds_a_frame() -> None:
    body = pack("<HHIIII", 0, 9, 0, 5, 3, 60) + b"abc"

    assert read(section() + interface() + block(2, body)) == [CapturedFrame(1, 5000, 1, b"abc", 60)]


def test_unknown_blocks_are_skipped() -> None:
    data = section() + interface() + block(5, b"statistics") + block(0xBAD, b"") + simple(b"x")

    assert [frame.data for frame in read(data)] == [b"x"]


def test_incomplete_block_waits_for_the_next_piece() -> None:
    data, reader = pcapng([(TIME, b"one"), (TIME, b"two")]), PcapngReader()

    first = list(frames_at(data, reader.places(data, 0, len(data) - 1)))
    second = list(frames_at(data, reader.places(data, reader.at, len(data))))

    assert [frame.data for frame in first] == [b"one"]
    assert [frame.data for frame in second] == [b"two"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (pack("<III", 6, 8, 8), "a block of 8 bytes"),
        (pack("<III", 6, 14, 14), "a block of 14 bytes"),
        (pack("<III", 6, MAX_BLOCK + 4, 0), "a block of 2097156 bytes"),
        (pack("<III", 99, 12, 16), "lengths of a block differ"),
        (pack("<IIII", 0x0A0D0D0A, 28, 5, 28), "no known byte order"),
        (enhanced(0, b"x", number=1), "interface 1, which is not described"),
        (block(6, b"short"), "too short for a frame"),
        (block(3, b""), "too short for a frame"),
        (block(6, pack("<IIIII", 0, 0, 0, 9, 9)), "longer than its block"),
        (block(1, b""), "invalid description of an interface"),
    ],
)
def test_damage_is_found_after_the_frames(broken: bytes, reason: str) -> None:
    good = pcapng([(TIME, b"one")])
    data = good + broken
    frames = frames_at(data, PcapngReader().places(data, 0, len(data)))

    assert next(frames).data == b"one"
    with pytest.raises(CaptureDamaged, match=reason) as raised:
        next(frames)
    assert raised.value.offset >= len(good)
