"""Recursive listings of an untrusted server: limits of depth and memory, and no loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from oncrpc.cli.nfs.output import ErrorReport
from oncrpc.cli.nfs.session import RemotePlace
from oncrpc.errors import LimitExceeded, ProtocolError
from oncrpc.nfs.client.results import FileHandle, RemoteEntry

MAX_DEPTH = 256
"""Directories below each other that the command nfs descends."""

DEPTHS = range(MAX_DEPTH + 1)
MAX_SHOWN_PATH = 32 << 10
"""Bytes of a path in a recursive listing of the command nfs."""

MAX_KEPT = 512 << 20
"""Bytes of listings that the command nfs keeps in memory, to sort them."""

ENTRY_COST = 600
"""Bytes of an entry in memory, without its name."""


class Visit(NamedTuple):
    """A directory to list, by its handle. ``above`` is the directory that it is in."""

    place: RemotePlace
    handle: FileHandle
    depth: int = 0
    above: Visit | None = None

    @classmethod
    def of(cls, place: RemotePlace) -> Visit:
        """The directory at which a recursive listing begins."""
        handle = place.fs.handle(place.path)
        return cls(place._replace(path=handle), handle)

    def entries(self) -> Iterator[RemoteEntry]:
        """The entries, in the order of the server."""
        return self.place.fs.scandir(self.handle)

    def file(self, entry: RemoteEntry) -> RemotePlace:
        """A file in this directory."""
        return self.place.below(entry.name, entry.handle)

    def inside(self, entry: RemoteEntry) -> Visit:
        """A directory in this one.

        Raises:
            LimitExceeded: the path is too long or deep. ProtocolError: it contains itself.
        """
        place = self.file(entry)
        if self.depth >= MAX_DEPTH:
            raise LimitExceeded(f"over {MAX_DEPTH} directories deep")
        if len(place.shown) > MAX_SHOWN_PATH:
            raise LimitExceeded(f"a path of over {MAX_SHOWN_PATH} bytes")
        above: Visit | None = self
        while above is not None:
            if above.handle == entry.handle:
                raise ProtocolError(f"the directory contains itself: it is {above.place.shown}")
            above = above.above
        return Visit(place, entry.handle, self.depth + 1, self)


class Budget:
    """Counts the memory of the entries that are kept at a time."""

    def __init__(self) -> None:
        self.left = MAX_KEPT

    def keep(self, entries: Iterable[RemoteEntry]) -> list[RemoteEntry]:
        """A list of the entries; ``release`` it when it is not needed any more.

        Raises:
            LimitExceeded: they need too much memory.
        """
        kept: list[RemoteEntry] = []
        try:
            for entry in entries:
                kept.append(entry)
                self.left -= _cost(entry)
                if self.left < 0:
                    raise LimitExceeded(
                        f"over {MAX_KEPT >> 20} MiB of entries: list them with 'nfs ls -U'"
                    )
        except BaseException:
            self.release(kept)
            raise
        return kept

    def release(self, entries: Iterable[RemoteEntry]) -> None:
        """Count entries that are not kept any more."""
        self.left += sum(map(_cost, entries))


def _cost(entry: RemoteEntry) -> int:
    return ENTRY_COST + len(entry.name)


def visits(
    start: Visit, use: Callable[[Visit], list[RemoteEntry]], budget: Budget, errors: ErrorReport
) -> None:
    """Call ``use`` with a directory, then with those that it returns, each with all below it.

    The returned entries are kept by ``budget``. Errors of ``use`` are reported.
    """
    stack = [(start, iter(_used(start, use, errors)))]
    while stack:
        visit, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        budget.release((entry,))
        below = visit.place.below(entry.name).shown
        with errors.catching(below):
            inside = visit.inside(entry)
            stack.append((inside, iter(_used(inside, use, errors))))


def _used(
    visit: Visit, use: Callable[[Visit], list[RemoteEntry]], errors: ErrorReport
) -> list[RemoteEntry]:
    with errors.catching(visit.place.shown):
        return use(visit)
    return []
