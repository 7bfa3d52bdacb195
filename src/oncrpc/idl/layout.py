"""Laying Python out: lines of at most 100 columns, as ``ruff format`` leaves them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 100
QUOTES = "#" * 4
"""Keeps room for the quotes, and an r before them, while lines are broken."""


class Group:
    """Text in brackets: on one line if it fits, else an item a line, with a comma after each."""

    def __init__(self, opening: str, items: Sequence[Part], closing: str) -> None:
        self.opening, self.items, self.closing = opening, items, closing

    def __str__(self) -> str:
        return self.opening + ", ".join(str(item) for item in self.items) + self.closing


class Chain:
    """Alternatives: on one line if they fit, else in parentheses, one a line."""

    def __init__(self, items: Sequence[str]) -> None:
        self.items = items

    def __str__(self) -> str:
        return " | ".join(self.items)


Part = str | Group | Chain


def lines_of(part: Part, depth: int, *, before: str = "", after: str = "") -> list[str]:
    """The part at an indentation of ``depth`` steps, between ``before`` and ``after``."""
    indent = "    " * depth
    line = f"{indent}{before}{part}{after}"
    if len(line) <= WIDTH or isinstance(part, str) or not part.items:
        return [line]
    if isinstance(part, Chain):
        first, *rest = part.items
        alternatives = [f"{indent}    {first}", *(f"{indent}    | {item}" for item in rest)]
        return [f"{indent}{before}(", *alternatives, f"{indent}){after}"]
    lines = [f"{indent}{before}{part.opening}"]
    for item in part.items:
        lines += lines_of(item, depth + 1, before="", after=",")
    return [*lines, f"{indent}{part.closing}{after}"]


def assigned(name: str, value: Part) -> list[str]:
    """An assignment at the top level; a single value that is too long gets parentheses."""
    lines = lines_of(value, 0, before=f"{name} = ")
    if len(lines) == 1 and len(lines[0]) > WIDTH:
        return [f"{name} = (", f"    {value}", ")"]
    return lines


def keyed(key: str, value: str) -> str:
    """An item of a dictionary."""
    return f"{key}: {value}"


def docstring(lines: Iterable[str], depth: int) -> list[str]:
    """The lines as a docstring; empty without lines."""
    indent = "    " * depth
    wrapped = [line.replace('"""', "'''") for line in _wrapped(lines, WIDTH - len(indent))]
    if not wrapped:
        return []
    first, *rest = wrapped
    opening = ('r"""' if any("\\" in line for line in wrapped) else '"""') + first
    single = f'{indent}{opening}"""'
    if not rest and len(single) <= WIDTH and first[-1] not in '"\\':
        return [single]
    inner = [f"{indent}{line}" if line else "" for line in rest]
    return [f"{indent}{opening}", *inner, f'{indent}"""']


def _wrapped(lines: Iterable[str], width: int) -> list[str]:
    """Break lines that are too long; keep the layout of the others.

    The first one leaves room for the quotes; empty lines at both ends are removed.
    """
    wrapped: list[str] = []
    for line in lines:
        if not wrapped:
            wrapped += textwrap.wrap(line.strip(), width, initial_indent=QUOTES)
        elif len(line) <= width:
            wrapped.append(line.rstrip())
        else:
            indent = " " * (len(line) - len(line.lstrip()))
            wrapped += textwrap.wrap(line, width, subsequent_indent=indent)
    while wrapped and not wrapped[-1]:
        wrapped.pop()
    return [wrapped[0].removeprefix(QUOTES), *wrapped[1:]] if wrapped else []


def fits(line: str, comment: str) -> bool:
    """Whether the comment fits behind the line."""
    return len(line) + len(comment) + 4 <= WIDTH


def comment_lines(text: str, indent: int) -> list[str]:
    """A text as lines of comment."""
    pad = " " * indent
    return [f"{pad}# {line}" for line in textwrap.wrap(text, WIDTH - indent - 2)]
