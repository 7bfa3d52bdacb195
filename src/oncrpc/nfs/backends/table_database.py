"""An SQLite database for the table of a back end. Its errors are those of a file system."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

SqlValue: TypeAlias = int | bytes | str | None

ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
}
"""What a failure of SQLite is as a system's error; EIO for all others."""

ADVICE = {errno.EBUSY: "another server may use it", errno.EIO: "restore or remove it"}


class TableDatabase:
    """A database in the file ``path``, or in memory. Only its owner may read the file.

    Outside of ``transaction`` each statement is a transaction of its own.

    Raises:
        OSError: EBUSY: another process uses the file. EIO: it is damaged. ENOSPC: no space.
    """

    def __init__(self, path: str | None, schema: str, *, exclusive: bool = False) -> None:
        if path:  # it has names of all users
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=0)
        try:
            if exclusive:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(schema)
            self._db.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error as error:
            self._db.close()
            number = _number(error)
            advice = ADVICE.get(number, "make space, or check its owner and mode")
            raise OSError(number, f"{path}: {error}; {advice}") from None

    def execute(self, statement: str, *values: SqlValue) -> sqlite3.Cursor:
        """Run a statement.

        Raises:
            OSError: it has failed.
        """
        with _as_os_errors():
            return self._db.execute(statement, values)

    def one(self, query: str, *values: SqlValue) -> tuple[Any, ...] | None:
        """The first row of a query, None if it has none."""
        with _as_os_errors():
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return found

    def all(self, query: str, *values: SqlValue) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with _as_os_errors():
            return self._db.execute(query, values).fetchall()

    def many(self, statement: str, values: Iterable[tuple[SqlValue, ...]]) -> None:
        """Run a statement with each of these values."""
        with _as_os_errors():
            self._db.executemany(statement, values)

    @contextmanager
    def transaction(self, *, on_disk: bool = False) -> Iterator[None]:
        """Make all changes of the block together, or none of them.

        ``on_disk``: they also outlive a loss of power once the block has ended.
        """
        if on_disk:
            self.execute("PRAGMA synchronous=FULL")
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            self.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self.execute("ROLLBACK")
            if on_disk:
                self.execute("PRAGMA synchronous=NORMAL")

    def close(self) -> None:
        """Close the database."""
        self._db.close()


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        number = _number(error)
        raise OSError(number, f"{os.strerror(number)} (table: {error})") from error


def _number(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    return errno.EIO if code is None else ERRNO.get(code & 0xFF, errno.EIO)
