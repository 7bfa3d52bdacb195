"""Answered calls of a capture by program and version, as tshark and as this package count them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from oncrpc.snoop.capture.files import frames_of_file
from oncrpc.snoop.capture.frames import CaptureDamaged
from oncrpc.snoop.streams.statistics import CallStatistics
from oncrpc.snoop.streams.tracer import Tracer

PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/snoop-and-tshark.md"
OPTIONS = ("reassemble_out_of_order", "try_heuristic_first")
"""Put segments in order, and look at the bytes before the port number."""

LINE = re.compile(r".*\((\d+)\)\s+(\d+)\s+(\d+)\s")
ROW = re.compile(r"\| (\S[^|]*?) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|")
Counts = dict[tuple[int, int], int]
"""Numbers of calls by program and version."""

Difference = tuple[int, int]
"""The count of tshark, and ours."""


def by_tshark(path: Path) -> Counts:
    """The answered calls by program and version."""
    options = [word for name in OPTIONS for word in ("-o", f"tcp.{name}:TRUE")]
    options += ["-o", "udp.try_heuristic_first:TRUE"]
    command = ["tshark", "-r", str(path), *options, "-q", "-z", "rpc,programs"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert shown.stdout, shown.stderr
    found = filter(None, map(LINE.match, shown.stdout.splitlines()))
    return {(int(match[1]), int(match[2])): int(match[3]) for match in found}


def by_us(path: Path) -> Counts:
    """The same, as this package counts them; a damaged capture is read up to the damage."""
    statistics = CallStatistics()
    try:
        for message in Tracer().messages(frames_of_file(path)):
            statistics.add(message)
    except CaptureDamaged:
        pass
    return statistics.matched()


def differences(path: Path) -> dict[tuple[int, int], Difference]:
    """Where the two differ."""
    theirs, ours = by_tshark(path), by_us(path)
    both = {key: (theirs.get(key, 0), ours.get(key, 0)) for key in {*theirs, *ours}}
    return {key: counts for key, counts in both.items() if counts[0] != counts[1]}


def explained(capture: str) -> dict[tuple[int, int], Difference]:
    """The differences that the page explains, of a capture by its name."""
    rows = filter(None, map(ROW.match, PAGE.read_text().splitlines()))
    found = (row.groups() for row in rows)
    return {
        (int(prog), int(vers)): (int(theirs), int(ours))
        for name, prog, vers, theirs, ours in found
        if name == capture
    }
