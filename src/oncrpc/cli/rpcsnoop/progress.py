"""How much of a big file is read, on a terminal beside output that goes elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TextIO

from oncrpc.cli.rpcsnoop.options import PROGRAM, SnoopRequest
from oncrpc.snoop.capture.frames import CapturedFrame

PATIENCE = 1.0
"""Seconds without a line of progress."""

INTERVAL = 0.5
"""Seconds between two lines."""

FRAMES = 4096
"""Frames between two looks at the clock."""

ERASE = "\r\x1b[K"
"""Return to the begin of the line, and erase it (ECMA-48)."""


def watched(frames: Iterable[CapturedFrame], request: SnoopRequest) -> Iterable[CapturedFrame]:
    """The frames of a file; progress is shown if standard error is a terminal that has room.

    Lines of messages on the same terminal are progress enough.
    """
    busy = sys.stdout.isatty() and request.form != "stats"
    if busy or not request.capture.file or not sys.stderr.isatty():
        return frames
    with suppress(OSError):  # the reader reports it
        return with_progress(frames, sys.stderr, size=os.stat(request.capture.file).st_size)
    return frames


def with_progress(
    frames: Iterable[CapturedFrame],
    output: TextIO,
    *,
    size: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[CapturedFrame]:
    """The same frames, with a line about them from time to time, which is erased at the end."""
    seen, count, shown = 0, 0, False
    due = clock() + PATIENCE
    try:
        for frame in frames:
            count += 1
            seen += len(frame.data)
            if not count % FRAMES and clock() >= due:
                due, shown = clock() + INTERVAL, True
                part = f", {100 * seen // size} %" if seen < size else ""  # else it is compressed
                output.write(f"{ERASE}{PROGRAM}: {count:,} frames{part}")
                output.flush()
            yield frame
    finally:
        if shown:
            output.write(ERASE)
            output.flush()
