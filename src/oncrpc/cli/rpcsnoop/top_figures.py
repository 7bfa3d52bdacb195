"""The figures of ``rpcsnoop top``: the counts since the last refresh."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from oncrpc.cli.rpcsnoop.figures import Row, rows_of
from oncrpc.cli.rpcsnoop.groups import GroupedStatistics
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics, ProcedureFigures
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.reply_outcomes import outcome_with_status


class TopFigures(NamedTuple):
    """Figures of an interval; ``procedures`` and ``clients`` begin with those with the most calls.

    ``calls`` and ``dropped`` count calls and dropped frames since the start.
    """

    source: str
    seconds: float
    procedures: list[Row]
    clients: list[Row]
    calls: int
    dropped: int


class TopCounter:
    """Counts messages in one thread, and returns the figures in another.

    ``_lock`` guards the counts; ``take`` returns them and starts again at 0.
    """

    def __init__(self, source: str, programs: KnownPrograms, *, clock: Callable[[], float]) -> None:
        self._source, self._programs, self._clock = source, programs, clock
        self._lock = threading.Lock()
        self._calls = 0
        self._since = clock()
        self._start()

    def _start(self) -> None:
        self._procedures = CallStatistics(outcome=self._outcome)
        self._clients = GroupedStatistics(_client, outcome=self._outcome)

    def _outcome(self, reply: RpcMessage) -> str:
        return outcome_with_status(reply, self._programs)

    def add(self, messages: Iterable[RpcMessage]) -> None:
        """Count messages."""
        with self._lock:
            for message in messages:
                self._procedures.add(message)
                self._clients.add(message)

    def take(self, dropped: int) -> TopFigures:
        """The figures since the last time."""
        with self._lock:
            procedures, clients = self._procedures, self._clients
            before, self._since = self._since, self._clock()
            self._start()
        rows = sorted(rows_of(procedures, self._programs), key=lambda row: (-row[1].calls, row[0]))
        self._calls += sum(figures.calls for _, figures in rows)
        return TopFigures(
            self._source, self._since - before, rows, clients.rows(), self._calls, dropped
        )


def errors_of(figures: ProcedureFigures) -> int:
    """The number of replies with an error; a call without a reply yet is not an error."""
    return figures.replies - figures.succeeded


def _client(call: RpcMessage) -> str:
    return call.source.host
