"""The table of files: a number for each path, and attributes that a store lacks.

A store identifies files by path. NFS needs a number that stays with a file when it is renamed, and
POSIX needs modes, owners and times. An SQLite database has both, in memory or in a file. A row is
added when a file is first seen. ``cookie`` orders the entries of a directory.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from oncrpc.nfs.backends.table_database import TableDatabase
from oncrpc.nfs.posix import refusal

SCHEMA = """
CREATE TABLE IF NOT EXISTS life (name BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  cookie INTEGER NOT NULL,
  mode INTEGER, uid INTEGER, gid INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER,
  made INTEGER NOT NULL DEFAULT 0,
  seen INTEGER,
  UNIQUE (parent, name)
);
CREATE TABLE IF NOT EXISTS cookies (last INTEGER NOT NULL);
"""
ROOT = 1
COLUMNS = "number, parent, name, cookie, mode, uid, gid, atime, mtime, ctime, made, seen"
SELECT = f"SELECT {COLUMNS} FROM files WHERE"
FIRST_COOKIE = 2
"""The last cookie before the first entry: 1 and 2 belong to ``.`` and ``..``."""

GAP = 1 << 20
"""Numbers to skip at each start. The last rows may be lost when the host loses power, and their
numbers must not be given to other files."""


class StoredRow(NamedTuple):
    """The row of a file. An attribute that is None comes from the store, or is a default.

    ``made`` is 1 for a directory that a client has created: an object store does not have it while
    it is empty. ``seen`` is the time of the last change that the store had after a change by this
    server; if it has another one, another program has changed the file.
    """

    number: int
    parent: int
    name: bytes
    cookie: int
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    atime: int | None = None
    mtime: int | None = None
    ctime: int | None = None
    made: int = 0
    seen: int | None = None


class StoredRows:
    """The table, in the file ``path``, or in memory. ``life`` is a random id of the table."""

    def __init__(self, path: str | None = None) -> None:
        self._db = db = TableDatabase(path, SCHEMA)
        with db.transaction(on_disk=True):
            self._begin(db)
        self.life: bytes = (db.one("SELECT name FROM life") or ())[0]

    def _begin(self, db: TableDatabase) -> None:
        if db.one("SELECT 1 FROM life") is None:
            db.execute("INSERT INTO life VALUES (?)", secrets.token_bytes(8))
            db.execute("INSERT INTO cookies VALUES (?)", FIRST_COOKIE)
            db.execute("INSERT INTO files (number, parent, name, cookie) VALUES (1, 1, x'', 0)")
        if "seen" not in {name for _, name, *_ in db.all("PRAGMA table_info(files)")}:
            db.execute("ALTER TABLE files ADD COLUMN seen INTEGER")  # of an earlier version
        db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'files'", GAP)

    def get(self, number: int) -> StoredRow:
        """The row of a number.

        Raises:
            OSError: ESTALE: there is no such row.
        """
        found = self._db.one(f"{SELECT} number = ?", number)
        if found is None:
            raise refusal(errno.ESTALE)
        return StoredRow(*found)

    def path(self, row: StoredRow) -> bytes:
        """The path from the root, without a leading slash.

        Raises:
            OSError: ESTALE: a directory above is gone.
        """
        names = []
        while row.number != ROOT:
            names.append(row.name)
            row = self.get(row.parent)
        return b"/".join(reversed(names))

    def find(self, parent: int, name: bytes) -> StoredRow | None:
        """The row of a name, if there is one."""
        found = self._db.one(f"{SELECT} parent = ? AND name = ?", parent, name)
        return None if found is None else StoredRow(*found)

    def named(self, parent: int, name: bytes) -> StoredRow:
        """The row of a name, added if it is missing."""
        known = self.find(parent, name)
        if known is not None:
            return known
        self._db.execute(
            "INSERT INTO files (parent, name, cookie) VALUES (?, ?, ?)",
            parent, name, self._next_cookie(),
        )  # fmt: skip
        found = self.find(parent, name)
        assert found is not None, "it was just made"
        return found

    def listed(self, parent: int, names: Iterable[bytes]) -> list[StoredRow]:
        """The rows of a directory in order, after an update to the names that the store has."""
        wanted = set(names)
        known = {row.name: row for row in self._below(parent)}
        gone = [row for name, row in known.items() if name not in wanted and not row.made]
        new = sorted(wanted - known.keys())
        if not gone and not new:
            return [*known.values()]
        with self._db.transaction():
            for row in gone:
                self.remove(row)
            for name in new:
                self.named(parent, name)
        return self._below(parent)

    def change(self, number: int, **values: int | None) -> None:
        """Set columns of a row."""
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE files SET {names} WHERE number = ?", *values.values(), number)

    def remove(self, row: StoredRow) -> None:
        """Remove a row. Files below a removed directory become stale."""
        self._db.execute("DELETE FROM files WHERE number = ?", row.number)

    def rename(self, row: StoredRow, parent: int, name: bytes) -> None:
        """Rename a file. If it replaces another file, it takes the cookie of that file."""
        replaced = self.find(parent, name)
        with self._db.transaction():
            cookie = self._next_cookie() if replaced is None else replaced.cookie
            if replaced is not None:
                self.remove(replaced)
            self._db.execute(
                "UPDATE files SET parent = ?, name = ?, cookie = ? WHERE number = ?",
                parent, name, cookie, row.number,
            )  # fmt: skip
            # The store has moved the file, and all that is below a directory: at new times.
            self._db.execute("UPDATE files SET seen = NULL WHERE seen IS NOT NULL")

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _below(self, parent: int) -> list[StoredRow]:
        found = self._db.all(f"{SELECT} parent = ? AND number != {ROOT} ORDER BY cookie", parent)
        return [StoredRow(*values) for values in found]

    def _next_cookie(self) -> int:
        self._db.execute("UPDATE cookies SET last = last + 1")
        return int((self._db.one("SELECT last FROM cookies") or ())[0])
