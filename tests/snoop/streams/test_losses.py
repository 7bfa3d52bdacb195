"""Lost segments: a flow is in step again within two records, and no call is invented."""

from __future__ import annotations

import os
from functools import cache
from random import Random

import pytest

from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.tracer import Tracer
from support.conversations import RandomConnection

GAPS = int(os.environ.get("ONCRPC_GAPS", "10000"))
CONNECTIONS = 100
ALLOWED = 2
"""Records behind a gap that may be missed."""


@cache
def connections() -> list[RandomConnection]:
    return [RandomConnection(Random(number)) for number in range(CONNECTIONS)]


def traced(frames: list[CapturedFrame]) -> list[RpcMessage]:
    return list(Tracer().messages(iter(frames)))


def check(connection: RandomConnection, gap: list[CapturedFrame], found: list[RpcMessage]) -> None:
    """Nothing is seen that was not sent, and nearly all is seen that does not touch the gap.

    A reply to a call that was not seen does not count.
    """
    calls = {message.xid for message in found if message.is_call}
    for up, sent in connection.sent.items():
        places = [connection.place_of(frame) for frame in gap]
        lost = [(begin, end) for direction, begin, end in places if direction is up]
        seen = {message.xid: message for message in found if message.is_call is up}
        assert len(seen) == sum(message.is_call is up for message in found)
        by_xid = {int.from_bytes(message[:4], "big"): message for message in sent.messages}
        for xid, message in seen.items():
            assert by_xid[xid].startswith(message.body)
            assert message.length <= len(by_xid[xid])
        missed = [
            begin
            for message, begin in zip(sent.messages, sent.begins, strict=True)
            if (xid := int.from_bytes(message[:4], "big")) not in seen and (up or xid in calls)
        ]
        if not lost:
            assert missed == []
            continue
        begin, end = lost[0][0], lost[-1][1]
        touched = [at for at in sent.begins if at < end]
        assert all(at >= max((t for t in touched if t <= begin), default=0) for at in missed)
        assert sum(at >= end for at in missed) <= ALLOWED


def test_all_is_seen_without_a_loss() -> None:
    for connection in connections():
        check(connection, [], traced(connection.captured))


@pytest.mark.slow
def test_any_lost_segment_is_survived() -> None:
    for connection in connections():
        for number, frame in enumerate(connection.captured):
            if len(frame.data) > 54:
                rest = connection.captured[:number] + connection.captured[number + 1 :]
                check(connection, [frame], traced(rest))


@pytest.mark.slow
def test_random_gaps_are_survived() -> None:
    source = Random(5531)
    for _ in range(GAPS):
        connection = source.choice(connections())
        frames = connection.captured
        begin = source.randrange(3, len(frames))
        end = min(len(frames), begin + source.choice((1, 1, 2, 5, 20)))
        gap = [frame for frame in frames[begin:end] if len(frame.data) > 54]

        check(connection, gap, traced(frames[:begin] + frames[end:]))


@pytest.mark.slow
def test_capture_may_begin_anywhere() -> None:
    for connection in connections():
        for begin in range(3, len(connection.captured)):
            gap = [frame for frame in connection.captured[:begin] if len(frame.data) > 54]

            check(connection, gap, traced(connection.captured[begin:]))
