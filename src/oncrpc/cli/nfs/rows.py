"""The lines of ``nfs ls``: one name on a line, columns, or the long form."""

from __future__ import annotations

import shutil
import stat as modes
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from oncrpc.cli.nfs.listing import BLOCK, group_name, human_size, size_text, time_text, user_name
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.session import RemotePlace
from oncrpc.nfs.client.results import FileStat

SUFFIXES = {modes.S_IFDIR: "/", modes.S_IFLNK: "@", modes.S_IFIFO: "|", modes.S_IFSOCK: "="}
EXECUTABLE = 0o111
GAP = 2
"""Blanks between columns."""

RIGHT = (1, 4)
"""The columns of the long form that are numbers: links and size."""


class ListingRow(NamedTuple):
    """A file to print: its name, attributes and place, and the text of a symbolic link."""

    name: str
    stat: FileStat
    place: RemotePlace
    target: str | None = None


class RowStyle(NamedTuple):
    """How rows are printed; ``now`` is the time in seconds since 1970."""

    terminal: bool
    now: float
    human: bool = False
    numeric: bool = False
    classify: bool = False

    def name(self, row: ListingRow) -> str:
        """The name, quoted, with the suffix of its type."""
        shown = quoted(row.name, terminal=self.terminal)
        return shown + _suffix(row.stat) if self.classify else shown

    def total(self, rows: Iterable[ListingRow]) -> str:
        """The first line of the long form of a directory."""
        used = sum(row.stat.used for row in rows)
        return f"total {human_size(used) if self.human else -(-used // BLOCK)}"

    def long(self, rows: Sequence[ListingRow]) -> Iterator[str]:
        """The lines of the long form, with aligned columns."""
        cells = [self._cells(row) for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row, line in zip(rows, cells, strict=True):
            aligned = (
                f"{cell:>{width}}" if number in RIGHT else f"{cell:<{width}}"
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            yield f"{' '.join(aligned)} {self._long_name(row)}"

    def _cells(self, row: ListingRow) -> tuple[str, ...]:
        stat = row.stat
        ids: tuple[Callable[[int], str], ...] = (user_name, group_name)
        user, group = (str, str) if self.numeric else ids
        return (
            modes.filemode(stat.mode),
            str(stat.nlink),
            user(stat.uid),
            group(stat.gid),
            size_text(stat, human=self.human),
            time_text(stat.mtime, self.now),
        )

    def _long_name(self, row: ListingRow) -> str:
        if row.target is None:
            return self.name(row)
        shown = quoted(row.name, terminal=self.terminal)
        return f"{shown} -> {quoted(row.target, terminal=self.terminal)}"


def _suffix(stat: FileStat) -> str:
    executable = stat.is_file() and stat.mode & EXECUTABLE
    return "*" if executable else SUFFIXES.get(modes.S_IFMT(stat.mode), "")


def columns(names: Sequence[str], width: int | None = None) -> Iterator[str]:
    """Names in columns, as many as fit into the width of the terminal, sorted downwards."""
    width = shutil.get_terminal_size().columns if width is None else width
    least = min(map(len, names), default=0) + GAP
    lines = max(1, len(names) * least // max(width, 1))
    while lines < len(names):
        widths = _widths(names, lines)
        if sum(widths) - GAP <= width:
            break
        lines += 1
    widths = _widths(names, lines)
    for number in range(min(lines, len(names))):
        cells = zip(names[number::lines], widths, strict=False)
        yield "".join(f"{name:<{column}}" for name, column in cells).rstrip()


def _widths(names: Sequence[str], lines: int) -> list[int]:
    return [
        max(map(len, names[first : first + lines])) + GAP for first in range(0, len(names), lines)
    ]
