"""A table on disk: a snapshot, and a journal of the changes since.

A change is written to the journal before it is made in memory, and so before it is acknowledged. It
is one record, appended with one system call. At every start, and when the journal has outgrown the
table, the table is written as a new snapshot, which replaces the old one in one step; then an
empty journal replaces the old journal, also in one step. Changes are numbered, and the snapshot has
the number of its last change: after a crash between the two steps, the changes that the snapshot
already has are skipped.

Nothing is synced to the disk. What was written is in the kernel's page cache and survives any end
of this process. It need not survive a loss of power: both files carry the kernel's boot id, and
files of an earlier boot are ignored, since the servers of that boot are gone too.

A change that cannot be written is refused, and the table stays as it was. If a full disk took a
part of a record, that part is cut off. Changes are accepted again as soon as writing works.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from oncrpc.daemon.state.directory import MAX_FILE, Directory, Write, boot_id
from oncrpc.daemon.state.records import (
    Change,
    Contents,
    Format,
    FormatError,
    TableOperation,
    header,
)

log = logging.getLogger("oncrpc.daemon")

E = TypeVar("E")

SNAPSHOT, JOURNAL = "snapshot", "journal"
GROWTH = 4
"""A new snapshot is written when the journal is this many times as long as the last one..."""

LEAST_JOURNAL = 65536
"""...and has at least this many bytes."""

TRY_AGAIN = 1.0
"""Seconds before a failed attempt to write both files is repeated."""


class Store(Generic[E]):
    """The two files in a directory.

    ``form`` is the format of the records, ``key`` gives the key of an entry, and ``entries`` the
    table as it must be kept. Between two calls the files hold that table: the snapshot, and the
    changes of the journal after it; ``_size`` is the length of the journal up to the last whole
    record, ``_number`` the number of the last change.

    Raises:
        StartError: the directory cannot be used.
        OSError: the boot id cannot be read.
    """

    def __init__(
        self,
        path: str,
        entries: Callable[[], Iterable[E]],
        *,
        form: Format[E],
        key: Callable[[E], Hashable],
        boot: bytes | None = None,
        write: Write = os.write,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self._entries, self.write, self._clock = path, entries, write, clock
        self._form, self._key = form, key
        self._boot = boot_id() if boot is None else boot
        self._number = 0
        self._journal: int | None = None
        self._size = self._compact_at = 0
        self._torn = self._failing = False
        self._again_at = 0.0
        self.unchanged_since = math.inf
        """When the loaded snapshot was written, if no change followed it."""

        self.appends = self.failures = 0
        """Changes written, and failed attempts to write."""

        self.directory = Directory(path, write=write)

    @property
    def journal_size(self) -> int:
        """Bytes of the journal."""
        return self._size

    def fault(self) -> str:
        """Why the next change could not be written; empty if no reason is known."""
        if self._journal is None:
            return "the journal could not be opened"
        if self._failing:
            return "the last change could not be written"
        try:
            room = os.fstatvfs(self._journal)
        except OSError as error:
            return (error.strerror or "").lower()
        if room.f_flag & os.ST_RDONLY:
            return "the file system is read-only"
        return "the file system is full" if room.f_blocks and not room.f_bavail else ""

    def load(self) -> list[E] | None:
        """The entries in order; None if there are no files of this boot.

        Damaged files are set aside; their intact part is used.
        """
        snapshot, journal = self._contents(SNAPSHOT), self._contents(JOURNAL)
        if snapshot is None and journal is None:
            return None
        self._number = snapshot.header.number if snapshot else 0
        table: dict[Hashable, E] = {}
        for change in snapshot.changes if snapshot else ():
            self._apply(table, change)
        if journal is not None and journal.header.number > self._number:
            log.error("%s: a snapshot is missing; what it held is lost", self.path)
        for change in journal.changes if journal else ():
            if change.number > self._number:
                self._apply(table, change)
                self._number = change.number
        if snapshot is not None and self._number == snapshot.header.number:
            self.unchanged_since = self.directory.modified(SNAPSHOT)
        return list(table.values())

    def _contents(self, name: str) -> Contents[E] | None:
        """The intact part of a file of this boot."""
        try:
            data = self.directory.read(name)
            found = None if data is None else self._form.read(data)
        except (OSError, FormatError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            said = self.directory.set_aside(name, keep=False)
            log.error("cannot read %s/%s: %s; %s", self.path, name, reason, said)
            return None
        if found is None:
            return None
        if found.header.boot != self._boot:
            log.info("%s/%s is of an earlier boot, and ignored", self.path, name)
            return None
        self._report(name, found)
        return found

    def _report(self, name: str, found: Contents[E]) -> None:
        if found.damage:
            said = self.directory.set_aside(name, keep=True)
            log.error(
                "%s/%s: %s; what precedes it is used; %s", self.path, name, found.damage, said
            )
        elif found.torn:
            log.warning("%s/%s ends within a record: that change is cut off", self.path, name)

    def begin(self) -> None:
        """Write both files, ready for changes.

        If that fails, changes are refused until it works.
        """
        self._compact()

    def append(self, operation: TableOperation, entries: Sequence[E]) -> None:
        """Write a change that is about to be made.

        Raises:
            OSError: it could not be written, so it must not be made.
        """
        try:
            self._append(operation, entries)
            self.appends += 1
            self._failing = False
        except OSError as error:
            self.failures += 1
            self._failing = True
            log.error(
                "cannot write to %s: %s; changes are refused until that works",
                self.path,
                error.strerror,
            )
            raise

    def _append(self, operation: TableOperation, entries: Sequence[E]) -> None:
        if self._size >= self._compact_at and self._clock() >= self._again_at:
            self._compact()
        record = self._form.change(self._number + 1, operation, entries)
        if self._journal is None:
            raise OSError(errno.EIO, "the last attempt failed")
        if self._size + len(record) > MAX_FILE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._cut(self._journal)
        self._torn = True
        written = self.write(self._journal, record)
        if written != len(record):
            self._cut(self._journal)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False
        self._size += written
        self._number += 1

    def _cut(self, journal: int) -> None:
        """Cut off what a failed write may have left after the last whole record."""
        if self._torn:
            os.ftruncate(journal, self._size)
            self._torn = False

    def _compact(self) -> None:
        """Write a snapshot, then an empty journal; after a failure the old files still hold."""
        entries = list(self._entries())
        try:
            made, live = self.directory.replace(
                SNAPSHOT, self._form.snapshot(self._boot, self._number, entries)
            )
            os.close(made)
            journal, size = self.directory.replace(JOURNAL, [header(self._boot, self._number)])
        except OSError as error:
            log.warning("cannot rewrite the files in %s: %s", self.path, error.strerror)
            self._again_at = self._clock() + TRY_AGAIN
            self.failures += 1
            return
        if self._journal is not None:
            os.close(self._journal)
        self._journal, self._size, self._torn = journal, size, False
        self._compact_at = size + max(LEAST_JOURNAL, GROWTH * live)

    def close(self) -> None:
        """Close the directory; later changes are refused."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
        self._again_at = math.inf
        self.directory.close()

    def _apply(self, table: dict[Hashable, E], change: Change[E]) -> None:
        """Repeat a change. An entry that is set again moves to the end, as it did then."""
        for entry in change.entries:
            key = self._key(entry)
            table.pop(key, None)
            if change.operation is TableOperation.SET:
                table[key] = entry
