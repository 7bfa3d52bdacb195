"""The usual command line ``rpcsnoop --stats FILE``, by the short way.

It prints what ``trace`` does, and loads and does less for it: no message is made of most frames.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from oncrpc.cli import command
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.cli.rpcsnoop.words import STATISTICS
from oncrpc.snoop.capture.files import batches_of
from oncrpc.snoop.capture.frames import CaptureDamaged, FramePlace
from oncrpc.snoop.streams.quick import QuickTracer
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.reply_outcomes import is_plain_success, outcome_with_status

PROGRAM = "rpcsnoop"
KEEP = 512
"""Bytes of each message that figures need."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    (file,) = (each for each in arguments if each != STATISTICS)
    return command.run(PROGRAM, lambda: _figures(file))


def _figures(file: str) -> int:
    programs = KnownPrograms()
    statistics = CallStatistics(
        outcome=lambda reply: outcome_with_status(reply, programs), succeeded=is_plain_success
    )
    tracer = QuickTracer(statistics, keep=KEEP)
    damage: CaptureDamaged | None = None
    try:
        tracer.trace(_batches(file))
    except CaptureDamaged as error:
        damage = error
    for line in figure_lines(statistics, programs):
        print(line)
    notes = list(remarks(tracer, statistics))
    if notes:
        print("", *notes, sep="\n")
    if damage is not None:
        raise Failure(f"{PROGRAM}: {file}: {damage}")
    return 0


def _batches(file: str) -> Iterator[tuple[bytes, Iterable[FramePlace]]]:
    """The frames of a file; an error of the system names it."""
    try:
        if file == "-":
            yield from batches_of(sys.stdin.buffer)
        else:
            with open(file, "rb", buffering=0) as opened:
                yield from batches_of(opened)
    except OSError as error:
        raise Failure(f"{PROGRAM}: {file}: {error.strerror}") from None
