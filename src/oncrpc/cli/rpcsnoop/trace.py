"""Shows the RPC messages of a capture file in the words of snoop."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from oncrpc.cli import command
from oncrpc.cli.command import Failure, UsageError
from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.cli.rpcsnoop.lines import LineBegin
from oncrpc.cli.rpcsnoop.options import PROGRAM, SnoopRequest, parse_arguments
from oncrpc.snoop.capture.files import frames_of, frames_of_file
from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import KEEP, Tracer
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.objects import json_line
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.tree import tree_lines

KEPT = {"lines": KEEP, "tree": 1 << 21, "json": 1 << 21, "stats": 512}
"""Bytes of each message that the forms of output need."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    return command.run(PROGRAM, lambda: _execute(arguments))


def _execute(arguments: Sequence[str]) -> int:
    request = parse_arguments(arguments)
    programs = _programs(request)
    tracer = Tracer(keep=KEPT[request.form])
    encoding = sys.stdout.encoding
    for line in _lines(request, tracer, programs):
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    return 0


def _programs(request: SnoopRequest) -> KnownPrograms:
    programs = KnownPrograms()
    for path in request.specs:
        try:
            programs.add_interface(path)
        except ImportError as error:
            raise UsageError(f"{PROGRAM}: {error}") from None
    return programs


def _lines(request: SnoopRequest, tracer: Tracer, programs: KnownPrograms) -> Iterator[str]:
    """The output; a capture that is damaged ends it with a failure."""
    statistics = CallStatistics()
    begin = LineBegin(request.time)
    try:
        for message in tracer.messages(_frames(request.file)):
            if not all(chosen(message, programs) for chosen in request.filters):
                continue
            if request.form == "stats":
                statistics.add(message)
            else:
                yield from _message_lines(message, request.form, begin, programs)
    except CaptureDamaged as damage:
        yield from _summary(request, tracer, statistics, programs)
        raise Failure(f"{PROGRAM}: {request.file}: {damage}") from None
    yield from _summary(request, tracer, statistics, programs)


def _message_lines(
    message: RpcMessage, form: str, begin: LineBegin, programs: KnownPrograms
) -> Iterator[str]:
    if form == "json":
        yield json_line(message, programs)
        return
    yield begin.of(message) + line_of(message, programs)
    if form == "tree":
        yield from tree_lines(message, programs)
        yield ""


def _summary(
    request: SnoopRequest, tracer: Tracer, statistics: CallStatistics, programs: KnownPrograms
) -> Iterator[str]:
    if request.form == "stats":
        yield from figure_lines(statistics, programs)
        notes = list(remarks(tracer, statistics))
        if notes:
            yield from ("", *notes)


def _frames(file: str) -> Iterator[CapturedFrame]:
    """The frames of a file; an error of the system names it."""
    try:
        yield from frames_of(sys.stdin.buffer) if file == "-" else frames_of_file(file)
    except OSError as error:
        raise Failure(f"{PROGRAM}: {file}: {error.strerror}") from None
