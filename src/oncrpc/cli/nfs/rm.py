"""``nfs rm``: removes files, with ``-r`` directories with all that is in them.

Files are removed by the handle of their directory and their name: a symbolic link that replaces a
directory meanwhile is not followed. A removal may make the cookies of a listing invalid (RFC 1813
§3.3.16), so some entries are read, then removed, and then the listing begins again.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.names import quoted
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command
from oncrpc.cli.nfs.walk import Budget, Visit
from oncrpc.errors import LimitExceeded
from oncrpc.nfs.client.results import RemoteEntry

COMMAND = NfsCommand(
    "rm",
    "URL...",
    "remove files",
    (
        Option("recursive", "r", "", "remove directories with all that is in them"),
        Option("dir", "d", "", "remove empty directories"),
        Option("force", "f", "", "do not fail if a file does not exist"),
        Option("verbose", "v", "", "print each file that is removed"),
    ),
)
TOGETHER = 10_000
"""Entries of a directory that are read before they are removed."""

MAX_FAILURES = 1000
"""Entries of a directory that ``nfs rm`` cannot remove before it leaves the directory."""


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, lambda session: session.each(partial(_remove, session)), arguments)


def _remove(session: NfsSession, place: RemotePlace) -> None:
    if place.path == "/":
        raise OSError(errno.EBUSY, "an export itself is not removed: name what is in it")
    try:
        if not place.fs.lstat(place.path).is_dir():
            place.fs.unlink(place.path)
        elif session.request.has("recursive"):
            _remove_tree(session, place)
            return
        elif session.request.has("dir"):
            place.fs.rmdir(place.path)
        else:
            raise IsADirectoryError(errno.EISDIR, "Is a directory: add -r to remove it")
    except FileNotFoundError:
        if session.request.has("force"):
            return
        raise
    _removed(session, place)


def _removed(session: NfsSession, place: RemotePlace) -> None:
    session.progress.step("removed")
    if session.request.has("verbose"):
        name = quoted(place.shown, terminal=session.output.terminal)
        session.output.line(f"removed {name}")


class RemovedDirectory:
    """A directory that is emptied. ``place`` is by its name, for RMDIR.

    ``failed`` has the names in it that could not be removed.
    """

    def __init__(self, place: RemotePlace, visit: Visit, budget: Budget) -> None:
        self.place, self.visit, self.budget = place, visit, budget
        self.failed = set[str]()
        self._left: list[RemoteEntry] = []
        self._more = True

    def next(self) -> RemoteEntry | None:
        """The next entry to remove; None if all have been tried.

        Raises:
            LimitExceeded: too many could not be removed, or they need too much memory.
        """
        if not self._left and self._more:
            if len(self.failed) > MAX_FAILURES:
                raise LimitExceeded(f"over {MAX_FAILURES} files in it cannot be removed")
            untried = (each for each in self.visit.entries() if each.name not in self.failed)
            self._left = self.budget.keep(islice(untried, TOGETHER))
            self._more = len(self._left) == TOGETHER
        if not self._left:
            return None
        entry = self._left.pop()
        self.budget.release((entry,))
        return entry


def _remove_tree(session: NfsSession, place: RemotePlace) -> None:
    budget = Budget()
    stack = [RemovedDirectory(place, Visit.of(place), budget)]
    while stack:
        directory = stack[-1]
        entry = None
        with _counting(session, directory.place, [directory]):
            entry = directory.next()
        if entry is None:
            stack.pop()
            _finish(session, directory, stack)
            continue
        below = directory.visit.place.below(entry.name)
        with _counting(session, below, stack):
            if entry.is_dir():
                stack.append(RemovedDirectory(below, directory.visit.inside(entry), budget))
            else:
                below.fs.unlink(below.path, missing_ok=True)
                _removed(session, below)


def _finish(
    session: NfsSession, directory: RemovedDirectory, stack: list[RemovedDirectory]
) -> None:
    """Remove a directory that has been emptied; after a failure only note it."""
    place = directory.place
    if directory.failed:
        if stack:
            stack[-1].failed.add(posixpath.basename(place.shown))
        return
    with _counting(session, place, stack):
        place.fs.rmdir(place.path)
        _removed(session, place)


@contextmanager
def _counting(
    session: NfsSession, place: RemotePlace, stack: list[RemovedDirectory]
) -> Iterator[None]:
    """Report an error of a file, and note it in the last directory."""
    count = session.errors.count
    with session.errors.catching(place.shown):
        yield
    if stack and session.errors.count > count:
        stack[-1].failed.add(posixpath.basename(place.shown))
