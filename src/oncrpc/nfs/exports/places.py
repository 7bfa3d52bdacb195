"""Places in the sources of exports, and what is reported about them."""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from typing import NamedTuple, Protocol

LONGEST_SHOWN = 60
"""Characters of a word that a message about exports repeats."""


class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"
    """The client, or the whole line, is refused."""

    WARNING = "warning"
    """It probably does not do what its author wants."""

    NOTE = "note"
    """It is accepted, and has no effect here."""


class ExportPlace(NamedTuple):
    """A place in a source: line and column count from 1, and are 0 where there are none."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class PlacesOf(Protocol):
    """The places of the characters of a word."""

    def of(self, at: int) -> ExportPlace:
        """The place of a character."""


class FixedPlace(NamedTuple):
    """One place for all characters, of a source without lines."""

    place: ExportPlace

    def of(self, at: int) -> ExportPlace:  # noqa: ARG002
        """The place of a character."""
        return self.place


class ExportProblem(NamedTuple):
    """Something about a source that its author should know, and what to do about it."""

    severity: Severity
    place: ExportPlace
    text: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return printable(f"{self.place}: {self.severity}: {self.text}{advice}")


class BadExport(ValueError):
    """A word that is not valid, what to do about it, and where in the word that is."""

    def __init__(self, text: str, advice: str = "", *, at: int = 0) -> None:
        super().__init__(text)
        self.text, self.advice, self.at = text, advice, at


class ExportsText:
    """The text of a file, with one character for each byte, and its places."""

    def __init__(self, data: bytes, file: str) -> None:
        self.text, self.file = data.decode("latin-1"), file
        self._starts = [0]
        for at, character in enumerate(self.text, 1):
            if character == "\n":
                self._starts.append(at)

    def place(self, offset: int) -> ExportPlace:
        """The line and the column of an offset. Columns count characters of UTF-8."""
        line = bisect_right(self._starts, offset)
        before = self.text[self._starts[line - 1] : offset].encode("latin-1")
        return ExportPlace(self.file, line, len(before.decode(errors="replace")) + 1)


def shown(word: str) -> str:
    """A word in quotes for a message: short, and printable."""
    return f'"{readable(word)}"'


def readable(word: str) -> str:
    """A word, with one character for each byte, as text that can be printed; a long one is cut."""
    text = printable(word.encode("latin-1", "replace").decode(errors="replace"))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def printable(text: str) -> str:
    """A text without control characters."""
    return "".join(each if each.isprintable() else "?" for each in text)
