"""Segments of a direction in any order: a bounded window, losses, new connections."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.capture.segments import ACK, SYN, TcpSegment
from oncrpc.snoop.streams import flow as flow_module
from oncrpc.snoop.streams.flow import MAX_JUMP, FlowReader
from oncrpc.snoop.streams.records import Doubt, SeenRecord
from support.conversations import call, record

MESSAGES = [call(number, bytes([number]) * (100 * number)) for number in range(1, 12)]
STREAM = b"".join(record(message) for message in MESSAGES)
START = 0xFFFFFF00
"""The sequence numbers begin again at 0 within the stream."""


def segment(
    begin: int, end: int, *, data: bytes = STREAM, captured: int | None = None
) -> TcpSegment:
    """The bytes of the stream between two places."""
    seq, whole = (START + 1 + begin) % 2**32, data[begin:end]
    return TcpSegment(1, begin, b"", seq, 0, ACK, whole[:captured], len(whole))


def opening(start: int = START) -> TcpSegment:
    return TcpSegment(1, 0, b"", start, 0, SYN, b"", 0)


def reader(*, opened: bool = True) -> FlowReader:
    made = FlowReader(lambda *_: False, keep=1 << 20)
    if opened:
        made.feed(opening())
    return made


def bodies(records: list[SeenRecord]) -> list[bytes]:
    return [each.body for each in records]


def all_of(flow: FlowReader, segments: list[TcpSegment]) -> list[bytes]:
    found = [each for segment in segments for each in flow.feed(segment)]
    return bodies(found + flow.finish())


def cut(size: int) -> list[TcpSegment]:
    return [segment(at, min(at + size, len(STREAM))) for at in range(0, len(STREAM), size)]


@given(st.permutations(cut(700)))
def test_segments_may_come_in_any_order(segments: list[TcpSegment]) -> None:
    assert all_of(reader(), segments) == MESSAGES


@given(st.lists(st.tuples(st.integers(0, len(STREAM)), st.integers(0, 900)), max_size=20))
def test_overlapping_segments_change_nothing(extra: list[tuple[int, int]]) -> None:
    segments = cut(700)
    for number, (begin, size) in enumerate(extra):
        segments.insert(number * 2, segment(begin, min(begin + size, len(STREAM))))

    assert all_of(reader(), segments) == MESSAGES


def test_repeated_segments_change_nothing() -> None:
    segments = [each for each in cut(700) for _ in range(2)]

    assert all_of(reader(), segments) == MESSAGES


def test_longer_early_segment_replaces_a_shorter() -> None:
    flow = reader()
    segments = [segment(700, 800), segment(700, 750), segment(700, len(STREAM)), segment(0, 700)]

    assert all_of(flow, segments) == MESSAGES
    assert flow.held == 0


def test_loss_shows_when_the_window_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_module, "MAX_EARLY_BYTES", 2000)
    flow, segments = reader(), cut(500)
    lost = segments.pop(3)

    found = [each for segment in segments[:8] for each in flow.feed(segment)]

    assert len(found) > 4
    assert flow.lost == lost.length
    assert flow.held < 3000


def test_number_of_early_segments_is_bounded() -> None:
    flow = reader()

    for at in range(1, 2000, 2):
        flow.feed(segment(at, at + 1))

    assert flow.held <= flow_module.MAX_EARLY_SEGMENTS + 1000
    assert flow.lost > 600


def test_acknowledged_bytes_are_lost_at_once() -> None:
    flow = reader()
    flow.feed(segment(0, 100))
    flow.feed(segment(400, 700))

    peer = segment(0, 1)
    found = flow.acknowledged((START + 1 + 500) % 2**32, peer)

    assert flow.lost == 300
    assert bodies(found)[0] == MESSAGES[0][:96]


def test_acknowledged_end_ends_the_record() -> None:
    flow, size = reader(), len(MESSAGES[0]) + 4
    flow.feed(segment(0, 100))

    (found,) = flow.acknowledged((START + 1 + size) % 2**32, segment(0, 1))

    assert (found.body, found.length) == (MESSAGES[0][:96], len(MESSAGES[0]))


@pytest.mark.parametrize("ack", [START, START + 1, 0x7000_0000])
def test_other_acknowledgements_change_nothing(ack: int) -> None:
    flow = reader()

    assert flow.acknowledged(ack, segment(0, 1)) == []
    assert reader(opened=False).acknowledged(ack, segment(0, 1)) == []

    assert flow.lost == 0
    assert all_of(flow, cut(700)) == MESSAGES


def test_bytes_not_captured_are_lost() -> None:
    flow = reader()

    found = [each for at in range(0, len(STREAM), 700)
             for each in flow.feed(segment(at, at + 700, captured=600))]  # fmt: skip

    assert found
    assert flow.lost > 800
    assert all(body == MESSAGES[body[3] - 1][: len(body)] for body in bodies(found))


def test_loss_beyond_a_record_begins_a_search() -> None:
    flow, good = reader(), record(call(77))
    stream = STREAM[:50] + bytes(len(MESSAGES[0]) + 100) + good
    flow.feed(segment(0, 50, data=stream))
    begin = len(stream) - len(good)
    flow.feed(segment(begin - 49, begin, data=stream))

    found = flow.feed(segment(begin, len(stream), data=stream)) + flow.finish()

    assert bodies(found) == [MESSAGES[0][:46], call(77)]


def test_new_connection_begins_in_step() -> None:
    flow, other = reader(), record(call(77))
    flow.feed(segment(0, 150))

    flow.feed(opening(5000))
    found = flow.feed(TcpSegment(1, 1, b"", 5001, 0, ACK, other, len(other)))

    assert [(each.body, each.doubt) for each in found] == [(call(77), None)]


def test_repeated_opening_changes_nothing() -> None:
    flow = reader()
    first = flow.feed(segment(0, 500))
    flow.feed(opening())

    assert bodies(first + flow.feed(segment(500, len(STREAM)))) == MESSAGES


def test_capture_may_begin_within_a_connection() -> None:
    flow = reader(opened=False)
    begin = len(MESSAGES[0]) + 4

    found = flow.feed(segment(begin, len(STREAM)))

    assert bodies(found) == MESSAGES[1:]
    assert found[0].doubt is Doubt.BEGINS


def test_trusted_flow_has_no_doubt() -> None:
    flow, first = reader(opened=False), len(MESSAGES[0]) + 4
    flow.feed(segment(0, first))

    flow.trust()

    assert {each.doubt for each in flow.feed(segment(first, len(STREAM)))} == {None}


def test_far_segment_is_of_another_connection() -> None:
    flow, data = reader(), record(call(77))
    flow.feed(segment(0, 150))

    far = TcpSegment(1, 1, b"", (START + MAX_JUMP + 999) % 2**32, 0, ACK, data, len(data))

    assert bodies(flow.feed(far)) == [call(77)]


def test_step_lost_is_found_again() -> None:
    good = record(call(5, bytes(60)))
    stream = good + b"not a record at all" + bytes(100)
    flow = reader()

    found = flow.feed(segment(0, len(stream), data=stream))
    found += flow.feed(segment(len(stream), len(stream + good), data=stream + good))

    assert bodies(found) == [call(5, bytes(60))] * 2
    assert found[1].doubt is Doubt.BEGINS


def test_any_segments_are_survived() -> None:
    source = Random(9293)
    flow = reader()

    for _ in range(3000):
        data = source.choice((source.randbytes(50), STREAM[source.randrange(900) :][:300]))
        seq = source.choice((source.randrange(2**32), START + source.randrange(9000)))
        size = len(data) + source.choice((0, 0, 5000))
        flow.feed(TcpSegment(1, 1, b"", seq % 2**32, 0, source.choice((ACK, SYN)), data, size))
        flow.acknowledged(source.randrange(2**32), segment(0, 1))
        assert flow.held < 500_000
