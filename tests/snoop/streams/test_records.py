"""Records of captured bytes: cut anywhere, with holes, out of step."""

from __future__ import annotations

import itertools
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.streams.records import (
    MAX_DOUBTFUL,
    MAX_SEEN_FRAGMENTS,
    MAX_SEEN_RECORD,
    Doubt,
    RecordSplitter,
    SeenRecord,
)
from support.conversations import call, record, reply

MESSAGES = [call(1, bytes(100)), reply(2), call(3, b"args"), call(4, bytes(2000))]
STREAM = b"".join(
    record(message, fragment=fragment)
    for message, fragment in zip(MESSAGES, (9999, 10, 9999, 500), strict=True)
)


@given(st.lists(st.integers(0, len(STREAM))))
def test_records_are_the_same_however_cut(places: list[int]) -> None:
    splitter = RecordSplitter(9999)
    cuts = sorted({0, len(STREAM), *places})

    for number, (begin, end) in enumerate(itertools.pairwise(cuts)):
        assert splitter.feed(STREAM[begin:end], number, number) == end - begin

    assert [seen.body for seen in splitter.records] == MESSAGES
    assert [seen.length for seen in splitter.records] == [len(each) for each in MESSAGES]
    assert splitter.held == 0


def test_record_has_times_of_first_and_last_byte() -> None:
    splitter, data = RecordSplitter(9999), record(MESSAGES[0])

    splitter.feed(data[:2], 10, 1)
    splitter.feed(data[2:60], 20, 2)
    splitter.feed(data[60:], 30, 3)

    assert splitter.records == [SeenRecord(3, 30, 10, MESSAGES[0], len(MESSAGES[0]))]


def test_only_so_many_bytes_are_kept() -> None:
    splitter = RecordSplitter(64)

    splitter.feed(record(MESSAGES[3], fragment=50), 1, 1)

    (seen,) = splitter.records
    assert (seen.body, seen.length) == (MESSAGES[3][:64], len(MESSAGES[3]))


def test_empty_fragments_are_legal() -> None:
    splitter = RecordSplitter(9999)

    splitter.feed(bytes(4) + record(MESSAGES[1]) + record(MESSAGES[2]), 1, 1)

    assert [seen.body for seen in splitter.records] == [MESSAGES[1], MESSAGES[2]]


@pytest.mark.parametrize("seen", [4, 10, 100])
def test_hole_within_a_record_keeps_step(seen: int) -> None:
    splitter, data = RecordSplitter(9999), record(MESSAGES[3])

    splitter.feed(data[:seen], 1, 1)
    assert splitter.lose(500, 2, 2)
    splitter.feed(data[seen + 500 :] + record(MESSAGES[0]), 3, 3)

    first, second = splitter.records
    assert (first.body, first.length) == (MESSAGES[3][: seen - 4], len(MESSAGES[3]))
    assert second.body == MESSAGES[0]


def test_hole_to_the_end_ends_the_record() -> None:
    splitter, data = RecordSplitter(9999), record(MESSAGES[3])
    splitter.feed(data[:100], 1, 1)

    assert splitter.lose(len(data) - 100, 7, 5)

    assert splitter.records == [SeenRecord(5, 7, 1, MESSAGES[3][:96], len(MESSAGES[3]))]


def test_hole_over_the_end_loses_step() -> None:
    splitter, data = RecordSplitter(9999), record(MESSAGES[3])
    splitter.feed(data[:100], 1, 1)

    assert not splitter.lose(len(data) - 99, 7, 5)

    assert splitter.records == [SeenRecord(5, 7, 1, MESSAGES[3][:96], len(MESSAGES[3]))]


@pytest.mark.parametrize("seen", [b"", b"\x80", record(MESSAGES[0])])
def test_hole_at_a_mark_loses_step(seen: bytes) -> None:
    splitter = RecordSplitter(9999)
    splitter.feed(seen, 1, 1)

    assert not splitter.lose(1, 2, 2)


def test_hole_between_fragments_ends_the_record() -> None:
    splitter = RecordSplitter(9999)
    splitter.feed(record(MESSAGES[3], fragment=500)[:504], 1, 1)

    assert not splitter.lose(10, 2, 2)

    assert [seen.body for seen in splitter.records] == [MESSAGES[3][:500]]


@pytest.mark.parametrize(
    "wrong",
    [
        pack(">I", 0x8000_0000 | MAX_SEEN_RECORD + 1),
        b"GET / HTTP/1.1\r\n\r\n",
        record(pack(">III", 1, 7, 2)),
        bytes(4) * (MAX_SEEN_FRAGMENTS + 1),
    ],
)
def test_other_bytes_lose_step(wrong: bytes) -> None:
    splitter, good = RecordSplitter(9999), record(MESSAGES[0])

    read = splitter.feed(good + wrong, 1, 1)

    assert len(good) <= read < len(good + wrong)
    assert [seen.body for seen in splitter.records] == [MESSAGES[0]]
    assert splitter.held == 0


def test_records_behind_a_search_are_in_doubt() -> None:
    splitter, data = RecordSplitter(9999), record(MESSAGES[0])
    splitter.begin_in_doubt()

    splitter.feed(data + data, 1, 1)
    splitter.feed(data, 1, 1, whole=False)
    for _ in range(MAX_DOUBTFUL):
        splitter.feed(data, 1, 1)

    doubts = [seen.doubt for seen in splitter.records]
    assert doubts[:3] == [Doubt.BEGINS, Doubt.WITHIN, Doubt.WITHIN]
    assert doubts[3:] == [Doubt.BEGINS] * (MAX_DOUBTFUL - 3) + [None] * 3
