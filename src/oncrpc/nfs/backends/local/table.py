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
import os
import time
from collections.abc import Callable

from oncrpc.nfs.backends.local.marks import FileMark, mark_of
from oncrpc.nfs.backends.local.objects import Objects, OpenObject, looked_at, stale
from oncrpc.nfs.backends.local.table_places import Places, tried
from oncrpc.nfs.backends.local.table_repair import Repair
from oncrpc.nfs.backends.local.table_rows import FileRow, Rows
from oncrpc.nfs.backends.local.table_search import Path, Patience
from oncrpc.nfs.backends.local.table_sweep import Sweep

ID_SIZE = 8
MAX_LOST_IDS = 100_000
"""Ids of lost files that are kept in memory, so that they are searched for once."""


class HandleTable(Objects):
    """The ids of the files below ``path``, by the rows of a table, which is closed with it.

    The ids are numbers of 8 bytes. ``_gone`` has the ids of files that were searched for in vain.

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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rows = rows
        self._places = Places(path, rows, mark=mark)
        self._repair, self._sweep = Repair(self._places), Sweep(self._places, clock)
        self._patience = Patience() if patience is None else patience
        self._gone: set[int] = set()
        self.root = _id(self._places.root)

    @property
    def weak(self) -> bool:
        """Whether a later file may be taken for one with the same inode number."""
        return self._places.weak

    def close(self) -> None:
        """Close the directory and the table. Ids stay valid for the next object."""
        self._places.close()
        self._rows.close()

    # From an id to its file.

    def open(self, file: bytes) -> OpenObject:
        """Open the file with that id. The caller closes the descriptor.

        Raises:
            OSError: ESTALE: there is no such file. EACCES: a directory above it may not be
                searched. EAGAIN: it is not where it was, and there are too many searches.
        """
        row = self._row(file)
        descriptor = self._places.open(row)
        if descriptor is None:
            descriptor = self._moved(row)
        return looked_at(descriptor)

    def _row(self, file: bytes) -> FileRow:
        number = int.from_bytes(file, "big")
        row = self._rows.get(number) if len(file) == ID_SIZE and not number >> 63 else None
        if row is None or row.volume != self._places.root.volume:
            raise stale()
        return row

    def _moved(self, row: FileRow) -> int:
        """Open a file that is not at its place, and keep the new place.

        Raises:
            OSError: ESTALE: it was not found. EAGAIN: it was not looked for.
        """
        if self._patience:
            with self._patience:
                self._repair.look_for(row, far=row.id not in self._gone)
        elif row.id not in self._gone:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        found = self._places.open(self._places.current(row))
        if found is None:
            self._lose(row)
            raise stale()
        self._gone.discard(row.id)
        tried(self._rows.commit)
        return found

    def _lose(self, row: FileRow) -> None:
        if row.id in self._gone:
            return
        if len(self._gone) >= MAX_LOST_IDS:
            self._gone.clear()
        self._gone.add(row.id)
        self._sweep.lose(row)

    # From a file to its id.

    def id_of(self, found: OpenObject, *, directory: bytes, name: bytes) -> bytes:
        """The id of a file that has just been found, or created, under a name of a directory.

        The id may leave the server after ``keep``.

        Raises:
            OSError: EACCES: it is on another file system. ESTALE: the directory has no row.
        """
        mark = self._places.mark(found.descriptor)
        if mark.mount != self._places.mount:
            raise PermissionError(errno.EACCES, "another file system is mounted there")
        return _id(self._places.known(mark, self._row(directory), name))

    def keep(self) -> None:
        """Write down the ids that ``id_of`` and ``parent`` have returned.

        Raises:
            OSError: that failed, and they must not leave the server.
        """
        self._sweep.step(self._rows.added)
        self._rows.commit()

    def sync(self) -> None:
        """Bring what ``keep`` wrote to the disk, on any thread.

        Raises:
            OSError: that failed.
        """
        self._rows.sync_log()

    def parent(self, found: OpenObject, *, directory: bytes) -> bytes:
        """The id of the directory above ``directory``, which is open as ``found``.

        Raises:
            OSError: EACCES: it is not below the root. A local process has moved the directory.
        """
        row = self._row(directory)
        above = self._rows.get(row.parent)
        if above is not None and self._places.is_row(found.descriptor, b"..", above):
            return _id(above)
        path = self._path_to(row)
        if path:
            above = self._places.known_directory(path[:-1])
            if self._places.is_row(found.descriptor, b"..", above):
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
        return self._places.path(self._places.current(row))

    # Names that the server changes.

    def named(self, file: bytes, *, directory: bytes, name: bytes) -> None:
        """The file has this name now. It may have others."""
        row, above = self._row(file), self._row(directory)
        if row.name:
            tried(lambda: self._rows.add_link(row.id, above.id, name))
            return
        self._gone.discard(row.id)
        self._rows.put(row._replace(parent=above.id, name=name))
        tried(self._rows.commit)

    def unnamed(self, file: bytes, *, directory: bytes, name: bytes, last: bool) -> None:
        """The file lost this name, which may have been the last one."""
        row, above = self._row(file), self._row(directory)
        if last:
            self._rows.remove(row.id)
            tried(self._rows.commit)
            return
        others = [link for link in self._rows.links(row.id) if link != (above.id, name)]
        if (row.parent, row.name) != (above.id, name):
            tried(lambda: self._rows.remove_link(row.id, above.id, name))
            return
        parent, other = others[0] if others else (row.parent, b"")
        self._rows.put(row._replace(parent=parent, name=other))
        tried(self._rows.commit)
        tried(lambda: self._rows.remove_link(row.id, parent, other))


def _id(row: FileRow) -> bytes:
    return row.id.to_bytes(ID_SIZE, "big")
