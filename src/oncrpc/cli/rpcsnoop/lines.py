"""The begin of a line of snoop: number of the frame, time, source and target."""

from __future__ import annotations

from datetime import datetime

from oncrpc.snoop.messages import RpcMessage

SECOND = 1_000_000_000
TIMES = ("a", "d", "r")
"""Absolute, since the line before, and since the first line."""


class LineBegin:
    """Writes the begins of lines; ``form`` is one of ``TIMES``."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._reference: int | None = None

    def of(self, message: RpcMessage) -> str:
        """The begin of the line of a message."""
        ends = f"{message.source.host:>12} -> {message.target.host:<12}"
        return f"{message.number:3} {self._time(message.time)} {ends} "

    def _time(self, time: int) -> str:
        if self._form == "a":
            seconds, rest = divmod(time, SECOND)
            return f"{datetime.fromtimestamp(seconds):%H:%M:%S}.{rest // 10_000:05}"
        reference = time if self._reference is None else self._reference
        if self._form == "d" or self._reference is None:
            self._reference = time
        sign = "-" if time < reference else ""
        seconds, rest = divmod(abs(time - reference), SECOND)
        return f"{f'{sign}{seconds}':>3}.{rest // 10_000:05}"
