"""Record marking (RFC 5531 §11)."""

from __future__ import annotations

import time
import tracemalloc
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import ProtocolError
from oncrpc.rpc.record import LAST_FRAGMENT, RecordReader, encode_record
from support.declared import typed_bytes
from support.words import words

messages = typed_bytes.map(lambda typed: typed[1]) | st.binary(max_size=50)


@st.composite
def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes, cut at any places; some pieces are empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


def in_fragments(pieces: list[bytes]) -> bytes:
    """A record of one fragment a piece."""
    last = len(pieces) - 1
    headers = [len(piece) | (LAST_FRAGMENT if at == last else 0) for at, piece in enumerate(pieces)]
    return b"".join(words(header, piece) for header, piece in zip(headers, pieces, strict=True))


def fed(reader: RecordReader, pieces: list[bytes]) -> list[bytes]:
    """The records, read after each piece."""
    found: list[bytes] = []
    for piece in pieces:
        reader.feed(piece)
        found += reader.records()
    return found


def test_a_message_is_one_last_fragment() -> None:
    assert encode_record(b"abcde") == words(0x80000005, b"abcde")


@pytest.mark.slow
@given(st.lists(messages, max_size=4), st.data())
def test_a_record_survives_any_cut(records: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(in_fragments(data.draw(pieces_of(record))) for record in records)

    found = fed(RecordReader(), data.draw(pieces_of(wire)))

    assert found == records


@pytest.mark.slow
@given(st.lists(messages, min_size=1, max_size=4))
def test_records_are_the_same_byte_by_byte(records: list[bytes]) -> None:
    wire = b"".join(map(encode_record, records))

    assert fed(RecordReader(), [wire[at : at + 1] for at in range(len(wire))]) == records


@pytest.mark.slow
@given(st.lists(messages, min_size=1, max_size=5), st.integers(0, 5))
def test_reading_may_be_left_and_gone_on_with(records: list[bytes], first: int) -> None:
    reader = RecordReader()
    reader.feed(b"".join(map(encode_record, records)))

    before = list(islice(reader.records(), first))
    reader.feed(encode_record(b"later"))
    after = list(reader.records())

    assert [*before, *after] == [*records, b"later"]


@pytest.mark.slow
@given(st.lists(messages, max_size=5), st.data())
def test_records_survive_a_change_of_reader(records: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(in_fragments(data.draw(pieces_of(record))) for record in records)
    reader, found = RecordReader(), list[bytes]()

    for piece in data.draw(pieces_of(wire)):
        reader.feed(piece)
        found += islice(reader.records(), data.draw(st.integers(0, 3)))
        if data.draw(st.booleans()):
            successor = RecordReader()
            successor.feed(reader.unread)
            reader = successor
    found += reader.records()

    assert (found, reader.within_record, reader.held) == (records, False, 0)


def test_fragments_of_length_zero_are_legal() -> None:
    wire = words(0, 0, 2, b"ab", 0, 0x80000000)

    assert fed(RecordReader(), [wire]) == [b"ab"]


def test_an_empty_record_is_a_record() -> None:
    assert fed(RecordReader(), [words(0x80000000, 0x80000000)]) == [b"", b""]


def test_only_unfinished_records_are_held() -> None:
    reader = RecordReader()
    held = []

    for piece in (words(2, b"ab"), words(1), b"c", words(0x80000001), b"d", words(0x80000001)[:3]):
        reader.feed(piece)
        list(reader.records())
        held.append(reader.held)

    assert held == [2, 2 + 4, 3, 3 + 4, 0, 3]


def test_forgotten_record_is_not_continued() -> None:
    reader = RecordReader()
    for piece in (words(2, b"ab"), words(0x80000002, b"c")):
        reader.feed(piece)
        assert list(reader.records()) == []

    reader.forget()

    assert (reader.held, reader.within_record) == (0, False)
    assert fed(reader, [encode_record(b"de")]) == [b"de"]


def test_small_fragments_take_only_their_bytes() -> None:
    small = words(2, b"ab") * 1000
    tracemalloc.start()
    reader = RecordReader()
    reader.feed(small)
    list(reader.records())
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size < 3 * len(small)


def test_a_record_at_the_bounds_is_read() -> None:
    reader = RecordReader(max_record=4, max_fragments=2)

    assert fed(reader, [words(2, b"ab", 0x80000002, b"cd") * 2]) == [b"abcd", b"abcd"]


@pytest.mark.parametrize("wire", [words(0x80000005), words(5), words(3, b"abc", 0x80000002)])
def test_a_header_beyond_the_bound_is_refused(wire: bytes) -> None:
    reader = RecordReader(max_record=4)

    with pytest.raises(ProtocolError, match="a record of over 4 bytes"):
        fed(reader, [wire])


def test_too_many_fragments_are_refused() -> None:
    reader = RecordReader(max_fragments=3)
    reader.feed(words(0, 0, 0, 0x80000000))

    with pytest.raises(ProtocolError, match="a record of over 3 fragments"):
        list(reader.records())


def test_a_stream_that_was_refused_stays_refused() -> None:
    reader = RecordReader(max_record=4)
    with pytest.raises(ProtocolError):
        fed(reader, [words(5)])

    with pytest.raises(ProtocolError):
        fed(reader, [encode_record(b"good")])


def test_records_before_a_bad_one_are_read() -> None:
    reader = RecordReader(max_record=4)
    reader.feed(encode_record(b"good") + words(5))
    records = reader.records()

    assert next(records) == b"good"
    with pytest.raises(ProtocolError):
        next(records)


def test_the_reader_knows_when_within_a_record() -> None:
    reader = RecordReader()
    within = [reader.within_record]

    for piece in (b"\0\0", b"\0\2ab", words(0x80000001), b"c"):
        reader.feed(piece)
        list(reader.records())
        within.append(reader.within_record)

    assert within == [False, True, True, True, False]


def seconds_to_read(wire: bytes, step: int) -> float:
    """The least of three, since other work on the machine only ever adds."""

    def once() -> float:
        start = time.perf_counter()
        fed(RecordReader(), [wire[at : at + step] for at in range(0, len(wire), step)])
        return time.perf_counter() - start

    return min(once() for _ in range(3))


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 100, 1 << 20])
@pytest.mark.parametrize("size", [None, 12], ids=["one record", "many records"])
def test_reading_takes_time_in_proportion_to_the_bytes(size: int | None, step: int) -> None:
    def wire(total: int) -> bytes:
        return encode_record(bytes(size or total)) * (total // (size or total))

    short, long = seconds_to_read(wire(1 << 12), step), seconds_to_read(wire(1 << 16), step)

    assert long < 80 * short + 0.01


@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(0, 200))
def test_unread_bytes_bring_another_reader_level(messages: list[bytes], place: int) -> None:
    """Of two fragments each, cut anywhere."""
    wire = b"".join(len(m[:5]).to_bytes(4, "big") + m[:5] + encode_record(m[5:]) for m in messages)
    first, second = RecordReader(), RecordReader()
    first.feed(wire[:place])
    read = list(first.records())

    second.feed(first.unread + wire[place:])

    assert read + list(second.records()) == messages
