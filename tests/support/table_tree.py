"""A directory with a table of handles, as a server uses it, and as a local process does."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from oncrpc.nfs.backends.local.marks import FileMark, mark_of
from oncrpc.nfs.backends.local.objects import looked_at
from oncrpc.nfs.backends.local.table import HandleTable
from oncrpc.nfs.backends.local.table_rows import Rows


def weak_mark_of(descriptor: int) -> FileMark:
    """The mark on a file system that tells nothing about births."""
    found = mark_of(descriptor)
    return found._replace(birth=found.kind >> 12)


class TableTree:
    """A directory with a table of its files, as a server uses it, and as a local process does."""

    def __init__(self, folder: Path, *, state: Path | None = None, weak: bool = False) -> None:
        self.folder, self.top, self.weak = state or folder, folder / "top", weak
        self.top.mkdir()
        self.now = 1_000_000.0
        self._open()

    def _open(self) -> None:
        self.rows = Rows(str(self.folder / "table"))
        mark = weak_mark_of if self.weak else mark_of
        self.table = HandleTable(bytes(self.top), self.rows, mark=mark, clock=lambda: self.now)

    def restart(self) -> None:
        """End the server, and start it again."""
        self.table.close()
        self._open()

    def kill(self, *, lost: int = 0) -> None:
        """Start again with the files of the table as they are now, without the last bytes."""
        for file in self.folder.glob("table*"):
            shutil.copy(file, self.folder / file.name.replace("table", "saved"))
        self.table.close()
        journal = self.folder / "saved-wal"
        if lost and journal.exists():
            os.truncate(journal, max(0, journal.stat().st_size - lost))
        for file in self.folder.glob("saved*"):
            file.replace(self.folder / file.name.replace("saved", "table"))
        self._open()

    def write(self, path: str, text: str = "") -> Path:
        """Create a file locally."""
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text or path)
        return file

    def id_of(self, path: str) -> bytes:
        """The id that a client gets that looks up the path."""
        here = self.table.root
        for part in Path(path).parts:
            here = self.lookup(here, os.fsencode(part))
        return here

    def lookup(self, directory: bytes, name: bytes) -> bytes:
        """The id of a name in a directory."""
        above = self.table.open(directory).descriptor
        found = looked_at(os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=above))
        try:
            found_id = self.table.id_of(found, directory=directory, name=name)
            self.table.keep()
            return found_id
        finally:
            os.close(found.descriptor)
            os.close(above)

    def ino(self, file: bytes) -> int:
        """The inode number of the file that an id leads to."""
        found = self.table.open(file)
        os.close(found.descriptor)
        return found.stat.st_ino

    def leads_to(self, file: bytes, path: str) -> bool:
        """Whether an id leads to the file with this path."""
        return self.ino(file) == os.lstat(self.top / path).st_ino

    def is_stale(self, file: bytes) -> bool:
        """Whether an id leads to ESTALE."""
        try:
            self.ino(file)
        except OSError as error:
            return error.errno == errno.ESTALE
        return False

    def parent(self, directory: bytes) -> bytes:
        """The id of the directory above."""
        found = self.table.open(directory)
        try:
            return self.table.parent(found, directory=directory)
        finally:
            os.close(found.descriptor)
