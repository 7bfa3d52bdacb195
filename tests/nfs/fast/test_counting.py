"""Counting the calls that are answered at once."""

from __future__ import annotations

from oncrpc.nfs.fast.counting import FastCalls, FastCounts
from support.exported import TCP


class Reader:
    """Takes what was counted."""

    def __init__(self) -> None:
        self.calls, self.times = list[FastCalls](), list[tuple[int, float]]()

    def counted(self, calls: FastCalls) -> None:
        self.calls.append(calls)

    def took(self, count: int, seconds: float) -> None:
        self.times.append((count, seconds))


def test_calls_are_reported_once_with_their_time() -> None:
    reader = Reader()
    counts = FastCounts(reader)
    tally = counts.of(TCP)
    tally[1], tally[3] = 3, 1
    counts.took(4, 2.0)

    counts.settle()
    counts.settle()

    assert reader.calls == [FastCalls(TCP, 1, 3, 1.5), FastCalls(TCP, 3, 1, 0.5)]
    assert reader.times == [(4, 2.0)]


def test_ended_connection_is_counted_and_forgotten() -> None:
    reader = Reader()
    counts = FastCounts(reader)
    tally = counts.of(TCP)
    tally[0] = 1

    counts.end(TCP)
    tally[0] = 1
    counts.settle()

    assert [each.calls for each in reader.calls] == [1]
