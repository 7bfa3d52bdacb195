"""Finding a record among other bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.streams.recognition import CALL
from oncrpc.snoop.streams.search import MAX_SEARCHED, Arrival, StepSearch
from support.conversations import call, record, reply

ONE, TWO = record(call(1, b"argument")), record(call(2, bytes(200)))
LARGE = record(call(3, bytes(100_000)))


def nothing(kind: int, xid: int, prog: int, vers: int) -> bool:
    return False


def calls(kind: int, xid: int, prog: int, vers: int) -> bool:
    return (kind, prog, vers) == (CALL, 100003, 3)


def found(*segments: bytes, search: StepSearch | None = None) -> bytes | None:
    """What is found in segments: the bytes from the record on."""
    search = search or StepSearch(nothing)
    for number, segment in enumerate(segments):
        if arrivals := search.feed(segment, number, number):
            assert search.held == 0
            return b"".join(arrival.data for arrival in arrivals)
    return None


@pytest.mark.parametrize("message", [ONE, record(reply(9, bytes(50)))])
def test_record_that_fills_a_segment_is_found(message: bytes) -> None:
    assert found(b"tail of another", message) == message


def test_record_at_the_begin_waits_for_its_end() -> None:
    assert found(TWO[:100]) is None
    assert found(TWO[:100], TWO[100:]) == TWO


def test_record_within_a_segment_waits_for_another() -> None:
    assert found(b"tail" + ONE) is None
    assert found(b"tail" + ONE, TWO) == ONE + TWO


def test_record_before_other_bytes_is_not_believed() -> None:
    assert found(b"tail" + ONE + b"more data of a file") is None
    assert found(ONE + b"more data of a file", TWO) == TWO


def test_two_records_within_a_segment_are_found() -> None:
    assert found(b"tail" + ONE + TWO) == ONE + TWO


def test_fragments_of_a_record_are_followed() -> None:
    split = record(call(1, bytes(200)), fragment=50)

    assert found(b"tail" + split + ONE) == split + ONE


def test_large_record_at_begin_needs_known_program() -> None:
    pieces = [LARGE[at : at + 1000] for at in range(0, len(LARGE), 1000)]

    assert found(*pieces[:-1], search=StepSearch(nothing)) is None
    begin = found(*pieces[:-1], search=StepSearch(calls))
    assert begin is not None
    assert LARGE.startswith(begin)
    assert MAX_SEARCHED <= len(begin) < MAX_SEARCHED + 1000


def test_large_record_within_a_segment_is_passed_over() -> None:
    search = StepSearch(calls)

    assert found(b"tail" + LARGE, TWO, search=search) == TWO


def test_arrivals_have_times_and_places() -> None:
    search = StepSearch(nothing)
    search.feed(b"tail" + ONE[:20], 10, 1)
    search.feed(ONE[20:], 20, 2)

    assert search.feed(TWO, 30, 3) == [
        Arrival(10, 1, ONE[:20], whole=False),
        Arrival(20, 2, ONE[20:], whole=True),
        Arrival(30, 3, TWO, whole=True),
    ]


def test_record_may_end_in_bytes_not_captured() -> None:
    search = StepSearch(nothing)

    (found,) = search.feed(TWO[:100], 1, 1, missing=len(TWO) - 100)

    assert found == Arrival(1, 1, TWO[:100])
    assert search.feed(TWO[:100], 1, 1, missing=len(TWO) - 99) == []


def test_lost_bytes_begin_a_new_search() -> None:
    search = StepSearch(nothing)
    search.feed(TWO[:100], 1, 1)

    search.forget()

    assert found(TWO[100:], ONE, search=search) == ONE


@pytest.mark.parametrize("data", [bytes(1000), b"\0\0\0\1" * 250, b"text" * 250, b"\xff" * 1000])
def test_other_bytes_are_not_kept(data: bytes) -> None:
    search = StepSearch(nothing)

    for _ in range(100):
        assert search.feed(data, 1, 1) == []

    assert search.held < 50


def test_undecided_candidates_are_bounded() -> None:
    search, claim = StepSearch(nothing), record(call(1, bytes(60_000)))[:200]

    for _ in range(500):
        search.feed(claim + bytes(800), 1, 1)

    assert search.held < MAX_SEARCHED + 1000


@given(st.binary(max_size=40), st.integers(1, 60))
def test_record_is_found_however_cut(before: bytes, size: int) -> None:
    stream = before + TWO + ONE + TWO
    segments = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert found(*segments, ONE) is not None
