"""``#ifdef`` and ``#define`` of constants, done without ``cpp``: every line keeps its place."""

from __future__ import annotations

import re

from oncrpc.idl.directives import COMMENT, DEFINE, directives, without_comments
from oncrpc.idl.passthrough import PassThrough
from oncrpc.idl.source import SourceText
from oncrpc.idl.words import TYPE_WORDS

NAMING = {"ifdef", "ifndef", "undef"}
NAME = re.compile(r"[A-Za-z_]\w*")
IGNORED = {"ident", "pragma", "line", "warning", None}


class Conditions:
    """Copies lines to ``source`` as the names that are defined say; ``names`` changes meanwhile."""

    def __init__(self, source: SourceText, names: dict[str, str]) -> None:
        self.source, self.names = source, names
        self.open_at: list[tuple[int, bool]] = []
        """The line of each ``#ifdef`` that is not ended, and whether its part is read."""

        self.skipped = 0
        """How many of those are not read: lines are kept while the number is 0."""

    def copy(self, lines: list[str]) -> None:
        """Add every line, or an empty one in its place.

        Raises:
            IdlError: a directive that is unknown or incomplete, or a condition without an end.
        """
        passed = PassThrough(self.source)
        found = {directive.number: directive for directive in directives(lines)}
        for index, line in enumerate(lines):
            kept = ""
            if index in found:
                kept = self._directive(index, line, found[index].word, found[index].rest)
            elif not self.skipped:
                kept = passed.line(line, self.source.file, index + 1)
            self.source.add(kept, self.source.file, index + 1)
        if self.open_at:
            index = self.open_at[-1][0]
            raise self.source.error(index + 1, lines[index], "no #endif for this condition")

    def _directive(self, index: int, line: str, word: str | None, rest: str) -> str:
        """Obey a directive; returns the line for the grammar."""
        name = NAME.match(rest)
        if word in NAMING and not name:
            raise self.source.error(index + 1, line, f"#{word} without a name")
        match word:
            case "ifdef" | "ifndef":
                self._open(index, (name is not None and name[0] in self.names) == (word == "ifdef"))
            case "else" | "endif":
                self._end(index, line, word)
            case "define":
                return "" if self.skipped else defined(rest, self.names)
            case "undef":
                if name and not self.skipped:
                    self.names.pop(name[0], None)
            case _ if word not in IGNORED:
                raise self.source.error(index + 1, line, f"unknown directive '#{word}'")
        return ""

    def _open(self, index: int, read: bool) -> None:
        self.open_at.append((index, read))
        self.skipped += not read

    def _end(self, index: int, line: str, word: str) -> None:
        if not self.open_at:
            raise self.source.error(index + 1, line, f"#{word} without #ifdef")
        at, read = self.open_at.pop()
        self.skipped -= not read
        if word == "else":
            self._open(at, not read)


def defined(rest: str, names: dict[str, str]) -> str:
    """Note the name of a ``#define``; its constant becomes ``const``, a comment behind it stays."""
    found = DEFINE.match(without_comments(rest))
    assert found is not None, "a line that is not simple is left to cpp"
    names[found[1]] = found[2] or ""
    if not found[2]:
        return ""
    comment = COMMENT.search(rest)
    word = (
        f"typedef {found[2]} {found[1]}"
        if found[2] in TYPE_WORDS
        else f"const {found[1]} = {found[2]}"
    )
    return f"{word}; {comment[0] if comment else ''}"
