"""The file of the status monitor: the state number, watched hosts, and notices to send.

The file ``monitor`` is a list of changes (``entries``). They are appended and synced to the disk in
a thread; all changes that wait for the disk share one sync. When the changes have outgrown the
entries, the file is written anew.

A file that ends within a line was cut by a crash: that change was never acknowledged. Other damage
is logged, a copy of the file is set aside, and the intact lines are used.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import msgspec

from oncrpc.daemon.state.directory import Directory
from oncrpc.host.files import replace_file, write_whole
from oncrpc.nfs.nsm.entries import (
    KINDS,
    Entry,
    MonitorKey,
    RestartNotice,
    RpcMonitor,
    StateNumber,
    WatchedPeer,
    added_line,
    change_of,
    removed_line,
)

log = logging.getLogger("oncrpc.nfs")

MONITOR_FILE = "monitor"
MONITOR_VERSION = b"nfsd monitor 1\n"
GROWTH, LEAST_LINES = 4, 4096
"""The file is rewritten when it has this many times more lines than entries."""

RETRY = 5.0
"""Seconds after which a failed write of the watched hosts is repeated."""


class KeptList:
    """The entries, in memory and in the file; without a directory in memory only.

    Call ``load``, then ``flush``; until then changes are only in memory. Afterwards the tables are
    what the file says once ``_pending`` is written. ``_current`` is done when the thread that runs
    has written and synced what it took, ``_next`` is for the thread after that. After a failure the
    whole file is written again, with the next change.
    """

    def __init__(self, directory: Directory | None) -> None:
        self.directory = directory
        self._tables: Mapping[type[Entry], dict[Hashable, Entry]]
        self._tables = {kind: {} for kind in KINDS.values()}
        self._pending: list[bytes] = []
        self._current: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._thread, self._writing = ThreadPoolExecutor(1, "monitor-file"), Lock()
        self._descriptor: int | None = None
        self._lines = 0
        self._open, self._fault = False, ""

    @property
    def peers(self) -> Mapping[Hashable, WatchedPeer]:
        """The clients of our own lock manager. Not to be changed, like all tables."""
        found: Mapping[Hashable, WatchedPeer] = self._table(WatchedPeer)
        return found

    @property
    def monitors(self) -> Mapping[MonitorKey, RpcMonitor]:
        """The hosts that are watched for programs of this host."""
        found: Mapping[MonitorKey, RpcMonitor] = self._table(RpcMonitor)
        return found

    @property
    def notices(self) -> Mapping[Hashable, RestartNotice]:
        """The hosts that have not been notified of the restart yet."""
        found: Mapping[Hashable, RestartNotice] = self._table(RestartNotice)
        return found

    @property
    def fault(self) -> str:
        """Why the last change is not on the disk; empty if it is."""
        return f"the list of watched hosts cannot be written: {self._fault}" if self._fault else ""

    @property
    def state(self) -> StateNumber | None:
        """The state number; None if there is none yet."""
        found: StateNumber | None = self._table(StateNumber).get(())
        return found

    def __len__(self) -> int:
        """The number of entries."""
        return sum(map(len, self._tables.values()))

    def _table(self, kind: type[Entry]) -> Any:
        return self._tables[kind]

    def put(self, entry: Entry) -> None:
        """Add or replace an entry. The disk has it after ``synced``, or some time later."""
        self._tables[type(entry)][entry.key] = entry
        self._changed(added_line(entry))

    def remove(self, entry: Entry) -> None:
        """Remove an entry, if it is there."""
        if self._tables[type(entry)].pop(entry.key, None) is not None:
            self._changed(removed_line(entry))

    def load(self) -> bool:
        """Read the file. Returns whether it has a state number."""
        if self.directory is None:
            return False
        try:
            data = self.directory.read(MONITOR_FILE)
            damage = "" if data is None else self._replayed(data)
        except (OSError, ValueError) as error:
            damage = str(error)
        if damage:
            aside = self.directory.set_aside(MONITOR_FILE, keep=True)
            log.warning("the list of watched hosts is damaged: %s; %s", damage, aside)
        return self.state is not None

    def _replayed(self, data: bytes) -> str:
        """Make the changes of a file. Returns what is damaged.

        Raises:
            ValueError: it is not such a file.
        """
        if not data.startswith(MONITOR_VERSION):
            raise ValueError("not a list of this version")
        *lines, torn = data[len(MONITOR_VERSION) :].split(b"\n")
        if torn:
            log.info("the list of watched hosts ends within a line, which is left out")
        damage = ""
        for number, line in enumerate(lines, 2):
            try:
                change = change_of(line)
            except ValueError as error:
                damage = damage or f"line {number}: {error}"
            else:
                self._tables[change.kind].pop(change.key, None)
                if change.entry is not None:
                    self._tables[change.kind][change.key] = change.entry
        return damage

    def leave(self) -> bytes:
        """All entries if no file has them, else nothing; as JSON."""
        text = "" if self.directory is not None else self._text().decode("ascii")
        return msgspec.json.encode(text)

    def resume(self, left: bytes) -> bool:
        """Take over what ``leave`` returned; False if the file has it."""
        try:
            text = msgspec.json.decode(left, type=str | None)
            damage = self._replayed(text.encode("ascii")) if text else ""
        except (ValueError, msgspec.DecodeError) as error:
            text, damage = "", str(error)
        if damage:
            log.warning("what the former program watched is not understood: %s", damage)
        return bool(text)

    def flush(self) -> bool:
        """Write everything to the disk, and wait for it. Returns whether that worked."""
        self._open = self.directory is not None
        if not self._open:
            return True
        with self._writing:
            pass  # a thread may have taken the changes before these
        try:
            self._write(*self._taken())
        except OSError:
            return False
        return True

    async def synced(self) -> None:
        """Wait until all changes so far are on the disk.

        Raises:
            OSError: they are not.
        """
        if self._pending and self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        waiter = self._next if self._pending else self._current
        if waiter is not None:
            await asyncio.shield(waiter)

    async def close(self) -> None:
        """Write what is pending, and close the file."""
        if self._writer is not None:
            await self._writer
        self._open = False
        self._thread.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _changed(self, line: bytes) -> None:
        if self._open:
            self._pending.append(line)
            self._begin()

    def _begin(self) -> None:
        if self._writer is None and self._open:
            self._writer = asyncio.ensure_future(self._write_all())

    async def _write_all(self) -> None:
        """Write until nothing is pending. After a failure try again later."""
        loop, first = asyncio.get_running_loop(), True
        while self._pending or (first and self._fault):
            first = False
            waiter = self._next or loop.create_future()
            self._current, self._next = waiter, None
            try:
                await loop.run_in_executor(self._thread, self._write, *self._taken())
            except OSError as error:
                waiter.set_exception(error)
                waiter.exception()  # nobody may wait for it
                loop.call_later(RETRY, self._begin)
            else:
                waiter.set_result(None)
        self._current = self._writer = None

    def _taken(self) -> tuple[bytes, bool]:
        """Take what is pending: the bytes to write, and whether they are the whole file."""
        self._lines += len(self._pending)
        outgrown = self._lines > max(LEAST_LINES, GROWTH * len(self))
        anew = bool(self._fault) or outgrown or self._descriptor is None
        if anew:
            self._lines = len(self)
        data = self._text() if anew else b"".join(self._pending)
        self._pending.clear()
        return data, anew

    def _text(self) -> bytes:
        """The whole file."""
        tables = self._tables.values()
        lines = (added_line(entry) for table in tables for entry in table.values())
        return MONITOR_VERSION + b"".join(lines)

    def _write(self, data: bytes, anew: bool) -> None:
        """In a thread: write and sync. A failure is logged once.

        Raises:
            OSError: that failed.
        """
        try:
            with self._writing:
                self._replace(data) if anew else self._append(data)
        except OSError as error:
            is_new, self._fault = not self._fault, error.strerror or type(error).__name__
            if is_new:
                log.error("%s", self.fault)
            raise
        self._fault = ""

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        assert self.directory is not None
        write_whole(self._descriptor, data, write=self.directory.write)
        os.fdatasync(self._descriptor)

    def _replace(self, data: bytes) -> None:
        assert self.directory is not None
        write = self.directory.write

        def write_and_sync(descriptor: int) -> None:
            write_whole(descriptor, data, write=write)
            os.fsync(descriptor)

        made = replace_file(MONITOR_FILE, write_and_sync, folder=self.directory.fileno())
        former, self._descriptor = self._descriptor, made
        if former is not None:
            os.close(former)
        os.fsync(self.directory.fileno())
