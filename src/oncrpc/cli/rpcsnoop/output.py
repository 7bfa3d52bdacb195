"""The forms of the output; only the module of the requested form is loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
"""The class that writes each form."""


class MessageOutput(ABC):
    """Turns the chosen messages into lines."""

    def __init__(self, request: SnoopRequest, programs: KnownPrograms) -> None:
        self._request, self._programs = request, programs

    def watched(self, frames: Iterable[CapturedFrame]) -> Iterable[CapturedFrame]:
        """The same frames; a form may also read frames themselves."""
        return frames

    @abstractmethod
    def add(self, message: RpcMessage) -> Iterator[str]:
        """The lines of a message."""

    def end(self, tracer: Tracer) -> Iterator[str]:  # noqa: ARG002
        """The lines at the end of the capture."""
        yield from ()


def output_of(request: SnoopRequest, programs: KnownPrograms) -> MessageOutput:
    """The output in the requested form."""
    module, _, name = OUTPUTS[request.form].partition(".")
    made: MessageOutput = getattr(import_module(f"oncrpc.cli.rpcsnoop.{module}"), name)(
        request, programs
    )
    return made
