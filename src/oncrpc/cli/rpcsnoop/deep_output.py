"""Messages with details: a tree of the fields, or a line for each layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oncrpc.cli.rpcsnoop.line_output import LineOutput
from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.cli.rpcsnoop.recent_frames import RecentFrames
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.layers import lines_of
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.tree import tree_lines

SEPARATOR = "_" * 32
"""The line of snoop between messages of many lines."""


class TreeOutput(LineOutput):
    """A line of snoop for each message, and a tree of its fields below."""

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message."""
        yield from super().add(message)
        yield from tree_lines(message, self._programs)
        yield ""


class LayerOutput(LineOutput):
    """A line for each layer of a message, as in ``snoop -V``."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        super().__init__(request, programs)
        self._frames = RecentFrames()

    def watched(self, frames: Iterable[CapturedFrame]) -> Iterable[CapturedFrame]:
        """The same frames; their headers are remembered."""
        return self._frames.watched(frames)

    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message, all with the same beginning."""
        begin = self._begin.of(message)
        *below, last = lines_of(message, self._programs)
        yield SEPARATOR
        for words in (*self._frames.lines(message.number), *below):
            yield begin + words
        yield begin + self._words(message, last)
