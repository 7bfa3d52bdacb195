"""The colours of lines on a terminal: calls, replies, errors and repetitions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TextIO

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms

WHEN = ("never", "always", "auto")
CALL, REPLY, ERROR, REPEATED = "36", "32", "1;31", "33"
"""Codes of SGR (ECMA-48): cyan, green, bold red, yellow."""

DUMB = frozenset({"", "dumb", "unknown"})
"""Values of ``TERM`` without colours."""

Paint = Callable[[RpcMessage, str], str]
"""Returns the words of a message, with or without a colour."""


def wants_color(when: str, output: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines have colours: in ``auto`` on a terminal, unless ``NO_COLOR`` is set."""
    if when != "auto":
        return when == "always"
    if environment.get("NO_COLOR") or environment.get("TERM", "").lower() in DUMB:
        return False
    return output.isatty()


def plain(_: RpcMessage, words: str) -> str:
    """The words without a colour."""
    return words


def painter(programs: KnownPrograms) -> Paint:
    """A function that gives words the colour of their message."""
    return lambda message, words: f"\x1b[{_code(message, programs)}m{words}\x1b[0m"


def _code(message: RpcMessage, programs: KnownPrograms) -> str:
    if message.retransmission or message.duplicate:
        return REPEATED
    if message.is_call:
        return CALL
    from oncrpc.snoop.words.outcomes import status_of  # loads declarations

    status = status_of(message, programs)
    return REPLY if status is None or status.ok else ERROR
