"""The lines of a capture, without building messages for most of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache

from oncrpc.cli.command import Failure
from oncrpc.cli.rpcsnoop.lines import LineBegin
from oncrpc.snoop.capture.frames import CaptureDamaged, FramePlace
from oncrpc.snoop.capture.segments import parties_of
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.matching import KnownCall, KnownReply
from oncrpc.snoop.streams.sinks import SinkTracer
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.summary import SummaryPlans

MAX_ENDS = 4096
"""Flows whose source and target are cached as text."""


class LineSink:
    """Makes a line for each message, and writes the lines after each batch."""

    def __init__(self) -> None:
        self._programs = KnownPrograms()
        self._plans = SummaryPlans(self._programs)
        self._begin = begin = LineBegin("d")
        self._lines: list[str] = []
        self._ends = lru_cache(MAX_ENDS)(lambda flow: begin.ends(*parties_of(flow)))

    def call(self, call: KnownCall) -> None:
        """Take a call that is not a retransmission."""
        begin = f"{call.number:3} {self._begin.time(call.time)}{self._ends(call.flow)}"
        self._lines.append(begin + self._plans.call(call))

    def reply(self, reply: KnownReply) -> None:
        """Take the first reply to a call."""
        begin = f"{reply.number:3} {self._begin.time(reply.time)}{self._ends(reply.flow)}"
        self._lines.append(begin + self._plans.reply(reply))

    def message(self, message: RpcMessage) -> None:
        """Take any other message."""
        self._lines.append(self._begin.of(message) + line_of(message, self._programs))

    def write(self) -> None:
        """Write the lines so far."""
        if self._lines:
            self._lines.append("")
            text, encoding = "\n".join(self._lines), sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._lines.clear()


def show(file: str, batches: Iterable[tuple[bytes, Iterable[FramePlace]]]) -> int:
    """Print the lines of a capture."""
    sink = LineSink()
    try:
        SinkTracer(sink).trace(batches, sink.write)
    except CaptureDamaged as error:
        raise Failure(f"rpcsnoop: {file}: {error}") from None
    return 0
