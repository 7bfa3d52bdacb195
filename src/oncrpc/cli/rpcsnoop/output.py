"""The forms of the output: messages as lines, trees or objects, or figures at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from oncrpc.cli.rpcsnoop.colors import painter, plain, wants_color
from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.cli.rpcsnoop.host_names import HostNames
from oncrpc.cli.rpcsnoop.lines import LineBegin, user_mark
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.cli.rpcsnoop.recent_frames import RecentFrames
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.layers import lines_of
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.objects import json_line
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.tree import tree_lines

SEPARATOR = "_" * 32
"""The line of snoop between messages of many lines."""


class MessageOutput:
    """Takes the chosen messages, and gives the lines that are written."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        self._request, self._programs = request, programs

    def watched(self, frames: Iterable[CapturedFrame]) -> Iterable[CapturedFrame]:
        """The frames of the capture, in which a form may look for more than messages."""
        return frames

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message."""
        raise NotImplementedError

    def end(self, tracer: Tracer) -> Iterator[str]:  # noqa: ARG002
        """The lines at the end of the capture."""
        yield from ()


class LineOutput(MessageOutput):
    """A line of snoop for each message."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        super().__init__(request, programs)
        self._begin = LineBegin(
            request.time, request.spans, name=HostNames() if request.names else str
        )
        colored = wants_color(request.color, sys.stdout)
        self._paint = painter(programs) if colored else plain

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The line of a message."""
        yield self._begin.of(message) + self._words(message, line_of(message, self._programs))

    def _words(self, message: RpcMessage, words: str) -> str:
        user = user_mark(message) if self._request.user else ""
        return self._paint(message, words + user)


class TreeOutput(LineOutput):
    """A line of snoop for each message, and a tree of its fields below."""

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message."""
        yield from super().add(message)
        yield from tree_lines(message, self._programs)
        yield ""


class LayerOutput(LineOutput):
    """A line for each layer of a message, as ``snoop -V`` has them."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        super().__init__(request, programs)
        self._frames = RecentFrames()

    def watched(self, frames: Iterable[CapturedFrame]) -> Iterable[CapturedFrame]:
        """The frames, whose headers are remembered."""
        return self._frames.watched(frames)

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message, all with the same begin."""
        begin = self._begin.of(message)
        *below, last = lines_of(message, self._programs)
        yield SEPARATOR
        for words in (*self._frames.lines(message.number), *below):
            yield begin + words
        yield begin + self._words(message, last)


class ObjectOutput(MessageOutput):
    """A JSON object for each message."""

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The object of a message."""
        yield json_line(message, self._programs)


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


OUTPUTS: dict[str, Callable[[SnoopRequest, KnownPrograms], MessageOutput]] = {
    "lines": LineOutput,
    "tree": TreeOutput,
    "layers": LayerOutput,
    "json": ObjectOutput,
    "stats": FigureOutput,
}
"""The forms of a request, and what writes each."""
