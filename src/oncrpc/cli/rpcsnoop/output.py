"""The forms of the output. Only the module of the form that is wanted is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module

from oncrpc.cli.rpcsnoop.options import SnoopRequest
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.programs import KnownPrograms

OUTPUTS = {
    "lines": "line_output.LineOutput",
    "tree": "deep_output.TreeOutput",
    "layers": "deep_output.LayerOutput",
    "json": "object_output.ObjectOutput",
    "stats": "figure_output.FigureOutput",
}
"""The forms of a request, and the class that writes each."""


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


def output_of(request: SnoopRequest, programs: KnownPrograms) -> MessageOutput:
    """What writes the form that is wanted."""
    module, _, name = OUTPUTS[request.form].partition(".")
    made: MessageOutput = getattr(import_module(f"oncrpc.cli.rpcsnoop.{module}"), name)(
        request, programs
    )
    return made
