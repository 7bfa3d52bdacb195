"""The places of the files in the table: from a row to its file, and from a file to its row."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator

from oncrpc.nfs.backends.local.beneath import PLACE, open_beneath
from oncrpc.nfs.backends.local.marks import WEAK, FileMark, mark_of
from oncrpc.nfs.backends.local.table_rows import FileRow, Rows
from oncrpc.nfs.backends.local.table_search import Path

log = logging.getLogger("oncrpc.nfs")

MAX_PATH_DEPTH = 10_000
"""Directories above a file: more are a loop, left by renames that were seen by halves."""

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV)
"""Errors of a walk that say that the file is not where it was."""


class Places:
    """The files below ``path``, and their rows.

    ``top`` is a descriptor of the directory, ``root`` its row. Rows of another volume are of files
    below another root.

    Raises:
        OSError: the directory cannot be opened, or the root's row cannot be written.
    """

    def __init__(
        self, path: bytes, rows: Rows, *, mark: Callable[[int], FileMark] = mark_of
    ) -> None:
        self.rows, self.mark = rows, mark
        self.top = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = mark(self.top)
            self.mount, self.weak = found.mount, found.weak
            self.root = self._row_of_root(found)
        except OSError:
            self.close()
            raise

    def _row_of_root(self, found: FileMark) -> FileRow:
        for row in self.rows.with_ino(found.ino):
            if row.parent == row.id and row.birth == found.birth:
                return row
        volume = self.rows.new_volume()
        row = self.rows.new(parent=None, name=b"", volume=volume, ino=found.ino, birth=found.birth)
        self.rows.sync()
        return row

    def close(self) -> None:
        """Close the directory."""
        os.close(self.top)

    # From a row to its file.

    def open(self, row: FileRow) -> int | None:
        """Open a file where it was last; None if it is not there."""
        path = self.path(row)
        if path is None:
            return None
        try:
            descriptor = open_beneath(self.top, path)
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            raise
        try:
            found = self.mark(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        if (found.mount, found.ino, found.birth) == (self.mount, row.ino, row.birth):
            return descriptor
        os.close(descriptor)
        return None

    def path(self, row: FileRow) -> Path | None:
        """The names from the root to a file; None if one of them is not known."""
        names = list[bytes]()
        here: FileRow | None = row
        while here is not None and here.id != self.root.id:
            if not here.name or len(names) > MAX_PATH_DEPTH:
                return None
            names.append(here.name)
            here = self.rows.get(here.parent)
        return None if here is None else tuple(reversed(names))

    def current(self, row: FileRow) -> FileRow:
        """The row as it is now, after changes of its place."""
        return self.rows.get(row.id) or row

    def is_placed(self, row: FileRow) -> bool:
        """Whether a file is at its place."""
        return self._is_at(self.current(row))

    def is_somewhere(self, row: FileRow) -> bool:
        """Whether a file is at its place, or at another of its names, which becomes its place."""
        return self.is_placed(row) or self.has_other_place(row)

    def has_other_place(self, row: FileRow) -> bool:
        """Whether a file is found at another of its names, which becomes its place."""
        for parent, name in self.rows.links(row.id):
            other = row._replace(parent=parent, name=name)
            if self._is_at(other):
                self.rows.put(other)
                return True
        return False

    def _is_at(self, row: FileRow) -> bool:
        found = self.open(row)
        if found is not None:
            os.close(found)
        return found is not None

    # From a file to its row.

    def known(self, mark: FileMark, directory: FileRow, name: bytes) -> FileRow:
        """The row of a file that is at this place now; it is added, or its place is changed."""
        for row in self.same_ino(mark.ino):
            if row.birth == mark.birth:
                if row.id == self.root.id or (row.parent, row.name) == (directory.id, name):
                    return row
                if self._is_same(row, mark):
                    return self._placed(row, mark, directory, name)
            if mark.weak and row.birth < WEAK:
                # It is of an earlier file with this number, or of this one and cannot be told from
                # that. If it stayed, it might lead to a later file at its place.
                self.rows.remove(row.id)
        return self.rows.new(
            parent=directory.id,
            name=name,
            volume=self.root.volume,
            ino=mark.ino,
            birth=mark.birth,
        )

    def same_ino(self, ino: int) -> Iterator[FileRow]:
        """The rows with an inode number."""
        return (row for row in self.rows.with_ino(ino) if row.volume == self.root.volume)

    def _is_same(self, row: FileRow, mark: FileMark) -> bool:
        """Whether a file with this mark, which exists now, is that of a row with the same.

        Two files have the same number only one after the other. So a weak mark is enough if the
        file of the row exists, too.
        """
        return not mark.weak or self.is_somewhere(row)

    def _placed(self, row: FileRow, mark: FileMark, directory: FileRow, name: bytes) -> FileRow:
        """The row of a file that has this place now, and perhaps others."""
        if mark.links > 1 and not mark.is_directory and self.is_placed(row):
            tried(lambda: self.rows.add_link(row.id, directory.id, name))
            return row
        row = row._replace(parent=directory.id, name=name)
        self.rows.put(row)
        return row

    def known_directory(self, path: Path) -> FileRow:
        """The row of a directory; those on the way to it are added.

        Raises:
            OSError: it is gone.
        """
        row = self.root
        for size, name in enumerate(path, 1):
            descriptor = open_beneath(self.top, path[:size])
            try:
                row = self.known(self.mark(descriptor), row, name)
            finally:
                os.close(descriptor)
        return row

    def mark_at(self, directory: int, name: bytes) -> FileMark | None:
        """The mark of an entry; None if it is gone, or on another file system."""
        try:
            descriptor = os.open(name, PLACE, dir_fd=directory)
        except OSError:
            return None
        try:
            found = self.mark(descriptor)
        finally:
            os.close(descriptor)
        return found if found.mount == self.mount else None

    def is_row(self, directory: int, name: bytes, row: FileRow) -> bool:
        """Whether an entry is the file of a row."""
        found = self.mark_at(directory, name)
        return found is not None and (found.ino, found.birth) == (row.ino, row.birth)


def tried(write: Callable[[], object]) -> None:
    """Write what can be found out again by a search; a failure is logged."""
    try:
        write()
    except OSError as error:
        log.warning("the table of handles was not changed: %s", error.strerror)
