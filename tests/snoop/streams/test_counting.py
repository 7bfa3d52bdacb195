"""Messages counted in place have the same figures as those of ``Tracer``."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from random import Random
from struct import pack
from typing import BinaryIO, cast

import pytest
from fuzz.captures import make

from oncrpc.snoop.capture.files import batches_of, frames_of
from oncrpc.snoop.capture.frames import CaptureDamaged
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams import counting, matching
from oncrpc.snoop.streams.counting import FLUSH, CountingTracer
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.reply_outcomes import STATUS_FIRST, outcome_with_status
from support.captured import UP, pcap
from support.conversations import (
    Connection,
    call,
    damaged_captures,
    datagram,
    record,
    reply,
)

CAPTURES = sorted((Path(__file__).parents[2] / "captures").rglob("*.pcap*"))
QUANTILES = (0.5, 0.9, 0.99)


class NotedStatistics(CallStatistics):
    """Statistics that note how many messages were not counted in place."""

    added = 0

    def add(self, message: RpcMessage) -> None:
        self.added += 1
        super().add(message)


def statistics() -> NotedStatistics:
    programs = KnownPrograms()
    return NotedStatistics(
        outcome=lambda reply: outcome_with_status(reply, programs), status_first=STATUS_FIRST
    )


def shown(counted: CallStatistics) -> list[tuple[object, ...]]:
    """All that is counted, so that two can be compared."""
    return [
        (
            key, each.calls, each.retransmissions, each.replies, each.duplicates,
            each.call_bytes, each.reply_bytes, each.outcomes,
            *((times.count, times.total, times.minimum, times.maximum,
               *map(times.quantile, QUANTILES)) for times in (each.service, each.transfer)),
        )
        for key, each in counted.figures()
    ] + [(counted.unmatched,)]  # fmt: skip


def check(data: bytes, *, keep: int = 100) -> NotedStatistics:
    """Count a capture both ways, and compare all that is known then."""
    slow, quick = statistics(), statistics()
    tracer, in_place = Tracer(keep=keep), CountingTracer(quick, keep=keep)
    with suppress(CaptureDamaged):
        for message in tracer.messages(frames_of(cast(BinaryIO, io.BytesIO(data)))):
            slow.add(message)
    with suppress(CaptureDamaged):
        in_place.trace(batches_of(cast(BinaryIO, io.BytesIO(data))))

    assert shown(quick) == shown(slow)
    counts = [
        (each.frames, each.unreadable, each.lost, each.held, each.matcher.dropped,
         each.matcher.forgotten, each.matcher.pending.cost, each.matcher.answered.cost)
        for each in (tracer, in_place)
    ]  # fmt: skip
    assert counts[0] == counts[1]
    unanswered = [
        [call.number for call in each.matcher.unanswered()] for each in (tracer, in_place)
    ]
    assert unanswered[0] == unanswered[1]
    return quick


def unanswered(tracer: Tracer) -> list[int]:
    return [call.number for call in tracer.matcher.unanswered()]


def file_of(connection: Connection) -> bytes:
    return pcap((frame.time, frame.data) for frame in connection.captured())


def exchanges(count: int) -> Connection:
    connection = Connection()
    for xid in range(1, count + 1):
        connection.exchange(xid, bytes(100), bytes(200))
    return connection


def test_ordinary_messages_are_counted_in_place() -> None:
    connection = exchanges(1)
    connection.exchange(2, bytes(9000), bytes(40_000))
    connection.exchange(3, bytes(100_000), bytes(100_000))
    connection.send(record(call(4)) + record(call(5)))
    connection.send(record(reply(5)) + record(reply(4)), up=False)

    assert check(file_of(connection)).added == 0


def test_refusal_in_two_segments_is_a_reply() -> None:
    connection = Connection()
    connection.send(record(call(1)))
    connection.send(record(pack(">IIIIII", 1, 1, 1, 0, 2, 2)), up=False, size=20)

    ((_, figures),) = check(file_of(connection)).figures()

    assert (figures.calls, figures.outcomes) == (1, {"RPC_MISMATCH": 1})


def test_datagrams_are_counted_in_place() -> None:
    frames = [(1, datagram(call(1))), (2, datagram(reply(1), UP.back()))]

    assert check(pcap(frames)).added == 0


def test_retransmission_of_a_counted_call_is_recognised() -> None:
    connection = Connection()
    connection.send(record(call(1)))
    connection.send(record(call(1)))
    connection.send(record(reply(1)), up=False)
    connection.send(record(call(1)))

    ((_, figures),) = check(file_of(connection)).figures()

    assert (figures.calls, figures.retransmissions, figures.replies) == (1, 2, 1)


def test_second_reply_to_a_counted_call_is_duplicate() -> None:
    connection = exchanges(1)
    connection.send(record(reply(1)), up=False)

    ((_, figures),) = check(file_of(connection)).figures()

    assert (figures.replies, figures.duplicates) == (1, 1)


@pytest.mark.parametrize("name", ["MAX_PENDING", "MAX_PENDING_BYTES"])
def test_unanswered_calls_are_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (matching, counting):
        monkeypatch.setattr(module, name, 8 if name == "MAX_PENDING" else 8000)
    connection = Connection()
    for xid in range(1, 50):
        connection.send(record(call(xid)))

    check(file_of(connection))


def test_answered_calls_are_forgotten_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "GENERATION", 3)
    connection = exchanges(20)
    for xid in range(1, 21):
        connection.send(record(reply(xid)), up=False)

    check(file_of(connection))


def test_collected_values_are_counted_after_some_bytes() -> None:
    counted = statistics()
    tracer, data = CountingTracer(counted), file_of(exchanges(1))
    for batch, places in batches_of(cast(BinaryIO, io.BytesIO(data))):
        tracer.read(batch, places)
    counter = counted.counter(100003, 3, 1)
    assert counter.calls

    tracer.read(bytes(FLUSH), ())

    assert not counter.calls


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recorded_captures_are_counted_alike(path: Path) -> None:
    check(path.read_bytes())


def test_random_captures_are_counted_alike() -> None:
    for seed in range(40):
        check(make(Random(seed)))


@pytest.mark.slow
def test_many_random_captures_are_counted_alike() -> None:
    for seed in range(40, 400):
        check(make(Random(seed)))


@pytest.mark.slow
def test_connections_with_gaps_are_counted_alike() -> None:
    for capture in damaged_captures(100):
        check(capture)
