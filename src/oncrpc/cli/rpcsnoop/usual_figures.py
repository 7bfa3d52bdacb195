"""The figures of a capture, counted without building messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from oncrpc.cli.command import Failure
from oncrpc.cli.rpcsnoop.figures import figure_lines, remarks
from oncrpc.snoop.capture.frames import CaptureDamaged, FramePlace
from oncrpc.snoop.streams.counting import CountingTracer
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.reply_outcomes import STATUS_FIRST, outcome_with_status

KEEP = 512
"""Bytes of each message that figures need."""


def show(
    file: str,
    batches: Iterable[tuple[bytes, Iterable[FramePlace]]],
    *,
    programs: KnownPrograms | None = None,
    more: Callable[[], Iterable[str]] = tuple,
) -> int:
    """Print the tables of a capture, and its remarks followed by those of ``more``."""
    programs = programs or KnownPrograms()
    statistics = CallStatistics(
        outcome=lambda reply: outcome_with_status(reply, programs), status_first=STATUS_FIRST
    )
    tracer = CountingTracer(statistics, keep=KEEP)
    damage: CaptureDamaged | None = None
    try:
        tracer.trace(batches)
    except CaptureDamaged as error:
        damage = error
    for line in figure_lines(statistics, programs):
        print(line)
    notes = [*remarks(tracer, statistics), *more()]
    if notes:
        print("", *notes, sep="\n")
    if damage is not None:
        raise Failure(f"rpcsnoop: {file}: {damage}")
    return 0
