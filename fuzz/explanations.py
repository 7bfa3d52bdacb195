"""Recorded mounts, damaged anywhere: they are explained in text that a terminal may show.

Input is a list of frames, each with its size before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from fuzz.driver import Target
from fuzz.mutation import mutated
from oncrpc.snoop.capture.files import frames_of_file
from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.explain.follower import MAX_ATTEMPTS
from oncrpc.snoop.explain.reading import mount_history
from oncrpc.snoop.explain.report import json_of, text_lines
from oncrpc.snoop.explain.verdicts import judged_attempts

CAPTURES = Path(__file__).resolve().parents[1] / "tests" / "captures"
SIZE = 4
STEP = 200_000_000
"""Nanoseconds between frames."""


def make(source: Random) -> bytes:
    """The frames of two mounts, some of them changed, lost or repeated."""
    paths = source.sample(sorted(CAPTURES.glob("mounts/*.pcap")), 2)
    frames = [frame.data for path in paths for frame in frames_of_file(path)]
    if source.random() < 0.2:
        source.shuffle(frames)
    made = b""
    for frame in frames:
        if source.random() < 0.2:
            frame = mutated(frame, source, frames)
        made += (len(frame).to_bytes(SIZE, "big") + frame) * source.choice((0, *[1] * 20, 2))
    return made


def run(data: bytes) -> None:
    """Explain the frames."""
    history = mount_history(frames_of(data))
    assert len(history.attempts) <= MAX_ATTEMPTS
    for each in judged_attempts(history.attempts):
        lines = [*text_lines(each, history.begin), json_of(each)]
        assert all(line.isprintable() for line in lines), lines
        assert each.verdict.healthy != bool(each.verdict.remedy)


def frames_of(data: bytes) -> Iterator[CapturedFrame]:
    """The frames in the input."""
    at = number = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + SIZE], "big") & 0xFFFF
        frame, number = data[at + SIZE : at + SIZE + size], number + 1
        yield CapturedFrame(number, number * STEP, 1, frame, len(frame))
        at += SIZE + size


TARGET = Target("explanations", make, run)
