"""Which comment of a ``.x`` speaks of which declaration.

A comment on a line of its own belongs to what begins below it, one behind something to what ends
(or, behind a brace, opens) there. What stands above the first declaration, with an empty line
between, belongs to the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SEPARATORS = " \t\n,;"


class Comments:
    """The comments of a text, found by where a node begins and ends."""

    def __init__(self, text: str, spans: Iterable[tuple[int, int]]) -> None:
        self.text = text
        self.spans = sorted(spans)
        self.starts = dict(self.spans)
        self.ends = {end: start for start, end in self.spans}
        self.before: dict[int, list[tuple[str, ...]]] = {}
        self.behind: dict[int, list[tuple[str, ...]]] = {}
        self.top: list[tuple[str, ...]] = []
        for start, end in reversed(self.spans):
            self._assign(start, end)

    def of(self, start: int, end: int) -> tuple[str, ...]:
        """The comment of the node that is the text from ``start`` to ``end``."""
        brace = self.text.find("{", start, end)
        found = self.before.get(start, []) + self.behind.get(self._last(end), [])
        return _joined(found + (self.behind.get(brace, []) if brace >= 0 else []))

    def above(self, start: int) -> bool:
        """Whether a comment stands above the node that begins at ``start``."""
        return start in self.before

    def heading(self) -> tuple[str, ...]:
        """What is said of the whole file."""
        return _joined(self.top, apart=True)

    def _assign(self, start: int, end: int) -> None:
        lines = tuple(_cleaned(self.text[start:end]))
        follower, adjacent = self._follower(end)
        last = self._last(start)
        alone = "\n" in self.text[last + 1 : start] or last < 0
        if not alone:
            self.behind.setdefault(last, []).insert(0, lines)
        elif adjacent:
            self.before.setdefault(follower, []).insert(0, lines)
        elif last < 0:
            self.top.insert(0, lines)

    def _last(self, at: int) -> int:
        """The last character before ``at`` that is no comment and no separator; -1 at the top."""
        while at > 0:
            if at in self.ends:
                at = self.ends[at]
            elif self.text[at - 1] in SEPARATORS:
                at -= 1
            else:
                break
        return at - 1

    def _follower(self, at: int) -> tuple[int, bool]:
        """Where the next node begins, and whether no empty line comes before it."""
        adjacent, newlines = True, 0
        while at < len(self.text):
            if at in self.starts:
                at, newlines = self.starts[at], 0
                continue
            if not self.text[at].isspace():
                return at, adjacent
            newlines += self.text[at] == "\n"
            adjacent = adjacent and newlines < 2
            at += 1
        return at, False


def _cleaned(comment: str) -> list[str]:
    """The lines of a comment without its signs, indented as in the file."""
    if comment.startswith("//"):
        return [comment[2:].strip()]
    lines = comment[2:-2].expandtabs().split("\n")
    lines = [
        re.sub(r"^\s*\*+(?=\s|$)", _blank, line.rstrip().rstrip("*").rstrip()) for line in lines
    ]
    lines = [lines[0].strip(), *_dedented(lines[1:])]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _dedented(lines: list[str]) -> list[str]:
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    return [line[min(indents, default=0) :].rstrip() for line in lines]


def _joined(parts: list[tuple[str, ...]], *, apart: bool = False) -> tuple[str, ...]:
    lines: list[str] = []
    for part in parts:
        if apart and lines and part:
            lines.append("")
        lines.extend(part)
    return tuple(lines)
