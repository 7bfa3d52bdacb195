"""Shows the RPC messages of a capture file in the words of snoop."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice

from oncrpc.cli import command
from oncrpc.cli.command import Failure, UsageError
from oncrpc.cli.rpcsnoop.options import PROGRAM, SnoopRequest, parse_arguments
from oncrpc.cli.rpcsnoop.output import output_of
from oncrpc.cli.rpcsnoop.selection import Selection
from oncrpc.cli.rpcsnoop.source import FrameSource, opened
from oncrpc.snoop.capture.frames import CaptureDamaged
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
    if request.capture.interface:
        programs.load()  # without privileges their modules may not be readable
    encoding = sys.stdout.encoding
    with opened(PROGRAM, request.capture, request.hosts) as source:
        if request.capture.output and not request.shows:
            _pass_on(source, request.capture.count)
            return 0
        for line in _lines(request, programs, source):
            sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    return 0


def _pass_on(source: FrameSource, count: int | None) -> None:
    """Take the frames, which are written on their way."""
    damage = None
    try:
        for _ in islice(source.frames, count):
            pass
    except CaptureDamaged as error:
        damage = error
    if damage is not None:
        raise Failure(f"{PROGRAM}: {source.name}: {damage}")


def _programs(request: SnoopRequest) -> KnownPrograms:
    programs = KnownPrograms()
    for path in request.specs:
        try:
            programs.add_interface(path)
        except ImportError as error:
            raise UsageError(f"{PROGRAM}: {error}") from None
    return programs


def _lines(request: SnoopRequest, programs: KnownPrograms, source: FrameSource) -> Iterator[str]:
    """The output; a capture that is damaged ends it with a failure."""
    tracer = Tracer(keep=max(KEPT[request.form], KEEP if request.files is not None else 0))
    selection = Selection(request.filters, request.status, programs, files=request.files)
    output = output_of(request, programs)
    damage: CaptureDamaged | None = None
    left = request.capture.count
    try:
        for message in tracer.messages(output.watched(source.frames)):
            for each in selection.chosen(message):
                yield from output.add(each)
                left = None if left is None else left - 1
            if left is not None and left <= 0:
                break
    except CaptureDamaged as error:
        damage = error
    if left is None or left > 0:
        for call in selection.rest(tracer.matcher.unanswered()):
            yield from output.add(call)
    yield from output.end(tracer)
    if request.form == "stats":
        yield from source.remarks()
    if damage is not None:
        raise Failure(f"{PROGRAM}: {source.name}: {damage}")
