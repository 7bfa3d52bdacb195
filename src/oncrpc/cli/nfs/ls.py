"""``nfs ls``: lists directories as ls does, and the exports of a server."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TypeVar

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.exports import list_exports
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.objects import file_object, text_of_bytes
from oncrpc.cli.nfs.rows import ListingRow, RowStyle, columns
from oncrpc.cli.nfs.session import NfsOperand, NfsSession, RemotePlace, run_command
from oncrpc.cli.nfs.walk import Budget, Visit, visits
from oncrpc.nfs.client.results import FileStat, RemoteEntry

COMMAND = NfsCommand(
    "ls",
    "URL...",
    "list directories, or the exports of a server",
    (
        Option("all", "a", "", "also list names that begin with a dot"),
        Option("directory", "d", "", "list directories themselves, not their content"),
        Option("classify", "F", "", "append one of */=@| to names, for the type"),
        Option("human-readable", "h", "", "with -l: print sizes such as 1.5K and 12M"),
        Option("long", "l", "", "print mode, links, owner, group, size and time"),
        Option("numeric-uid-gid", "n", "", "as -l, with numbers of owners and groups"),
        Option("reverse", "r", "", "reverse the order"),
        Option("recursive", "R", "", "list the directories below, too"),
        Option("sort-size", "S", "", "sort by size, the largest first"),
        Option("sort-time", "t", "", "sort by time, the newest first"),
        Option("unsorted", "U", "", "print in the order of the server, without waiting for all"),
        Option("one-per-line", "1", "", "print one name on a line"),
        Option("zero", "0", "", "print names as they are, each with a NUL after it"),
        Option("json", "", "", "print a JSON object for each file, one on a line"),
    ),
)
T = TypeVar("T", ListingRow, RemoteEntry)
TOGETHER = 100
"""Files that are printed at a time with ``-U``."""


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, lambda session: Lister(session).run(), arguments)


class Lister:
    """Lists the operands of a command line. ``_separate``: an empty line comes next."""

    def __init__(self, session: NfsSession) -> None:
        self.session = session
        self.given = session.request.options
        self.output, self.errors = session.output, session.errors
        self.style = RowStyle(
            self.output.terminal,
            time.time(),
            human="human-readable" in self.given,
            numeric="numeric-uid-gid" in self.given,
            classify="classify" in self.given,
        )
        self.long = not {"long", "numeric-uid-gid"}.isdisjoint(self.given)
        self.raw = not {"zero", "json"}.isdisjoint(self.given)
        self.budget = Budget()
        self._separate = False

    def run(self) -> None:
        """List exports, then the files among the operands, then the directories."""
        operands = self.session.operands(self.session.request.operands)
        files, directories = list[ListingRow](), list[RemotePlace]()
        for operand in operands:
            with self.session.reporting(operand):
                if not operand.path:
                    list_exports(self.session, operand)
                elif not self._list_above_exports(operand):
                    place = self.session.place(operand)
                    if (stat := self._listed_itself(place)) is None:
                        directories.append(place)
                    else:
                        files.append(ListingRow(place.shown, stat, place))
        if files:
            self._print(self._ordered(files))
        headed = len(operands) > 1 or "recursive" in self.given
        for place in directories:
            with self.session.reporting(place.operand):
                self._list_tree(place, headed=headed and not self.raw)

    def _listed_itself(self, place: RemotePlace) -> FileStat | None:
        """The attributes of an operand; None if it is a directory to list."""
        stat = place.fs.lstat(place.path)
        if "directory" in self.given:
            return stat
        if stat.is_symlink() and not self.long:  # as ls does
            with suppress(FileNotFoundError):
                stat = place.fs.stat(place.path)
        return None if stat.is_dir() else stat

    def _list_above_exports(self, operand: NfsOperand) -> bool:
        """List the directories that lead to exports; False if the operand is in an export."""
        names = self.session.server(operand).names_below(operand.path)
        for name in names:
            url = operand.url_of(posixpath.join(operand.path, name))
            if "json" in self.given:
                self.output.json({"name": text_of_bytes(name), "url": url, "type": "directory"})
            elif "zero" in self.given:
                self.output.zero(name)
            else:
                self.output.line(quoted(name, terminal=self.style.terminal))
        return bool(names)

    def _list_tree(self, place: RemotePlace, *, headed: bool) -> None:
        """List a directory, with ``--recursive`` those below it, too."""

        def use(visit: Visit) -> list[RemoteEntry]:
            if headed:
                self._heading(visit.place)
            return self._list_directory(visit)

        visits(Visit.of(place), use, self.budget, self.errors)

    def _heading(self, place: RemotePlace) -> None:
        if self._separate:
            self.output.line("")
        self._separate = True
        self.output.line(f"{quoted(place.shown, terminal=self.style.terminal)}:")

    def _list_directory(self, visit: Visit) -> list[RemoteEntry]:
        """List a directory. Returns the directories in it that are to be listed."""
        entries = filter(self._is_shown, self.session.counted(visit.entries()))
        if "unsorted" in self.given:
            kept: list[RemoteEntry] = []
            while some := list(islice(entries, TOGETHER)):
                self._print([self._row(visit, entry) for entry in some])
                kept += self.budget.keep(self._descended(some))
            return kept
        sorted_ = self._ordered(self.budget.keep(entries))
        rows = [self._row(visit, entry) for entry in sorted_]
        if self.long and not self.raw:
            self.output.line(self.style.total(rows))
        self._print(rows)
        self.budget.release(sorted_)
        return self.budget.keep(self._descended(sorted_))

    def _is_shown(self, entry: RemoteEntry) -> bool:
        return "all" in self.given or not entry.name.startswith(".")

    def _descended(self, entries: Iterable[RemoteEntry]) -> Iterator[RemoteEntry]:
        if "recursive" in self.given:
            yield from (entry for entry in entries if entry.is_dir())

    def _row(self, visit: Visit, entry: RemoteEntry) -> ListingRow:
        return ListingRow(entry.name, entry.stat, visit.file(entry))

    def _ordered(self, items: list[T]) -> list[T]:
        """The items in the order of the options."""
        items.sort(key=lambda item: os.fsencode(item.name))
        if "sort-size" in self.given:
            items.sort(key=lambda item: -item.stat.size)
        elif "sort-time" in self.given:
            items.sort(key=lambda item: -item.stat.mtime_ns)
        if "reverse" in self.given:
            items.reverse()
        return items

    def _print(self, rows: Sequence[ListingRow]) -> None:
        self._separate = True
        if "zero" in self.given:
            for row in rows:
                self.output.zero(row.name)
        elif "json" in self.given:
            for row in map(self._with_target, rows):
                self.output.json(file_object(row.name, row.place.url, row.stat, row.target))
        elif self.long:
            for line in self.style.long([self._with_target(row) for row in rows]):
                self.output.line(line)
        else:
            names = [self.style.name(row) for row in rows]
            in_columns = self.style.terminal and "one-per-line" not in self.given
            for line in columns(names) if in_columns else names:
                self.output.line(line)

    def _with_target(self, row: ListingRow) -> ListingRow:
        """The row with the text of a symbolic link."""
        if row.stat.is_symlink():
            with self.errors.catching(row.place.shown):
                return row._replace(target=row.place.fs.readlink(row.place.path))
        return row
