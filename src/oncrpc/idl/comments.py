"""Which comment of a ``.x`` belongs to which declaration.

A comment on a line of its own belongs to the node that begins below it; one behind a token belongs
to the node that ends there, or, behind a brace, opens there. Comments above the first declaration,
with an empty line between, belong to the file.

Comments that only spaces separate share their neighbours: each reuses the result of the one next to
it, so that the work stays proportional to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SEPARATORS = " \t\n,;"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that would break a line of Python, or show its characters in another order."""


class Comments:
    """The comments of a text; ``spans`` are where they begin and end."""

    def __init__(self, text: str, spans: Iterable[tuple[int, int]]) -> None:
        self.text = text
        self.spans = sorted(spans)
        self.before: dict[int, list[tuple[str, ...]]] = {}
        self.behind: dict[int, list[tuple[str, ...]]] = {}
        self.top: list[tuple[str, ...]] = []
        self.last_before: dict[int, tuple[int, bool]] = {}
        """By the end of a comment: the last token's end before it, and whether a line ends there.

        The token's end is the index of its last character, -1 if there is no token.
        """
        followers = self._followers()
        for (start, end), (follower, adjacent) in zip(self.spans, followers, strict=True):
            self._assign(start, end, follower, adjacent=adjacent)

    def of(self, start: int, end: int) -> tuple[str, ...]:
        """The comment of the node that is the text from ``start`` to ``end``."""
        found = self.before.get(start, []) + self.behind.get(self._last(end)[0], [])
        brace = self.text.find("{", start, end) if self.behind else -1
        return _joined(found + (self.behind.get(brace, []) if brace >= 0 else []))

    def above(self, start: int) -> bool:
        """Whether a comment stands above the node that begins at ``start``."""
        return start in self.before

    def heading(self) -> tuple[str, ...]:
        """The comment of the whole file."""
        return _joined(self.top, apart=True)

    def _assign(self, start: int, end: int, follower: int, *, adjacent: bool) -> None:
        lines = tuple(_cleaned(self.text[start:end]))
        last, alone = self._last(start)
        self.last_before[end] = last, alone or "\n" in self.text[start:end]
        if not alone:
            self.behind.setdefault(last, []).append(lines)
        elif adjacent:
            self.before.setdefault(follower, []).append(lines)
        elif last < 0:
            self.top.append(lines)

    def _last(self, at: int) -> tuple[int, bool]:
        """Where the last token before ``at`` ends, and whether its line ends before ``at``."""
        ended = False
        while at > 0:
            if at in self.last_before:
                last, ended_before = self.last_before[at]
                return last, ended or ended_before
            if self.text[at - 1] not in SEPARATORS:
                return at - 1, ended
            ended = ended or self.text[at - 1] == "\n"
            at -= 1
        return -1, True

    def _followers(self) -> list[tuple[int, bool]]:
        """For each comment the start of the next node, and whether no empty line is between."""
        made: list[tuple[int, bool]] = []
        starts = {start: index for index, (start, _) in enumerate(self.spans)}
        for _, end in reversed(self.spans):
            at = end
            while at < len(self.text) and self.text[at].isspace():
                at += 1
            adjacent = at < len(self.text) and self.text.count("\n", end, at) < 2
            if at in starts:
                at, next_adjacent = made[len(self.spans) - 1 - starts[at]]
                adjacent = adjacent and next_adjacent
            made.append((at, adjacent))
        return made[::-1]


def _cleaned(comment: str) -> list[str]:
    """The lines of a comment without its signs, indented as in the file."""
    comment = CONTROLS.sub(" ", comment)
    if comment.startswith("//"):
        return [comment[2:].strip()]
    lines = comment[2:-2].expandtabs().split("\n")
    lines = [
        re.sub(r"^\s*\*+(?=\s|$)", _blank, line.rstrip().rstrip("*").rstrip()) for line in lines
    ]
    lines = [lines[0].strip(), *_dedented(lines[1:])]
    filled = [index for index, line in enumerate(lines) if line]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _dedented(lines: list[str]) -> list[str]:
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[indent:].rstrip() for line in lines]


def _joined(parts: list[tuple[str, ...]], *, apart: bool = False) -> tuple[str, ...]:
    lines: list[str] = []
    for part in parts:
        if apart and lines and part:
            lines.append("")
        lines.extend(part)
    return tuple(lines)
