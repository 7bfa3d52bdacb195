"""Shows the RPC messages of a capture file in the words of snoop."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from oncrpc.cli import command
from oncrpc.cli.command import Failure, UsageError
from oncrpc.cli.rpcsnoop.options import PROGRAM, SnoopRequest, parse_arguments
from oncrpc.cli.rpcsnoop.output import OUTPUTS
from oncrpc.cli.rpcsnoop.selection import Selection
from oncrpc.snoop.capture.files import frames_of, frames_of_file
from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from oncrpc.snoop.streams.tracer import KEEP, Tracer
from oncrpc.snoop.words.programs import KnownPrograms

KEPT = {"lines": KEEP, "layers": KEEP, "tree": 1 << 21, "json": 1 << 21, "stats": 512}
"""Bytes of each message that the forms of output need."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    return command.run(PROGRAM, lambda: _execute(arguments))


def _execute(arguments: Sequence[str]) -> int:
    request = parse_arguments(arguments)
    programs = _programs(request)
    encoding = sys.stdout.encoding
    for line in _lines(request, programs):
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


def _lines(request: SnoopRequest, programs: KnownPrograms) -> Iterator[str]:
    """The output; a capture that is damaged ends it with a failure."""
    tracer = Tracer(keep=max(KEPT[request.form], KEEP if request.files is not None else 0))
    selection = Selection(request.filters, request.status, programs, files=request.files)
    output = OUTPUTS[request.form](request, programs)
    damage: CaptureDamaged | None = None
    try:
        for message in tracer.messages(output.watched(_frames(request.file))):
            for each in selection.chosen(message):
                yield from output.add(each)
    except CaptureDamaged as error:
        damage = error
    for call in selection.rest(tracer.matcher.unanswered()):
        yield from output.add(call)
    yield from output.end(tracer)
    if damage is not None:
        raise Failure(f"{PROGRAM}: {request.file}: {damage}")


def _frames(file: str) -> Iterator[CapturedFrame]:
    """The frames of a file; an error of the system names it."""
    try:
        yield from frames_of(sys.stdin.buffer) if file == "-" else frames_of_file(file)
    except OSError as error:
        raise Failure(f"{PROGRAM}: {file}: {error.strerror}") from None
