"""The table of an overlay: the numbers of files, and what no layer knows.

The id of a file must stay the same when the file is copied from the lower layer to the upper one,
so a row joins both. Names of the lower layer that were removed or renamed are hidden by rows, too
(``hidden``): the marks of the kernel's overlayfs need root, and hidden names in the upper directory
would take names from clients. An SQLite database changes each row whole or not at all, also when
the server is killed.

A row without ``upper`` is a file of the lower layer: it has the number of its directory, and its
name there. A row of a file that is being copied has ``upper`` and still the name (``place``). After
the copy it has ``upper`` only (``placed``). After a crash the rows with both show which copies were
not complete.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from oncrpc.nfs.backends.table_database import TableDatabase
from oncrpc.nfs.posix import refusal

SCHEMA = """
CREATE TABLE IF NOT EXISTS life (name BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER, name BLOB, origin BLOB, upper BLOB UNIQUE,
  UNIQUE (parent, name)
);
CREATE TABLE IF NOT EXISTS hidden (
  parent INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (
  cookie INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, name BLOB NOT NULL,
  UNIQUE (parent, name)
);
CREATE INDEX IF NOT EXISTS in_order ON names (parent, cookie);
"""
ROOT = 1
SELECT = "SELECT number, parent, name, origin, upper FROM files WHERE"
LAST_FIXED_COOKIE = 2
"""The cookie of ``..``; other entries have later ones."""

GAP = 1 << 20
"""Numbers to skip at each start. The last rows may be lost when the host loses power, and their
numbers must not be given to other files. Far fewer rows are written between two syncs."""


class OverlayRow(NamedTuple):
    """A file. ``origin`` is the path in the lower layer of a directory that is in both layers."""

    number: int
    parent: int | None
    name: bytes | None
    origin: bytes | None
    upper: bytes | None

    @property
    def has_lower(self) -> bool:
        """Whether the lower layer has the file, or a directory that is merged with it."""
        return self.upper is None or self.origin is not None


class OverlayRows:
    """The table, in the file ``path``, or in memory. ``life`` is a random id of the table.

    Raises:
        OSError: EBUSY: another server uses the file. EIO: it is damaged.
    """

    def __init__(self, path: str | None = None) -> None:
        self._db = db = TableDatabase(path, SCHEMA, exclusive=True)
        try:
            with db.transaction(on_disk=True):
                self._begin(db)
            self.life: bytes = (db.one("SELECT name FROM life") or ())[0]
        except OSError:
            db.close()
            raise

    def _begin(self, db: TableDatabase) -> None:
        if db.one("SELECT 1 FROM life") is None:
            db.execute("INSERT INTO life VALUES (?)", secrets.token_bytes(8))
            db.execute("INSERT INTO files (number, origin) VALUES (1, x'')")
            db.execute("INSERT INTO sqlite_sequence VALUES ('names', ?)", LAST_FIXED_COOKIE)
        db.execute("UPDATE sqlite_sequence SET seq = seq + ?", GAP)

    # Files

    def get(self, number: int) -> OverlayRow:
        """The row of a number.

        Raises:
            OSError: ESTALE: there is no such row.
        """
        found = self._one(f"{SELECT} number = ?", number)
        if found is None:
            raise refusal(errno.ESTALE)
        return found

    def by_upper(self, upper: bytes) -> OverlayRow | None:
        """The row of a file of the upper layer, if there is one."""
        return self._one(f"{SELECT} upper = ?", upper)

    def by_name(self, parent: int, name: bytes) -> OverlayRow | None:
        """The row of a file of the lower layer, if there is one."""
        return self._one(f"{SELECT} parent = ? AND name = ?", parent, name)

    def lower_named(self, parent: int, name: bytes) -> OverlayRow:
        """The row of a file of the lower layer, added if it is missing."""
        known = self.by_name(parent, name)
        if known is not None:
            return known
        added = self._db.execute("INSERT INTO files (parent, name) VALUES (?, ?)", parent, name)
        return self.get(added.lastrowid or 0)

    def of_upper(self, upper: bytes) -> OverlayRow:
        """The row of a file of the upper layer, added if it is missing."""
        known = self.by_upper(upper)
        if known is not None:
            return known
        added = self._db.execute("INSERT INTO files (upper) VALUES (?)", upper)
        return self.get(added.lastrowid or 0)

    def lower_path(self, row: OverlayRow) -> bytes:
        """The path of a file in the lower layer, without a leading slash.

        Raises:
            OSError: ESTALE: a directory above is gone, or is not in the lower layer.
        """
        names = list[bytes]()
        while row.origin is None:
            if row.name is None or row.parent is None:
                raise refusal(errno.ESTALE)
            names.append(row.name)
            row = self.get(row.parent)
        return b"/".join(filter(None, [row.origin, *reversed(names)]))

    def place(self, number: int, upper: bytes) -> None:
        """Note that a copy is about to get its name in the upper layer."""
        with self._db.transaction(on_disk=True):
            self._db.execute("UPDATE files SET upper = ? WHERE number = ?", upper, number)

    def unplace(self, number: int) -> None:
        """Note that the copy did not get its name."""
        self._db.execute("UPDATE files SET upper = NULL WHERE number = ?", number)

    def placed(self, number: int, origin: bytes | None) -> None:
        """Note that the copy has its name; a directory keeps the path of the lower one."""
        moved = "UPDATE files SET parent = NULL, name = NULL, origin = ? WHERE number = ?"
        self._db.execute(moved, origin, number)

    def in_between(self) -> Sequence[OverlayRow]:
        """The rows whose copies an earlier run may not have completed."""
        found = self._db.all(f"{SELECT} upper IS NOT NULL AND name IS NOT NULL")
        return [OverlayRow(*values) for values in found]

    def forget(self, number: int) -> None:
        """Remove a file. Its number is not used again."""
        with self._db.transaction():
            self._db.execute("DELETE FROM files WHERE number = ?", number)
            self._db.execute("DELETE FROM hidden WHERE parent = ?", number)
            self._db.execute("DELETE FROM names WHERE parent = ?", number)

    # Names

    def hide(self, parent: int, name: bytes) -> None:
        """Hide a name of the lower layer for good."""
        with self._db.transaction(on_disk=True):
            self._db.execute("INSERT OR IGNORE INTO hidden VALUES (?, ?)", parent, name)

    def is_hidden(self, parent: int, name: bytes) -> bool:
        """Whether a name of the lower layer is hidden."""
        wanted = "SELECT 1 FROM hidden WHERE parent = ? AND name = ?"
        return self._db.one(wanted, parent, name) is not None

    def hidden(self, parent: int) -> set[bytes]:
        """The hidden names of a directory."""
        found = self._db.all("SELECT name FROM hidden WHERE parent = ?", parent)
        return {name for (name,) in found}

    def list(self, parent: int, names: Iterable[bytes]) -> None:
        """Store the names that a directory has now. Those that stay keep their cookies."""
        wanted = dict.fromkeys(names)
        found = self._db.all("SELECT name FROM names WHERE parent = ?", parent)
        known = {name for (name,) in found}
        gone = [(parent, name) for name in known if name not in wanted]
        new = [(parent, name) for name in wanted if name not in known]
        if gone or new:
            with self._db.transaction():
                self._db.many("DELETE FROM names WHERE parent = ? AND name = ?", gone)
                self._db.many("INSERT INTO names (parent, name) VALUES (?, ?)", new)

    def after(self, parent: int, cookie: int, count: int) -> Sequence[tuple[int, bytes]]:
        """At most ``count`` stored names of a directory with later cookies, in order."""
        found = self._db.all(
            "SELECT cookie, name FROM names WHERE parent = ? AND cookie > ?"
            " ORDER BY cookie LIMIT ?",
            parent, min(cookie, (1 << 63) - 1), count,
        )  # fmt: skip
        return [(place, name) for place, name in found]

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _one(self, query: str, *values: int | bytes) -> OverlayRow | None:
        found = self._db.one(query, *values)
        return None if found is None else OverlayRow(*found)
