"""Ids of files from a table on disk, for hosts where the kernel's handles cannot be had.

The table knows for each id where the file is, as the id of its directory and its name there, and
its mark, which no other file has. To open an id is to walk these names from the root, and to
compare the mark of what is found. So a renamed directory is one changed row, however much is below.

Renames through the server change the rows. If a local process renames a file, its id leads to the
wrong place or to none. Then the file is looked for, by its inode number: at its other names, in
the directory where it was, and in those near by. What is found is compared in the same way. So an
id leads to its file, or to ESTALE, but never to another file.

Three things limit this. A search reads a limited number of entries, and all searches together take
a tenth of the time. File systems with weak marks (``marks``) cannot be searched: an id is lost when
a local process renames the file, and if one removes it and creates another one under the same name,
and the file system gives that the same inode number, it is taken for the same. And walking needs
permission to search the directories above a file, for the user of the server.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable

from oncrpc.nfs.backends.local.beneath import PLACE, open_beneath
from oncrpc.nfs.backends.local.marks import FileMark, mark_of
from oncrpc.nfs.backends.local.objects import OpenObject, looked_at, stale
from oncrpc.nfs.backends.local.table_rows import FileRow, Rows
from oncrpc.nfs.backends.local.table_search import Path, Patience, directories_with, listing

log = logging.getLogger("oncrpc.nfs")

ID_SIZE = 8
DEEPEST = 100_000
"""Directories above a file, at most: more are a loop, left by renames that were seen by halves."""

MOST_REPAIRS = 64
"""Directories above one file that may be at other places."""

MOST_FORGOTTEN = 10_000
"""Lost files that one start looks for."""

MOST_GONE = 100_000
"""Ids of lost files that are kept in memory, so that they are looked for once."""

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV)
"""Errors of a walk that say that the file is not where it was."""


class HandleTable:
    """The ids of the files below ``path``, by the rows of a table. The caller closes both.

    The ids are numbers of 8 bytes. ``_volume`` is that of the root; rows of other volumes are of
    other roots, and stale. ``_gone`` has the ids of files that were looked for in vain.

    Raises:
        OSError: the directory cannot be opened, or the root's row cannot be written.
    """

    enters_mounts = False
    keeps_names = True

    def __init__(
        self,
        path: bytes,
        rows: Rows,
        *,
        mark: Callable[[int], FileMark] = mark_of,
        patience: Patience | None = None,
    ) -> None:
        self._rows, self._mark = rows, mark
        self._patience = Patience() if patience is None else patience
        self._gone: set[int] = set()
        self._directory = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = mark(self._directory)
            self._mount, self.weak = found.mount, found.weak
            self._root = self._row_of_root(found)
            self._volume, self.root = self._root.volume, _id(self._root)
            self._forget_lost()
        except OSError:
            os.close(self._directory)
            raise

    def _row_of_root(self, found: FileMark) -> FileRow:
        for row in self._rows.with_ino(found.ino):
            if row.parent == row.id and row.birth == found.birth:
                return row
        volume = self._rows.new_volume()
        row = self._rows.new(parent=None, name=b"", volume=volume, ino=found.ino, birth=found.birth)
        self._rows.sync()
        return row

    # From an id to its file.

    def open(self, file: bytes) -> OpenObject:
        """Open the file with that id. The caller closes the descriptor.

        Raises:
            OSError: ESTALE: there is no such file. EACCES: a directory above it may not be
                searched. EAGAIN: it is not where it was, and there are too many searches.
        """
        row = self._row(file)
        descriptor = self._at_its_place(row)
        if descriptor is None:
            descriptor = self._moved(row)
        return looked_at(descriptor)

    def _row(self, file: bytes) -> FileRow:
        number = int.from_bytes(file, "big")
        row = self._rows.get(number) if len(file) == ID_SIZE and not number >> 63 else None
        if row is None or row.volume != self._volume:
            raise stale()
        return row

    def _at_its_place(self, row: FileRow) -> int | None:
        """Open a file where it was last; None if it is not there."""
        path = self._path(row)
        return None if path is None else self._checked(path, row)

    def _checked(self, path: Path, row: FileRow) -> int | None:
        try:
            descriptor = open_beneath(self._directory, path)
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            raise
        try:
            found = self._mark(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        if (found.mount, found.ino, found.birth) == (self._mount, row.ino, row.birth):
            return descriptor
        os.close(descriptor)
        return None

    def _path(self, row: FileRow) -> Path | None:
        """The names from the root to a file; None if one of them is not known."""
        names = list[bytes]()
        here: FileRow | None = row
        while here is not None and here.id != self._root.id:
            if not here.name or len(names) > DEEPEST:
                return None
            names.append(here.name)
            here = self._rows.get(here.parent)
        return None if here is None else tuple(reversed(names))

    # Files that are not where they were.

    def _moved(self, row: FileRow) -> int:
        """Open a file that is not at its place, and keep the new place.

        Raises:
            OSError: ESTALE: it was not found. EAGAIN: it was not looked for.
        """
        found = self._at_a_link(row)
        if found is None and not self.weak:
            if self._patience:
                with self._patience:
                    self._look_for(row)
                found = self._at_its_place(self._rows.get(row.id) or row)
            elif row.id not in self._gone:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if found is None:
            self._lose(row)
            raise stale()
        self._save()
        return found

    def _at_a_link(self, row: FileRow) -> int | None:
        """Open a file at another of its names, which becomes its place."""
        for parent, name in self._rows.links(row.id):
            other = row._replace(parent=parent, name=name)
            found = self._at_its_place(other)
            if found is not None:
                self._rows.put(other)
                return found
        return None

    def _look_for(self, row: FileRow) -> None:
        """Find a file, and the directories that were above it, and keep their places.

        In a directory where one is found, all that has another place than it was known by is kept:
        files are often moved together.
        """
        for _ in range(MOST_REPAIRS):
            misplaced = self._misplaced(row)
            if misplaced is None:
                return
            directory = self._rows.get(misplaced.parent)
            path = None if directory is None else self._path(directory)
            if path is not None and self._adopt_all(path, misplaced):
                continue
            if row.id in self._gone or not self._searched(misplaced, near=row):
                break
        if row.id not in self._gone:
            self._searched(row, near=row)

    def _searched(self, wanted: FileRow, *, near: FileRow) -> bool:
        """Look for a file in all directories, those above ``near`` first; whether it was found."""
        found = directories_with(wanted.ino, self._directory, near=self._nearest(near))
        return any(self._adopt_all(path, wanted) for path in found)

    def _misplaced(self, row: FileRow) -> FileRow | None:
        """The highest directory above a file, or the file, that is not at its place."""
        chain = [row]
        while len(chain) < DEEPEST and chain[-1].id != self._root.id:
            above = self._rows.get(chain[-1].parent)
            if above is None:
                break
            chain.append(above)
        return next((each for each in reversed(chain) if not self._is_placed(each)), None)

    def _is_placed(self, row: FileRow) -> bool:
        found = self._at_its_place(self._rows.get(row.id) or row)
        if found is not None:
            os.close(found)
        return found is not None

    def _nearest(self, row: FileRow) -> Path:
        """The nearest directory above a file that is where it was."""
        here = self._rows.get(row.parent)
        while here is not None and here.id != self._root.id:
            path = self._path(here)
            if path is not None and self._is_placed(here):
                return path
            here = self._rows.get(here.parent)
        return ()

    def _adopt_all(self, path: Path, wanted: FileRow) -> bool:
        """Keep the new places of files that are in this directory; whether ``wanted`` is there."""
        try:
            descriptor = open_beneath(self._directory, path)
        except OSError:
            return False
        try:
            entries = listing(descriptor)
            names = [name for name, ino, _ in entries if ino == wanted.ino]
            if not any(self._is_row(descriptor, name, wanted) for name in names):
                return False
            directory = self._known_directory(path)
            for name, ino, _ in entries:
                rows = self._rows.with_ino(ino)
                if any((row.parent, row.name) != (directory.id, name) for row in rows):
                    self._adopt(descriptor, name, directory)
            return True
        finally:
            os.close(descriptor)

    def _is_row(self, directory: int, name: bytes, row: FileRow) -> bool:
        found = self._mark_at(directory, name)
        return found is not None and (found.ino, found.birth) == (row.ino, row.birth)

    def _mark_at(self, directory: int, name: bytes) -> FileMark | None:
        """The mark of an entry; None if it is gone, or on another file system."""
        try:
            descriptor = os.open(name, PLACE, dir_fd=directory)
        except OSError:
            return None
        try:
            found = self._mark(descriptor)
        finally:
            os.close(descriptor)
        return found if found.mount == self._mount else None

    def _known_directory(self, path: Path) -> FileRow:
        """The row of a directory; those on the way to it are added."""
        row = self._root
        for size, name in enumerate(path, 1):
            descriptor = open_beneath(self._directory, path[:size])
            try:
                row = self._known(self._mark(descriptor), row, name)
            finally:
                os.close(descriptor)
        return row

    def _adopt(self, descriptor: int, name: bytes, directory: FileRow) -> None:
        """Keep the place of an entry whose file may be known."""
        found = self._mark_at(descriptor, name)
        if found is not None and any(self._matches(row, found) for row in self._same_ino(found)):
            self._known(found, directory, name)

    def _lose(self, row: FileRow) -> None:
        """Note that a file was not found: the next start looks again, and forgets it."""
        if row.id in self._gone:
            return
        if len(self._gone) >= MOST_GONE:
            self._gone.clear()
        self._gone.add(row.id)
        _tried(lambda: self._rows.lose(row.id))

    def _forget_lost(self) -> None:
        """Remove the rows of files that were lost, and are still not found."""
        found, gone = list[int](), list[int]()
        for id_ in self._rows.lost(self._volume, MOST_FORGOTTEN):
            row = self._rows.get(id_)
            if row is not None and self._still_exists(row):
                found.append(id_)
            else:
                gone.append(id_)
        for id_ in gone:
            self._rows.remove(id_)
        if found or gone:
            _tried(self._rows.commit)
            _tried(lambda: self._rows.found([*found, *gone]))

    def _still_exists(self, row: FileRow) -> bool:
        try:
            descriptor = self._at_its_place(row)
            if descriptor is None:
                descriptor = self._at_a_link(row)
        except OSError:
            return True  # nobody knows
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None

    # From a file to its id.

    def id_of(self, found: OpenObject, *, directory: bytes, name: bytes) -> bytes:
        """The id of a file that has just been found, or created, under a name of a directory.

        The id may leave the server after ``keep``.

        Raises:
            OSError: EACCES: it is on another file system. ESTALE: the directory has no row.
        """
        mark = self._mark(found.descriptor)
        if mark.mount != self._mount:
            raise PermissionError(errno.EACCES, "another file system is mounted there")
        return _id(self._known(mark, self._row(directory), name))

    def keep(self) -> None:
        """Write down the ids that ``id_of`` has returned.

        Raises:
            OSError: that failed, and they must not leave the server.
        """
        self._rows.commit()

    def sync(self) -> None:
        """Bring what ``keep`` wrote to the disk, on any thread.

        Raises:
            OSError: that failed.
        """
        self._rows.sync_log()

    def _known(self, mark: FileMark, directory: FileRow, name: bytes) -> FileRow:
        """The row of a file that is at this place now; it is added, or its place is changed."""
        for row in self._same_ino(mark):
            if row.birth != mark.birth:
                continue
            if row.id == self._root.id or (row.parent, row.name) == (directory.id, name):
                return row
            if self._matches(row, mark):
                return self._placed(row, mark, directory, name)
        return self._rows.new(
            parent=directory.id, name=name, volume=self._volume, ino=mark.ino, birth=mark.birth
        )

    def _same_ino(self, mark: FileMark) -> Iterable[FileRow]:
        return (row for row in self._rows.with_ino(mark.ino) if row.volume == self._volume)

    def _matches(self, row: FileRow, mark: FileMark) -> bool:
        """Whether a file with this mark, which exists now, is that of the row.

        Two files have the same number only one after the other. So a weak mark is enough if the
        file of the row exists, too.
        """
        if row.birth != mark.birth:
            return False
        return not mark.weak or self._is_placed(row)

    def _placed(self, row: FileRow, mark: FileMark, directory: FileRow, name: bytes) -> FileRow:
        """The row of a file that has this place now, and perhaps others."""
        if mark.links > 1 and not mark.is_directory and self._is_placed(row):
            _tried(lambda: self._rows.add_link(row.id, directory.id, name))
            return row
        row = row._replace(parent=directory.id, name=name)
        self._rows.put(row)
        self._gone.discard(row.id)
        return row

    def parent(self, found: OpenObject, *, directory: bytes) -> bytes:
        """The id of the directory above ``directory``, which is open as ``found``.

        Raises:
            OSError: EACCES: it is not below the root. A local process has moved the directory.
        """
        row = self._row(directory)
        above = self._rows.get(row.parent)
        if above is not None and self._is_row(found.descriptor, b"..", above):
            return _id(above)
        path = self._path_to(row)
        if path:
            above = self._known_directory(path[:-1])
            if self._is_row(found.descriptor, b"..", above):
                self._rows.put(row._replace(parent=above.id, name=path[-1]))
                return _id(above)
        raise PermissionError(errno.EACCES, "the directory was moved out of the export")

    def _path_to(self, row: FileRow) -> Path | None:
        """The path of a file; None if it is not found."""
        try:
            os.close(self.open(_id(row)).descriptor)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            return None
        return self._path(self._rows.get(row.id) or row)

    # Names that the server changes.

    def named(self, file: bytes, *, directory: bytes, name: bytes) -> None:
        """The file has this name now. It may have others."""
        row, above = self._row(file), self._row(directory)
        if row.name:
            _tried(lambda: self._rows.add_link(row.id, above.id, name))
            return
        self._gone.discard(row.id)
        self._rows.put(row._replace(parent=above.id, name=name))
        self._save()

    def unnamed(self, file: bytes, *, directory: bytes, name: bytes) -> None:
        """The file lost this name. It may have others."""
        row, above = self._row(file), self._row(directory)
        others = [link for link in self._rows.links(row.id) if link != (above.id, name)]
        if (row.parent, row.name) == (above.id, name):
            parent, other = others[0] if others else (row.parent, b"")
            self._rows.put(row._replace(parent=parent, name=other))
            self._save()
            if not others:
                self._lose(row)
                return
            name, above = other, self._rows.get(parent) or above
        _tried(lambda: self._rows.remove_link(row.id, above.id, name))

    def _save(self) -> None:
        """Write changes of places. If that fails they are written later, and hold until then."""
        _tried(self._rows.commit)

    def close(self) -> None:
        """Close the directory and the table. Ids stay valid for the next object."""
        os.close(self._directory)
        self._rows.close()


def _tried(write: Callable[[], object]) -> None:
    """Write what can be found out again by a search; a failure is logged."""
    try:
        write()
    except OSError as error:
        log.warning("the table of handles was not changed: %s", error.strerror)


def _id(row: FileRow) -> bytes:
    return row.id.to_bytes(ID_SIZE, "big")
