"""Figures of calls, at the end."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.cli.rpcsnoop.output import MessageOutput
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.programs import KnownPrograms


class FigureOutput(MessageOutput):
    """The figures of each procedure, at the end."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        super().__init__(request, programs)
        self._statistics = CallStatistics()

    def add(self, message: RpcMessage) -> Iterator[str]:
        """Nothing."""
        self._statistics.add(message)
        yield from ()

    def end(self, tracer: Tracer) -> Iterator[str]:
        """The tables, and what is missing in them."""
        yield from figure_lines(self._statistics, self._programs)
        notes = list(remarks(tracer, self._statistics))
        if notes:
            yield from ("", *notes)
