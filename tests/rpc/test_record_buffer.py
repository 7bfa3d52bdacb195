"""Records that are read where they were received."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.errors import LimitExceeded
from oncrpc.rpc.record import encode_record
from oncrpc.rpc.record_buffer import LONG, SHORT, VIEW, RecordBuffer, Spares
from support.words import words

MOST = 1 << 20
ROOM = 96 << 10
SIZES = (0, 1, 100, VIEW - 1, VIEW, SHORT, LONG, LONG + 1, 3 * LONG, MOST)


class Connection:
    """Receives into a room that is used for others in between, as a server does."""

    def __init__(self) -> None:
        self.room = memoryview(bytearray(ROOM))
        self.spares = Spares()
        self.buffer = RecordBuffer(max_record=MOST, spares=self.spares)
        self.found = list[bytes]()

    def receive(self, data: bytes, *, most: int = 1 << 30) -> bytes:
        """Take what has room; answer at most so many records. Returns the rest."""
        place = self.buffer.place(self.room)
        count = min(len(place), len(data))
        place[:count] = data[:count]
        self.buffer.arrived(place[:count])
        self.answer(most)
        self.buffer.keep_rest()
        self.room[:] = bytes(ROOM)
        return data[count:]

    def answer(self, most: int) -> None:
        messages = self.buffer.messages()
        for _ in range(most):
            message = next(messages, None)
            if message is None:
                return
            self.found.append(bytes(message))


def fragments(message: bytes, cut: int) -> bytes:
    """A record of two fragments."""
    return (
        words(cut, message[:cut]) + encode_record(message[cut:])
        if 0 < cut < len(message)
        else (encode_record(message))
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(SIZES), st.sampled_from([0, 0, 0, 7])), max_size=8),
    st.lists(st.integers(1, 200_000), max_size=12),
    st.integers(0, 3),
)
def test_any_cutting_gives_the_same_records(
    records: list[tuple[int, int]], cuts: list[int], most: int
) -> None:
    sent = [bytes([number]) * size for number, (size, _) in enumerate(records)]
    wire = b"".join(
        fragments(message, cut * 4) for message, (_, cut) in zip(sent, records, strict=True)
    )
    connection = Connection()

    for cut in [*cuts, len(wire)]:
        piece, wire = wire[:cut], wire[cut:]
        while piece:
            piece = connection.receive(piece, most=most)
    connection.answer(len(sent))

    assert connection.found == sent
    assert not connection.buffer.within_record


def test_rest_of_a_long_record_is_received_directly() -> None:
    connection = Connection()
    wire = encode_record(bytes(LONG))

    rest = connection.receive(wire[: LONG // 2])

    assert not rest
    assert len(connection.buffer.place(connection.room)) == len(wire) - LONG // 2
    assert connection.buffer.unread == wire[: LONG // 2]


def test_records_answered_while_nothing_arrives_are_gone() -> None:
    connection = Connection()
    sent = [bytes([number]) * SHORT for number in range(4)]
    connection.receive(b"".join(map(encode_record, sent[:2])), most=0)

    connection.buffer.place(connection.room)
    connection.answer(2)
    connection.receive(b"".join(map(encode_record, sent[2:])))

    assert connection.found == sent


def test_header_alone_gets_no_memory() -> None:
    connection = Connection()

    connection.receive(encode_record(bytes(MOST))[:1000])

    assert connection.buffer.held == 1000
    assert connection.buffer.within_record


def test_memory_of_a_long_record_is_used_again() -> None:
    connection, other = Connection(), Connection()
    other.buffer = RecordBuffer(max_record=MOST, spares=connection.spares)
    wire = encode_record(bytes(3 * LONG))

    for each in (connection, other):
        rest = wire
        while rest:
            rest = each.receive(rest)
        assert len(each.found) == 1
        assert each.buffer.held == 0


def test_longer_record_than_the_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        Connection().receive(encode_record(bytes(MOST + 1))[:ROOM])


def test_forgotten_bytes_are_gone() -> None:
    connection = Connection()
    connection.receive(encode_record(bytes(LONG))[: LONG // 2])

    connection.buffer.forget()

    assert (connection.buffer.held, connection.buffer.unread) == (0, b"")
    assert not connection.buffer.within_record
