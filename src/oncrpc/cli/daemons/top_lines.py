"""The lines of a status on a terminal of some size: scrolling, and tables that fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from oncrpc.cli.daemons.kind import DaemonKind
from oncrpc.daemon.control.status import CommonStatus

S = TypeVar("S", bound=CommonStatus)
C_contra = TypeVar("C_contra", contravariant=True)
HINT = "q quits, arrows scroll"
GAP = "  "


class Scroll:
    """Which row is the first one shown. ``page`` and ``last`` are set by the picture."""

    def __init__(self) -> None:
        self.first = self.last = 0
        self.page = 1

    def move(self, rows: int) -> None:
        """Scroll down by that many rows, or up if negative, within the table."""
        self.first = min(max(self.first + rows, 0), self.last)

    def fit(self, total: int, page: int) -> None:
        """Take the number of rows, and how many of them fit."""
        self.page = max(page, 1)
        self.last = max(total - self.page, 0)
        self.move(0)

    @property
    def shown(self) -> slice:
        """The rows that are shown."""
        return slice(self.first, self.first + self.page)


class Line(NamedTuple):
    """A line of text; ``state`` is a word at its end that may have a colour."""

    text: str
    title: bool = False
    state: str = ""


class Picture(Protocol[C_contra]):
    """Makes the lines of a status for a terminal of some size."""

    def __call__(self, status: C_contra, scroll: Scroll, *, columns: int, lines: int) -> list[Line]:
        """The lines."""


def head_line(head: str, columns: int) -> Line:
    """The first line, with the keys at its end if they have room."""
    room = columns - len(head) - len(HINT)
    return Line(f"{head}{' ' * room}{HINT}" if room >= len(GAP) else head, title=True)


def fitted(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: int,
    *,
    left_out: Sequence[str] = (),
    right: frozenset[str] = frozenset(),
) -> list[str]:
    """The lines of a table, heads first, without the columns that do not fit.

    ``left_out`` names those that may be left out, the first one first; ``right`` those of numbers.
    """
    table = [tuple(heads), *rows]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    kept = list(range(len(heads)))
    for name in left_out:
        if sum(widths[i] for i in kept) + len(GAP) * (len(kept) - 1) <= columns:
            break
        kept = [i for i in kept if heads[i] != name]
    return [_aligned([(heads[i], row[i], widths[i]) for i in kept], right) for row in table]


def _aligned(cells: Sequence[tuple[str, str, int]], right: frozenset[str]) -> str:
    aligned = (
        cell.rjust(width) if head in right else cell.ljust(width) for head, cell, width in cells
    )
    return GAP.join(aligned).rstrip()


class TopView(NamedTuple, Generic[S]):
    """What ``top`` shows of a kind of daemon; ``description`` is the text of its help."""

    kind: DaemonKind[S]
    picture: Picture[S]
    description: str
