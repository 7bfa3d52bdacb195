"""The fast path finds the same messages as ``Tracer``, which defines them."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import BinaryIO, cast

import pytest
from fuzz.captures import make

from oncrpc.snoop.capture.files import batches_of, frames_of
from oncrpc.snoop.capture.frames import CaptureDamaged
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.matching import KnownCall, KnownReply
from oncrpc.snoop.streams.sinks import SinkTracer
from oncrpc.snoop.streams.tracer import Tracer
from support.captured import UP, pcap
from support.conversations import Connection, call, damaged_captures, datagram, record, reply

CAPTURES = sorted((Path(__file__).parents[2] / "captures").rglob("*.pcap*"))


class Collected:
    """A sink that keeps all messages; ``short`` counts those that came by the short way."""

    def __init__(self) -> None:
        self.messages: list[RpcMessage] = []
        self.short = 0

    def call(self, call: KnownCall) -> None:
        self.short += 1
        self.messages.append(call.call)

    def reply(self, reply: KnownReply) -> None:
        self.short += 1
        self.messages.append(reply.message)

    def message(self, message: RpcMessage) -> None:
        self.messages.append(message)


def shown(message: RpcMessage) -> tuple[object, ...]:
    """All that is known of a message, so that two can be compared."""
    return (*message._replace(call=None), message.call and message.call.number)


def opened(data: bytes) -> BinaryIO:
    return cast(BinaryIO, io.BytesIO(data))


def check(data: bytes, *, keep: int = 100) -> Collected:
    """Read a capture both ways, and compare all that is known then."""
    found, sink = list[RpcMessage](), Collected()
    slow, quick = Tracer(keep=keep), SinkTracer(sink, keep=keep)
    damaged = [False, False]
    try:
        found.extend(slow.messages(frames_of(opened(data))))
    except CaptureDamaged:
        damaged[0] = True
    try:
        quick.trace(batches_of(opened(data)))
    except CaptureDamaged:
        damaged[1] = True

    assert [shown(each) for each in sink.messages] == [shown(each) for each in found]
    assert damaged[0] == damaged[1]
    counts = [
        (each.frames, each.unreadable, each.lost, each.held, each.matcher.dropped,
         each.matcher.forgotten, each.dissector.ignored, each.dissector.malformed)
        for each in (slow, quick)
    ]  # fmt: skip
    assert counts[0] == counts[1]
    unanswered = [[call.number for call in each.matcher.unanswered()] for each in (slow, quick)]
    assert unanswered[0] == unanswered[1]
    return sink


def file_of(connection: Connection) -> bytes:
    return pcap((frame.time, frame.data) for frame in connection.captured())


def test_ordinary_messages_take_the_short_way() -> None:
    connection = Connection()
    connection.exchange(1, bytes(100), bytes(200))
    connection.exchange(2, bytes(9000), bytes(40_000))
    connection.send(record(call(3)) + record(call(4)))
    connection.send(record(reply(4)) + record(reply(3)), up=False)

    assert check(file_of(connection)).short == 8


def test_datagrams_take_the_short_way() -> None:
    frames = [(1, datagram(call(1))), (2, datagram(reply(1), UP.back()))]

    assert check(pcap(frames)).short == 2


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_recorded_captures_are_read_alike(path: Path) -> None:
    check(path.read_bytes())


def test_random_captures_are_read_alike() -> None:
    for seed in range(60):
        check(make(Random(seed)))


@pytest.mark.slow
def test_many_random_captures_are_read_alike() -> None:
    for seed in range(60, 3000):
        check(make(Random(seed)))


@pytest.mark.slow
def test_connections_with_gaps_are_read_alike() -> None:
    for capture in damaged_captures(300):
        check(capture)
