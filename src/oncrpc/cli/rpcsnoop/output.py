"""The forms of the output: messages as lines, trees or objects, or figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.cli.rpcsnoop.lines import LineBegin, user_mark
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.objects import json_line
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.tree import tree_lines


class MessageOutput(Protocol):
    """Takes the chosen messages, and gives the lines that are written."""

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message."""
        ...

    def end(self, tracer: Tracer) -> Iterator[str]:
        """The lines at the end of the capture."""
        ...


class LineOutput:
    """A line of snoop for each message, with a tree below it if the request wants one."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        self._programs = programs
        self._begin = LineBegin(request.time, request.spans)
        self._user, self._tree = request.user, request.form == "tree"

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message."""
        user = user_mark(message) if self._user else ""
        yield self._begin.of(message) + line_of(message, self._programs) + user
        if self._tree:
            yield from tree_lines(message, self._programs)
            yield ""

    def end(self, _: Tracer) -> Iterator[str]:
        """Nothing."""
        yield from ()


class ObjectOutput:
    """A JSON object for each message."""

    def __init__(self, _: SnoopRequest, programs: KnownPrograms) -> None:
        self._programs = programs

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The object of a message."""
        yield json_line(message, self._programs)

    def end(self, _: Tracer) -> Iterator[str]:
        """Nothing."""
        yield from ()


class FigureOutput:
    """The figures of each procedure, at the end."""

    def __init__(self, _: SnoopRequest, programs: KnownPrograms) -> None:
        self._programs = programs
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


OUTPUTS: dict[str, Callable[[SnoopRequest, KnownPrograms], MessageOutput]] = {
    "lines": LineOutput,
    "tree": LineOutput,
    "json": ObjectOutput,
    "stats": FigureOutput,
}
"""The forms of a request, and what writes each."""
