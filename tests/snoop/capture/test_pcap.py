"""pcap: both byte orders, both units of time, and damage."""

from __future__ import annotations

import pytest

from oncrpc.snoop.capture.frames import MAX_FRAME, CaptureDamaged, CapturedFrame, frames_at
from oncrpc.snoop.capture.pcap import PcapReader
from support.captured import pcap

TIME = 1_700_000_000_123_456_000


def read(data: bytes) -> list[CapturedFrame]:
    reader = PcapReader(data)
    return list(frames_at(data, reader.places(data, reader.at, len(data))))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_byte_order_and_unit_are_found(order: str, nanoseconds: bool) -> None:
    data = pcap([(TIME, b"one"), (TIME + 1000, b"two")], order=order, nanoseconds=nanoseconds)

    assert read(data) == [
        CapturedFrame(1, TIME, 1, b"one", 3),
        CapturedFrame(2, TIME + 1000, 1, b"two", 3),
    ]


def test_nanoseconds_are_kept() -> None:
    assert read(pcap([(TIME + 789, b"")], nanoseconds=True))[0].time == TIME + 789


def test_length_of_check_sequence_is_no_link() -> None:
    data = pcap([(TIME, b"one")], link=0xF400_0065)

    assert read(data)[0].link == 101


def test_length_on_the_wire_is_kept() -> None:
    data = bytearray(pcap([(TIME, b"one")]))
    data[36:40] = (1500).to_bytes(4, "little")

    assert read(bytes(data)) == [CapturedFrame(1, TIME, 1, b"one", 1500)]


def test_incomplete_frame_waits_for_the_next_piece() -> None:
    data = pcap([(TIME, b"one"), (TIME, b"two")])
    reader = PcapReader(data)

    first = list(frames_at(data, reader.places(data, reader.at, len(data) - 1)))
    second = list(frames_at(data, reader.places(data, reader.at, len(data))))

    assert [frame.data for frame in first] == [b"one"]
    assert [(frame.number, frame.data) for frame in second] == [(2, b"two")]
    assert reader.at == len(data)


def test_impossible_length_is_damage_after_the_frames() -> None:
    good = pcap([(TIME, b"one")])
    data = good + bytes(8) + (MAX_FRAME + 1).to_bytes(4, "little") + bytes(4)
    reader = PcapReader(data)
    frames = frames_at(data, reader.places(data, reader.at, len(data)))

    assert next(frames).data == b"one"
    with pytest.raises(CaptureDamaged, match=f"byte {len(good)}: a frame of 1048577 bytes"):
        next(frames)
