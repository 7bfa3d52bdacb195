"""The figures of ``rpcsnoop top``: what was counted since the last refresh."""

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
    """Figures of an interval of some seconds; ``procedures`` and ``clients`` are by call counts.

    ``calls`` counts those since the start; ``dropped`` the frames that the kernel lost since then.
    """

    source: str
    seconds: float
    procedures: list[Row]
    clients: list[Row]
    calls: int
    dropped: int


class TopCounter:
    """Counts messages in one thread, and hands out the figures in another.

    ``_lock`` guards all; a refresh takes what was counted, and counting starts again.
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
    """Replies with an error; calls whose reply is in a later interval are none."""
    return figures.replies - figures.succeeded


def _client(call: RpcMessage) -> str:
    return call.source.host
