"""A message as a tree with the offset of each field: ``-v``."""

from __future__ import annotations

from collections.abc import Iterator

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.fields import WireField
from oncrpc.snoop.words.parts import Dissection, dissected
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.text import clean, is_text

MAX_HEX = 64
"""Bytes of opaque data that a tree shows."""

CUT = "cut"


def tree_lines(message: RpcMessage, programs: KnownPrograms) -> Iterator[str]:
    """The lines of the tree; offsets count from the xid, without record marks."""
    made = dissected(message, programs)
    if made.header is not None:
        yield from _lines(made.header, 0)
    if made.credential is not None:
        yield from _lines(made.credential, 0)
    for part in sorted([*made.protection, *made.body], key=lambda part: part.at):
        yield from _lines(part, 0)
    yield from _remarks(message, made)


def _remarks(message: RpcMessage, made: Dissection) -> Iterator[str]:
    """Why fields are missing at the end."""
    missing = message.length - len(message.body)
    left = len(message.body) - made.end
    if made.encrypted:
        yield _line(made.end, 0, f"({left} bytes, encrypted)")
    elif made.problem == CUT and missing > 0:
        yield _line(made.end, 0, f"({missing} bytes were not captured)")
    elif made.problem == CUT:
        yield _line(made.end, 0, "(the message ends too early)")
    elif made.problem:
        yield _line(made.end, 0, f"({made.problem})")
    elif left > 0:
        yield _line(made.end, 0, f"({left} more bytes)")


def _lines(part: WireField, depth: int) -> Iterator[str]:
    if part.compound or part.listed:
        count = f" ({len(part.parts)})" if part.listed else ""
        yield _line(part.at, depth, f"{part.name}:{count}")
        for inner in part.parts:
            yield from _lines(inner, depth + 1)
    else:
        yield _line(part.at, depth, f"{part.name} = {_value(part)}")


def _line(at: int, depth: int, text: str) -> str:
    return f"{at:6}  {'  ' * depth}{text}"


def _value(part: WireField) -> str:
    match part.value:
        case None:
            return "none"
        case bool():
            return "true" if part.value else "false"
        case bytes(data):
            return _bytes(data)
    return str(part.value)


def _bytes(data: bytes) -> str:
    """A text in quotes, or hexadecimal digits with the number of bytes."""
    if is_text(data) and len(data) > 0:
        return f'"{clean(data)}"'
    more = "..." if len(data) > MAX_HEX else ""
    return f"{data[:MAX_HEX].hex()}{more} ({len(data)} bytes)"
