"""The journal of granted locks and shares, on disk: what clients may claim after a restart.

It is an SQLite database with a write-ahead log. A change is put into memory, and written by a
thread in the next transaction, with all changes until then. A transaction is on disk when it ends
(``synchronous = FULL``). So ``synced`` waits for one sync that many calls share, and what it has
waited for survives any end of this process, and a loss of power.

Before UNLOCK is answered, ``written`` waits until the release is in the log, but not until it is on
disk. So it survives the end of this process: otherwise the next one would wait for a client to
claim a lock that it has released. After a loss of power that can happen; it costs time, but no
lock. No call waits for other changes: they are written with the next lock, or after ``SOON``
seconds.

After a failed transaction, say on a full disk, the database is as it was before. The next
transaction writes everything again (``everything``), at most one in ``RETRY`` seconds.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from oncrpc.daemon.state.directory import Directory
from oncrpc.host.files import fault_of
from oncrpc.nfs.locks.dos_shares import DosShare
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner

log = logging.getLogger("oncrpc.nfs")

JOURNAL_FILE = "locks"
SOON = 0.01
"""Seconds after which changes are written that no call waits for."""

RETRY = 1.0
"""Seconds between two transactions that write everything again."""

MAX_JOURNAL_PAGES = 1 << 16
"""Pages of the journal of locks: 256 MiB."""

VERSION, APPLICATION = 1, 0x6E6C6D31
COLUMNS = "tag, file, host, name, svid, oh"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS locks (
    tag INTEGER, file BLOB, host TEXT, name BLOB, svid INTEGER, oh BLOB,
    start INTEGER, last INTEGER, exclusive INTEGER, PRIMARY KEY ({COLUMNS}, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shares (
    tag INTEGER, file BLOB, host TEXT, name BLOB, svid INTEGER, oh BLOB,
    mode INTEGER, access INTEGER, PRIMARY KEY ({COLUMNS})) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
PRAGMA application_id = {APPLICATION};
"""
SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA cache_size = -1024",
    "PRAGMA journal_size_limit = 4194304",
)
SIGN = 1 << 63
"""SQLite has signed numbers: 0 is stored as the smallest one."""

ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
}

Key = tuple[Any, ...]
"""The columns of a primary key."""


class RecordedLock(NamedTuple):
    """A lock in the journal."""

    file: LockedFile
    lock: Lock


class RecordedShare(NamedTuple):
    """A share in the journal."""

    file: LockedFile
    owner: LockOwner
    share: DosShare


Record = RecordedLock | RecordedShare


class LockJournal:
    """The journal of a state directory; None keeps nothing.

    Call ``load`` first. ``everything`` yields what is to be in the journal. ``_pending`` has the
    changes that are in no transaction yet: rows, and None for what is removed. If ``_whole`` is
    set, the next transaction writes everything instead, and changes are not collected until it
    begins. ``_next`` is done when the next transaction is, with its error or None; ``_running`` is
    the one in the thread. ``_failed`` is the error of the last transaction.
    """

    def __init__(
        self,
        directory: Directory | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_pages: int = MAX_JOURNAL_PAGES,
    ) -> None:
        self.directory, self._clock, self._most_pages = directory, clock, most_pages
        self.everything: Callable[[], Iterable[Record]] = tuple
        self._database: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "lock-journal")
        self._pending: dict[str, dict[Key, Key | None]] = {"locks": {}, "shares": {}}
        self._next: asyncio.Future[OSError | None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._running: Future[OSError | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failed: OSError | None = None
        self._failed_at, self._whole = 0.0, False

    def load(self, add: Callable[[Record], None]) -> bool:
        """Open the database, and call ``add`` with each record. Returns whether all were read.

        A file that is damaged, or is not a journal, is set aside. The new file has what
        ``everything`` yields then.
        """
        if self.directory is None:
            return True
        try:
            self._database = self._opened(self.directory)
            for record in _records(self._database):
                add(record)
        except (sqlite3.OperationalError, OSError) as error:
            if isinstance(error, PermissionError):
                self._replace_file(error)
            else:
                self._fail(_translated(error))
        except (sqlite3.DatabaseError, ValueError) as error:
            self._replace_file(error)
        else:
            return True
        return False

    def _replace_file(self, error: Exception) -> None:
        """Set the file aside, and write what was read into a new one."""
        directory = self.directory
        assert directory is not None
        if self._database is not None:
            self._database.close()
            self._database = None
        aside, folder = directory.set_aside(JOURNAL_FILE, keep=False), directory.fileno()
        with suppress(OSError):
            log_, kept = JOURNAL_FILE + "-wal", JOURNAL_FILE + ".corrupt-wal"
            os.rename(log_, kept, src_dir_fd=folder, dst_dir_fd=folder)
        log.error(
            "the journal of locks cannot be used: %s; %s; the hosts that are watched may claim"
            " locks",
            error,
            aside,
        )
        problem = self._transaction(list(_statements_for_all(self.everything())))
        if problem is not None:
            self._fail(problem)

    def _opened(self, directory: Directory) -> sqlite3.Connection:
        database = _opened(directory)
        database.execute(f"PRAGMA max_page_count = {self._most_pages}").fetchall()
        return database

    @property
    def fault(self) -> str:
        """Why locks cannot be kept; empty if they can."""
        return "" if self._failed is None else f"locks cannot be kept: {self._failed.strerror}"

    def put(self, record: Record) -> None:
        """Keep a lock or a share, from the next transaction on."""
        self._change(record, row_of(record))

    def remove(self, record: Record) -> None:
        """Remove a lock or a share, from the next transaction on."""
        self._change(record, None)

    def _change(self, record: Record, row: Key | None) -> None:
        if self.directory is not None and not self._whole:
            table = "locks" if isinstance(record, RecordedLock) else "shares"
            self._pending[table][key_of(record)] = row

    async def synced(self) -> None:
        """Wait until all changes are on disk.

        Raises:
            OSError: that failed.
        """
        done = self.write()
        error = None if done is None else await asyncio.shield(done)
        if error is not None:
            raise OSError(error.errno, error.strerror)

    async def written(self) -> None:
        """Wait until all changes are in the log, or have failed."""
        done = self.write()
        if done is not None:
            await asyncio.shield(done)

    def write_everything(self) -> None:
        """Let the next transaction write everything: the file may not have the last changes."""
        self._whole = self.directory is not None

    def write_soon(self) -> None:
        """Write the changes after a while."""
        if self._timer is None and self._has_work:
            self._timer = asyncio.get_running_loop().call_later(SOON, self.write)

    def write(self) -> asyncio.Future[OSError | None] | None:
        """Begin to write the changes. None if there is nothing to be written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (self._has_work or self._writer):
            return None
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            if self._writer is None:
                self._writer = loop.create_task(self._write_all())
        return self._next

    @property
    def _has_work(self) -> bool:
        return self._whole or any(self._pending.values())

    async def _write_all(self) -> None:
        """Run one transaction after the other, until nobody waits for one."""
        try:
            while self._next is not None:
                done, self._next = self._next, None
                statements = self._taken()
                if statements is None:
                    done.set_result(self._failed)
                    continue
                self._running = self._thread.submit(self._transaction, statements)
                error = await asyncio.wrap_future(self._running)
                self._ended(error)
                done.set_result(error)
        finally:
            self._writer = None

    def _taken(self) -> list[Statement] | None:
        """The statements of the next transaction; None if it is too early for another try."""
        if self._whole:
            if self._failed is not None and self._clock() < self._failed_at + RETRY:
                return None
            self._whole = False
            return list(_statements_for_all(self.everything()))
        statements = [
            statement
            for table, rows in self._pending.items()
            for statement in _changes(table, rows)
        ]
        self._clear()
        return statements

    def _clear(self) -> None:
        self._pending = {table: {} for table in self._pending}

    def _transaction(self, statements: list[Statement]) -> OSError | None:
        """Write, in the thread."""
        try:
            if self._database is None:
                assert self.directory is not None
                self._database = self._opened(self.directory)
            _write(self._database, statements)
        except (sqlite3.Error, OSError) as error:
            return _translated(error)
        return None

    def _ended(self, error: OSError | None) -> None:
        """A transaction has ended. This may be called twice for one."""
        self._running = None
        if error is None:
            if self._failed is not None:
                log.info("locks can be kept again")
            self._failed = None
        else:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self._failed is None:
            log.error("cannot keep locks: %s; no more are granted", error.strerror)
        self._failed, self._failed_at, self._whole = error, self._clock(), True
        self._clear()

    async def stop(self) -> None:
        """Wait until all changes are on disk, or have failed."""
        self.write()
        while self._writer is not None:
            await asyncio.shield(self._writer)

    def settle(self) -> None:
        """Write all changes now, and wait for the disk; the event loop waits, too."""
        if self._running is not None:
            self._ended(self._running.result())
        statements = self._taken() if self._has_work else None
        if statements is not None:
            self._ended(self._thread.submit(self._transaction, statements).result())

    def close(self) -> None:
        """Close the file; call ``stop`` or ``settle`` before."""
        if self._timer is not None:
            self._timer.cancel()
        self._thread.shutdown()
        if self._database is not None:
            self._database.close()


Statement = tuple[str, list[Key]]
"""A statement, and the rows for which it is executed."""


def key_of(record: Record) -> Key:
    """The primary key of a record."""
    return row_of(record)[: 7 if isinstance(record, RecordedLock) else 6]


def row_of(record: Record) -> Key:
    """The columns of a record."""
    owner = record.lock.owner if isinstance(record, RecordedLock) else record.owner
    start = (*record.file, *owner.client, owner.svid, owner.oh)
    if isinstance(record, RecordedLock):
        range_ = record.lock.range
        return (*start, range_.start - SIGN, range_.end - 1 - SIGN, int(record.lock.exclusive))
    return (*start, record.share.mode, record.share.access)


def _records(database: sqlite3.Connection) -> Iterator[Record]:
    """Yield the records.

    Raises:
        ValueError: a row that was not written by a journal.
    """
    for row in database.execute("SELECT * FROM locks"):
        *owned, start, last, exclusive = row
        _check_numbers(start, last, exclusive)
        range_ = ByteRange(start + SIGN, last + SIGN + 1)
        if range_.start >= range_.end:
            raise ValueError("a lock without bytes")
        file, owner = _owned(owned)
        yield RecordedLock(file, Lock(owner, range_, bool(exclusive)))
    for row in database.execute("SELECT * FROM shares"):
        *owned, mode, access = row
        _check_numbers(mode, access)
        yield RecordedShare(*_owned(owned), DosShare(mode, access))


def _owned(columns: list[Any]) -> tuple[LockedFile, LockOwner]:
    tag, file, host, name, svid, oh = columns
    _check_numbers(tag, svid)
    if not (isinstance(host, str) and all(isinstance(each, bytes) for each in (file, name, oh))):
        raise ValueError("a column of another type")
    return LockedFile(tag, file), LockOwner(LockClient(host, name), svid, oh)


def _check_numbers(*numbers: object) -> None:
    if not all(isinstance(each, int) for each in numbers):
        raise ValueError("a column that is not a number")


def _changes(table: str, rows: dict[Key, Key | None]) -> Iterator[Statement]:
    gone = [key for key, row in rows.items() if row is None]
    new = [row for row in rows.values() if row is not None]
    if gone:
        columns = (*COLUMNS.split(", "), *(["start"] if table == "locks" else []))
        where = " AND ".join(f"{column} = ?" for column in columns)
        yield f"DELETE FROM {table} WHERE {where}", gone
    if new:
        yield f"INSERT OR REPLACE INTO {table} VALUES ({_marks(new[0])})", new


def _statements_for_all(records: Iterable[Record]) -> Iterator[Statement]:
    rows: dict[str, list[Key]] = {"locks": [], "shares": []}
    for record in records:
        rows["locks" if isinstance(record, RecordedLock) else "shares"].append(row_of(record))
    for table, some in rows.items():
        yield f"DELETE FROM {table}", [()]
        if some:
            yield f"INSERT OR REPLACE INTO {table} VALUES ({_marks(some[0])})", some


def _marks(row: Key) -> str:
    return ", ".join("?" * len(row))


def _write(database: sqlite3.Connection, statements: Collection[Statement]) -> None:
    """Run the statements in one transaction.

    It is on disk afterwards, unless it only removes: then it is with the next one that does not.
    """
    adds = any(text.startswith("INSERT") for text, _ in statements)
    try:
        database.execute(f"PRAGMA synchronous = {'FULL' if adds else 'NORMAL'}")
        database.execute("BEGIN IMMEDIATE")
        for text, rows in statements:
            database.executemany(text, rows)
        database.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _opened(directory: Directory) -> sqlite3.Connection:
    """The database, ready for use.

    Raises:
        sqlite3.DatabaseError: it is damaged, or has another version, or is not a journal.
        OSError: it cannot be opened, or others could have written it.
    """
    _prepare(directory)
    database = sqlite3.connect(
        os.path.join(directory.path, JOURNAL_FILE),
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in SETTINGS:
            database.execute(setting).fetchall()
        _check_kind(database)
        database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _check_kind(database: sqlite3.Connection) -> None:
    [[tables]] = database.execute("SELECT count(*) FROM sqlite_schema")
    [[application]] = database.execute("PRAGMA application_id")
    [[version]] = database.execute("PRAGMA user_version")
    if tables and application != APPLICATION:
        raise sqlite3.DatabaseError("it is not a journal of locks")
    if tables and version != VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}, and this program has {VERSION}")


def _prepare(directory: Directory) -> None:
    """Create the file if it is missing, with its name on disk; check it otherwise.

    SQLite gives its log the mode of this file.
    """
    folder = directory.fileno()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(JOURNAL_FILE, flags, 0o600, dir_fd=folder))
        os.fsync(folder)
    except FileExistsError:
        found = os.stat(JOURNAL_FILE, dir_fd=folder, follow_symlinks=False)
        fault = fault_of(found, owners=(os.geteuid(),), forbidden=0o077)
        if fault is not None:
            raise PermissionError(errno.EPERM, f"it is {fault.name.lower()}") from None


def _translated(error: Exception) -> OSError:
    """An error of SQLite as that of a system call."""
    if isinstance(error, OSError):
        return error
    code = ERRNO.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, errno.EIO)
    return OSError(code, f"{os.strerror(code)} ({error})")
