"""The registry on disk: a snapshot, and a journal of the changes since.

A change is in the journal before it is made in memory, and so before it is acknowledged. It is one
record, written with one system call at the end of the file. When the journal has outgrown the
registry, and at every start, the registry is written as a new snapshot, which is put in place of
the old one in one step; then a new journal takes the place of the old one, likewise. Changes are
numbered, and the snapshot says which is its last: a crash between the two steps leaves a journal of
changes that the snapshot has already, and they are passed over.

There is no fsync. What was written is in the kernel's memory: it survives the end of this process,
however that comes. It does not survive a loss of power, and need not: both files carry the kernel's
boot id, and what is of an earlier boot is ignored, since no server of that boot is there any more.

A change that cannot be written is refused, and the registry is as it was. What a full disk took of
a record is cut off again. When there is room, changes are taken again.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence

from oncrpc.daemon.state import records as statefile
from oncrpc.daemon.state.directory import MAX_FILE, Directory, Write, boot_id
from oncrpc.daemon.state.records import Change, Contents, FormatError
from oncrpc.portmap.registry import Key, Operation, key_of
from oncrpc.programs.rpcb import rpcb

log = logging.getLogger("oncrpc.portmap")

SNAPSHOT, JOURNAL = "snapshot", "journal"
GROWTH = 4
"""The journal is written into a snapshot when it is so many times as long as the last one..."""

LEAST_JOURNAL = 65536
"""...and has so many bytes."""

TRY_AGAIN = 1.0
"""Seconds after which a writing of both files that failed is tried again."""


class Store:
    """The files in a directory; ``entries`` is the registry as it has to be kept.

    Raises:
        StartError: the directory cannot be used.
        OSError: the host does not tell its boot id.
    """

    def __init__(
        self,
        path: str,
        entries: Callable[[], Iterable[rpcb]],
        *,
        boot: bytes | None = None,
        write: Write = os.write,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self._entries, self._write, self._clock = path, entries, write, clock
        self._boot = boot_id() if boot is None else boot
        self._number = 0
        self._journal: int | None = None
        self._size = self._compact_at = 0
        self._torn = self._failing = False
        self._again_at = 0.0
        self.unchanged_since = math.inf
        """When the snapshot was written that was loaded, if no change followed it."""

        self.appends = self.failures = 0
        """Changes that were kept, and attempts to write that failed."""

        self._directory = Directory(path, write=write)

    @property
    def journal_size(self) -> int:
        """Bytes of the journal."""
        return self._size

    def fault(self) -> str:
        """Why the next change could not be kept; empty if nothing is known against it."""
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

    def load(self) -> list[rpcb] | None:
        """What was registered, in order; None if there is nothing of this boot.

        Files that are damaged are set aside, and what is whole in them is taken all the same.
        """
        snapshot, journal = self._contents(SNAPSHOT), self._contents(JOURNAL)
        if snapshot is None and journal is None:
            return None
        self._number = snapshot.header.number if snapshot else 0
        table: dict[Key, rpcb] = {}
        for change in snapshot.changes if snapshot else ():
            _apply(table, change)
        if journal is not None and journal.header.number > self._number:
            log.error("%s: a snapshot is missing; what it held is lost", self.path)
        for change in journal.changes if journal else ():
            if change.number > self._number:
                _apply(table, change)
                self._number = change.number
        if snapshot is not None and self._number == snapshot.header.number:
            self.unchanged_since = self._directory.modified(SNAPSHOT)
        return list(table.values())

    def _contents(self, name: str) -> Contents | None:
        """A file of this boot as far as it is whole."""
        try:
            data = self._directory.read(name)
            found = None if data is None else statefile.read(data)
        except (OSError, FormatError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            said = self._directory.set_aside(name, keep=False)
            log.error("cannot read %s/%s: %s; %s", self.path, name, reason, said)
            return None
        if found is None:
            return None
        if found.header.boot != self._boot:
            log.info("%s/%s is of an earlier boot, and forgotten", self.path, name)
            return None
        self._report(name, found)
        return found

    def _report(self, name: str, found: Contents) -> None:
        if found.damage:
            said = self._directory.set_aside(name, keep=True)
            log.error("%s/%s: %s; what precedes is kept; %s", self.path, name, found.damage, said)
        elif found.torn:
            log.warning("%s/%s ends within a record: that change is cut off", self.path, name)

    def begin(self) -> None:
        """Write both files anew, for the changes that come.

        If that fails, changes are refused until it works.
        """
        self._compact()

    def append(self, operation: Operation, entries: Sequence[rpcb]) -> None:
        """Keep a change that is about to be made.

        Raises:
            OSError: it could not be written, and must not be made.
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

    def _append(self, operation: Operation, entries: Sequence[rpcb]) -> None:
        if self._size >= self._compact_at and self._clock() >= self._again_at:
            self._compact()
        record = statefile.change(self._number + 1, operation, entries)
        if self._journal is None:
            raise OSError(errno.EIO, "the last attempt failed")
        if self._size + len(record) > MAX_FILE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._cut(self._journal)
        self._torn = True
        written = self._write(self._journal, record)
        if written != len(record):
            self._cut(self._journal)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False
        self._size += written
        self._number += 1

    def _cut(self, journal: int) -> None:
        """Take away what a failed writing may have left behind the last whole record."""
        if self._torn:
            os.ftruncate(journal, self._size)
            self._torn = False

    def _compact(self) -> None:
        """Write a snapshot, then an empty journal; a failure leaves both files useful."""
        entries = list(self._entries())
        try:
            made, live = self._directory.replace(
                SNAPSHOT, statefile.snapshot(self._boot, self._number, entries)
            )
            os.close(made)
            journal, size = self._directory.replace(
                JOURNAL, [statefile.header(self._boot, self._number)]
            )
        except OSError as error:
            log.warning("cannot write the files in %s anew: %s", self.path, error.strerror)
            self._again_at = self._clock() + TRY_AGAIN
            self.failures += 1
            return
        if self._journal is not None:
            os.close(self._journal)
        self._journal, self._size, self._torn = journal, size, False
        self._compact_at = size + max(LEAST_JOURNAL, GROWTH * live)

    def close(self) -> None:
        """Let go of the directory; a change after that is refused."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
        self._again_at = math.inf
        self._directory.close()


def _apply(table: dict[Key, rpcb], change: Change) -> None:
    """Repeat a change; one that was registered anew is the last, as it was then."""
    for entry in change.entries:
        key = key_of(entry)
        table.pop(key, None)
        if change.operation is Operation.SET:
            table[key] = entry
