"""Finding the files that a local process has moved, and keeping their new places."""

from __future__ import annotations

import os

from oncrpc.nfs.backends.local.beneath import open_beneath
from oncrpc.nfs.backends.local.table_places import Places
from oncrpc.nfs.backends.local.table_rows import FileRow
from oncrpc.nfs.backends.local.table_search import Path, directories_with, listing

MAX_REPAIRS = 64
"""Directories above one file that may be at other places."""


class Repair:
    """Looks for files: at their other names, in the directories where they were, and near by."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def look_for(self, row: FileRow, *, far: bool) -> None:
        """Find a file, and the directories that were above it, and keep their places.

        In a directory where one is found, all that has another place than it was known by is kept:
        files are often moved together. Without ``far``, other directories are not searched.
        """
        for _ in range(MAX_REPAIRS):
            misplaced = self._misplaced(row)
            if misplaced is None:
                return
            if self._places.has_other_place(misplaced):
                continue
            if self._places.weak:
                return
            directory = self._places.rows.get(misplaced.parent)
            path = None if directory is None else self._places.path(directory)
            if path is not None and self._adopt_all(path, misplaced):
                continue
            if not far or not self._searched(misplaced, near=row):
                break
        if far:
            self._searched(row, near=row)

    def _misplaced(self, row: FileRow) -> FileRow | None:
        """The highest directory above a file, or the file, that is not at its place."""
        chain = [self._places.current(row), *self._above(row)]
        return next((each for each in reversed(chain) if not self._places.is_placed(each)), None)

    def _above(self, row: FileRow) -> list[FileRow]:
        """The directories above a file as they are known, the nearest first, without the root.

        Renames that were seen by halves may have made a loop of them.
        """
        found = dict[int, FileRow]()
        here = self._places.rows.get(self._places.current(row).parent)
        ends = {self._places.root.id, row.id}
        while here is not None and here.id not in ends and here.id not in found:
            found[here.id] = here
            here = self._places.rows.get(here.parent)
        return list(found.values())

    def _searched(self, wanted: FileRow, *, near: FileRow) -> bool:
        """Look for a file in all directories, those above ``near`` first; whether it was found."""
        found = directories_with(wanted.ino, self._places.top, near=self._nearest(near))
        return any(self._adopt_all(path, wanted) for path in found)

    def _nearest(self, row: FileRow) -> Path:
        """The nearest directory above a file that is where it was."""
        for directory in self._above(row):
            path = self._places.path(directory)
            if path is not None and self._places.is_placed(directory):
                return path
        return ()

    def _adopt_all(self, path: Path, wanted: FileRow) -> bool:
        """Keep the new places of files that are in this directory; whether ``wanted`` is there."""
        try:
            descriptor = open_beneath(self._places.top, path)
        except OSError:
            return False
        try:
            entries = listing(descriptor)
            names = [name for name, ino, _ in entries if ino == wanted.ino]
            if not any(self._places.is_row(descriptor, name, wanted) for name in names):
                return False
            directory = self._places.known_directory(path)
            for name, ino, _ in entries:
                self._adopt(descriptor, name, ino, directory=directory)
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def _adopt(self, descriptor: int, name: bytes, ino: int, *, directory: FileRow) -> None:
        """Keep the place of an entry whose file is known by another place."""
        rows = list(self._places.same_ino(ino))
        if all((row.parent, row.name) == (directory.id, name) for row in rows):
            return
        found = self._places.mark_at(descriptor, name)
        if found is not None and any(row.birth == found.birth for row in rows):
            self._places.known(found, directory, name)
