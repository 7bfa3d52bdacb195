"""``nfs find``: prints the URLs of the files below directories, or of some of them."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.matching import FoundName, Test, tests_of
from oncrpc.cli.nfs.objects import file_object
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command
from oncrpc.cli.nfs.walk import DEPTHS, Visit
from oncrpc.nfs.client.results import FileStat, RemoteEntry

COMMAND = NfsCommand(
    "find",
    "URL... [TEST]...",
    "print the URLs of files in directories and below that pass all tests",
    (
        Option("name", "", "PATTERN", "the name matches, such as '*.log'"),
        Option("iname", "", "PATTERN", "the same, also if the case differs"),
        Option("path", "", "PATTERN", "the whole path on the server matches"),
        Option("type", "", "LETTERS", "one of the types f, d, l, p, s, b, c; as in f,l"),
        Option("size", "", "N", "the size in 512-byte blocks, or in the unit c, k, M or G"),
        Option("mtime", "", "N", "modified N days ago"),
        Option("mmin", "", "N", "modified N minutes ago"),
        Option("newer", "", "FILE", "modified later than this local file or URL"),
        Option("mindepth", "", "N", "at least N levels below the start"),
        Option("maxdepth", "", "N", "at most N levels below the start"),
        Option("print0", "", "", "print a NUL after each URL instead of a newline"),
        Option("json", "", "", "print a JSON object for each file, one on a line"),
    ),
    one_dash=True,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _find, arguments)


def _find(session: NfsSession) -> None:
    session.operands(session.request.operands)  # all are checked before the first is searched
    least = session.request.number("mindepth", DEPTHS) or 0
    most = session.request.number("maxdepth", DEPTHS)
    search = Search(session, tests_of(session, time.time_ns()), least, most)
    session.each(search.run)


class Search(NamedTuple):
    """A search with its tests, for directories of these depths."""

    session: NfsSession
    tests: Sequence[Test]
    least: int
    most: int | None

    def run(self, place: RemotePlace) -> None:
        """Print what is found in a directory, and below."""
        stat = place.fs.lstat(place.path)
        self._print(0, place, stat)
        if not stat.is_dir() or self.most == 0:
            return
        start = Visit.of(place)
        stack = [(start, self._entries(start))]
        while stack:
            visit, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            self._print(visit.depth + 1, visit.file(entry), entry.stat)
            if entry.is_dir() and (self.most is None or visit.depth + 1 < self.most):
                with self.session.errors.catching(visit.file(entry).shown):
                    inside = visit.inside(entry)
                    stack.append((inside, self._entries(inside)))

    def _entries(self, visit: Visit) -> Iterator[RemoteEntry]:
        """The entries of a directory up to the first error, which is reported."""
        with self.session.errors.catching(visit.place.shown):
            yield from self.session.counted(visit.entries())

    def _print(self, depth: int, place: RemotePlace, stat: FileStat) -> None:
        if depth < self.least:
            return
        name = posixpath.basename(place.shown) or place.shown
        found = FoundName(name, place.shown, stat)
        if not all(test(found) for test in self.tests):
            return
        if self.session.request.has("json"):
            target = self._target(place) if stat.is_symlink() else None
            self.session.output.json(file_object(name, place.url, stat, target))
        elif self.session.request.has("print0"):
            self.session.output.zero(place.url)
        else:
            self.session.output.line(place.url)

    def _target(self, place: RemotePlace) -> str | None:
        with self.session.errors.catching(place.shown):
            return place.fs.readlink(place.path)
        return None
