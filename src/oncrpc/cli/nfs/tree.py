"""``nfs tree``: draws directories and what is below them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command
from oncrpc.cli.nfs.walk import DEPTHS, Budget, Visit
from oncrpc.nfs.client.results import RemoteEntry

COMMAND = NfsCommand(
    "tree",
    "URL...",
    "draw directories and what is below them",
    (
        Option("all", "a", "", "also show names that begin with a dot"),
        Option("directories", "d", "", "show only directories"),
        Option("level", "L", "N", "descend at most N levels"),
    ),
)


class TreeLines(NamedTuple):
    """The characters before names: of an entry, of the last one, and below each of them."""

    entry: str
    last: str
    below: str
    below_last: str


DRAWN = TreeLines("├── ", "└── ", "│   ", "    ")
ASCII = TreeLines("|-- ", "`-- ", "|   ", "    ")


class TreeLevel(NamedTuple):
    """A directory whose entries are printed, those that are left, and what is before them."""

    visit: Visit
    entries: Iterator[tuple[RemoteEntry, bool]]
    before: str


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _draw, arguments)


def _draw(session: NfsSession) -> None:
    drawing = TreeDrawing(session)
    session.each(drawing.run)
    drawing.summary()


class TreeDrawing:
    """Draws trees, and counts directories and other files."""

    def __init__(self, session: NfsSession) -> None:
        self.session, self.given = session, session.request.options
        self.level = session.request.number("level", DEPTHS[1:])
        self.lines = DRAWN if (sys.stdout.encoding or "").lower().startswith("utf") else ASCII
        self.budget = Budget()
        self.directories = self.files = 0

    def run(self, place: RemotePlace) -> None:
        """Draw a directory."""
        stat = place.fs.stat(place.path)
        self.session.output.line(self._quoted(place.shown))
        self.directories += stat.is_dir()
        self.files += not stat.is_dir()
        stack = [self._level(Visit.of(place), "")] if stat.is_dir() else []
        while stack:
            level = stack[-1]
            entry, last = next(level.entries, (None, False))
            if entry is None:
                stack.pop()
                continue
            self.budget.release((entry,))
            self._print(level, entry, last=last)
            if entry.is_dir() and (self.level is None or len(stack) < self.level):
                below = level.before + (self.lines.below_last if last else self.lines.below)
                with self.session.errors.catching(level.visit.file(entry).shown):
                    stack.append(self._level(level.visit.inside(entry), below))

    def _level(self, visit: Visit, before: str) -> TreeLevel:
        """List a directory; its entries are kept until they are printed."""
        entries: list[RemoteEntry] = []
        with self.session.errors.catching(visit.place.shown):
            entries = self.budget.keep(filter(self._drawn, self.session.counted(visit.entries())))
        entries.sort(key=lambda entry: os.fsencode(entry.name))
        last = len(entries) - 1
        numbered = ((entry, number == last) for number, entry in enumerate(entries))
        return TreeLevel(visit, numbered, before)

    def _drawn(self, entry: RemoteEntry) -> bool:
        if entry.name.startswith(".") and "all" not in self.given:
            return False
        return entry.is_dir() or "directories" not in self.given

    def _print(self, level: TreeLevel, entry: RemoteEntry, *, last: bool) -> None:
        self.directories += entry.is_dir()
        self.files += not entry.is_dir()
        name = self._quoted(entry.name)
        if entry.is_symlink():
            place = level.visit.file(entry)
            with self.session.errors.catching(place.shown):
                name += f" -> {self._quoted(place.fs.readlink(place.path))}"
        branch = self.lines.last if last else self.lines.entry
        self.session.output.line(f"{level.before}{branch}{name}")

    def _quoted(self, name: str) -> str:
        return quoted(name, terminal=self.session.output.terminal)

    def summary(self) -> None:
        """Print the numbers of directories and other files."""
        directories = _counted(self.directories, "directory", "directories")
        files = "" if "directories" in self.given else f", {_counted(self.files, 'file', 'files')}"
        self.session.output.line(f"\n{directories}{files}")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
