"""End a capture by a signal, so that its summary is still shown."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)

AT_ONCE = 0.5
"""Seconds within which a second signal counts as a repetition of the first.

timeout(1) sends its signal to the command, and then to the process group of the command.
"""


@contextmanager
def until_signal(
    stop: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Call ``stop`` at the first SIGINT or SIGTERM; a later one ends the process."""
    former = {number: signal.getsignal(number) for number in ENDING}
    first: float | None = None

    def end(number: int, _: FrameType | None) -> None:
        nonlocal first
        if first is None:
            first = clock()
            stop()
        elif clock() - first > AT_ONCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in ENDING:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
