"""What stands before and behind the words of a line: frame, time, source and target, and user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.words.header import uid_of

SECOND = 1_000_000_000
TIMES = ("a", "d", "r")
"""Absolute, since the line before, and since the first line."""


def _transfer_time(message: RpcMessage) -> int | None:
    return message.transfer_time if message.is_call else None


SPANS: dict[str, Callable[[RpcMessage], int | None]] = {
    "service": lambda message: message.service_time,
    "transfer": _transfer_time,
}
"""The times that a line may have besides: of a reply, and of a call."""

NO_SPAN = " " * 9


class LineBegin:
    """Writes the begins of lines; ``form`` is one of ``TIMES``, ``spans`` are keys of ``SPANS``.

    ``name`` gives the text for an address.
    """

    def __init__(
        self, form: str, spans: Iterable[str] = (), *, name: Callable[[str], str] = str
    ) -> None:
        self._form = form
        self._name = name
        self._spans = [SPANS[name] for name in spans]
        self._reference: int | None = None

    def of(self, message: RpcMessage) -> str:
        """The begin of the line of a message."""
        spans = "".join(f" {_span(each(message))}" for each in self._spans)
        ends = self.ends(message.source, message.target)
        return f"{message.number:3} {self.time(message.time)}{spans}{ends}"

    def ends(self, source: Party, target: Party) -> str:
        """The source and the target, with the spaces around them."""
        return f" {self._name(source.host):>12} -> {self._name(target.host):<12} "

    def time(self, time: int) -> str:
        """The time of a line; lines are written in their order."""
        if self._form == "a":
            seconds, rest = divmod(time, SECOND)
            return f"{datetime.fromtimestamp(seconds):%H:%M:%S}.{rest // 10_000:05}"
        reference = time if self._reference is None else self._reference
        if self._form == "d" or self._reference is None:
            self._reference = time
        return _seconds(time - reference)


def user_mark(message: RpcMessage) -> str:
    """The user at the end of the line of a call by AUTH_SYS."""
    uid = uid_of(message) if message.is_call else None
    return "" if uid is None else f" uid={uid}"


def _span(time: int | None) -> str:
    return NO_SPAN if time is None else _seconds(time)


def _seconds(time: int) -> str:
    sign = "-" if time < 0 else ""
    seconds, rest = divmod(abs(time), SECOND)
    return f"{f'{sign}{seconds}':>3}.{rest // 10_000:05}"
