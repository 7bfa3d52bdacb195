"""Statistics of calls, written at the end (``--stats``)."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.cli.rpcsnoop.groups import GroupedStatistics, group_lines, label_of
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.cli.rpcsnoop.output import MessageOutput
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.reply_outcomes import outcome_with_status


class FigureOutput(MessageOutput):
    """The figures of each procedure, or with ``--by`` of each group."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        super().__init__(request, programs)

        def outcome(reply: RpcMessage) -> str:
            return outcome_with_status(reply, programs)

        self._groups: GroupedStatistics | None = None
        if request.by:
            label = label_of(request.by, request.files)
            self._groups = GroupedStatistics(label, outcome=outcome)
        self._statistics = self._groups or CallStatistics(outcome=outcome)

    def add(self, message: RpcMessage) -> Iterator[str]:
        """Count a message; there are no lines yet."""
        self._statistics.add(message)
        yield from ()

    def end(self, tracer: Tracer) -> Iterator[str]:
        """The tables, and remarks on what is missing in them."""
        if self._groups is None:
            yield from figure_lines(self._statistics, self._programs)
        else:
            yield from group_lines(self._request.by, self._groups)
        notes = list(remarks(tracer, self._statistics))
        if notes:
            yield from ("", *notes)
