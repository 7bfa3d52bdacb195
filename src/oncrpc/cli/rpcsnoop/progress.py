"""Show on standard error how much of a big file has been read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from oncrpc.cli.rpcsnoop.options import SnoopRequest
    from oncrpc.snoop.capture.frames import CapturedFrame

T = TypeVar("T")
PROGRAM = "rpcsnoop"
MEGABYTE = 1_000_000
PATIENCE = 1.0
"""Seconds before the first line of progress."""

INTERVAL = 0.5
"""Seconds between two lines."""

FRAMES = 4096
"""Frames between two checks of the clock."""

ERASE = "\r\x1b[K"
"""Go to the beginning of the line, and erase it (ECMA-48)."""


def watched(frames: Iterable[CapturedFrame], request: SnoopRequest) -> Iterable[CapturedFrame]:
    """The same frames; progress is shown if standard error is a terminal.

    There is no progress while the lines of messages go to a terminal.
    """
    busy = sys.stdout.isatty() and request.form != "stats"
    if busy or not request.capture.file or not sys.stderr.isatty():
        return frames
    return beside(frames, request.capture.file, length=lambda frame: len(frame.data), often=FRAMES)


def beside(
    items: Iterable[T], file: str, *, length: Callable[[T], int], often: int = 1
) -> Iterable[T]:
    """The items of a file, with progress on standard error; see ``with_progress``."""
    with suppress(OSError):  # the reader reports it
        size = os.stat(file).st_size
        return with_progress(items, sys.stderr, size=size, length=length, often=often)
    return items


def with_progress(
    items: Iterable[T],
    output: TextIO,
    *,
    size: int,
    length: Callable[[T], int],
    often: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """The same items; a line of progress is updated from time to time, and erased at the end.

    ``length`` returns the bytes of the file in an item; ``often`` is the number of items between
    two checks of the clock.
    """
    seen, count, shown = 0, 0, False
    due = clock() + PATIENCE
    try:
        for item in items:
            count += 1
            seen += length(item)
            if not count % often and clock() >= due:
                due, shown = clock() + INTERVAL, True
                part = f", {100 * seen // size} %" if seen < size else ""  # else it is compressed
                output.write(f"{ERASE}{PROGRAM}: {seen / MEGABYTE:,.1f} MB{part}")
                output.flush()
            yield item
    finally:
        if shown:
            output.write(ERASE)
            output.flush()
