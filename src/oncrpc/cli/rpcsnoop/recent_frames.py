"""Remember the headers of recent frames, for the lines of ``-V``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from oncrpc.snoop.capture.frames import CapturedFrame
from oncrpc.snoop.words.frame_layers import frame_lines

MAX_RECENT_FRAMES = 4096
"""Frames whose headers are remembered: a message may be shown later than its last frame."""

HEADERS = 160
"""Bytes remembered of a frame."""


class RecentFrames:
    """The beginnings of recent frames, by frame number."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, CapturedFrame] = OrderedDict()

    def watched(self, frames: Iterable[CapturedFrame]) -> Iterator[CapturedFrame]:
        """The same frames; each is remembered first."""
        for frame in frames:
            self._frames[frame.number] = frame._replace(data=frame.data[:HEADERS])
            if len(self._frames) > MAX_RECENT_FRAMES:
                self._frames.popitem(last=False)
            yield frame

    def lines(self, number: int) -> list[str]:
        """The lines for the headers of a frame; none if it was forgotten."""
        frame = self._frames.get(number)
        return [] if frame is None else frame_lines(frame)
