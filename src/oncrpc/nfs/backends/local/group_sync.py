"""Syncing data in groups: all calls that wait for one file share one fsync(2).

A sync covers the data that were written before it began. So a call that arrives while a sync runs
waits for the next one, with all other calls that arrive until then.

Calls that make files in one directory share its sync, too. The new files are synced after it, by
the same thread: most file systems have written them with the directory then, and only check that.

An error fails all calls that wait for the file, also those of the next round: the kernel reports a
failed write once, and the data of any of them may have been in it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Hashable, Mapping
from enum import IntEnum
from typing import NamedTuple

from oncrpc.nfs.backends.local.syscalls import syncfs
from oncrpc.nfs.backends.local.workers import DiskWorkers
from oncrpc.nfs.filesystem import SyncError


class Depth(IntEnum):
    """The extent of a sync; each one includes those before it."""

    DATA = 0
    """The data of a file, and what is needed to read them."""

    FILE = 1
    """All that belongs to the file."""

    FILESYSTEM = 2
    """The whole file system of the file."""


SYNC_CALLS: Mapping[Depth, Callable[[int], None]] = {
    Depth.DATA: os.fdatasync,
    Depth.FILE: os.fsync,
    Depth.FILESYSTEM: syncfs,
}


class _Wish(NamedTuple):
    """A call that waits."""

    done: asyncio.Future[None]
    depth: Depth


class _Round(NamedTuple):
    """The calls that share one sync.

    ``descriptor`` is the one that was opened first: the kernel reports all later errors to it.
    ``new_files`` are descriptors of files that were made in this directory.
    """

    descriptor: int
    wishes: list[_Wish]
    new_files: list[int]


class GroupSync:
    """The syncs of one file system.

    ``failures`` counts failed syncs. ``lost`` is set if one failed after its caller was cancelled.
    Then the next COMMIT of any file must fail, so that the write verifier changes and clients send
    their data again.

    Between two events a key is in ``_next`` if a call waits for a round that has not begun, and in
    ``_running`` while its sync runs in a worker.
    """

    def __init__(
        self, workers: DiskWorkers, *, calls: Mapping[Depth, Callable[[int], None]] = SYNC_CALLS
    ) -> None:
        self.failures, self.lost = 0, False
        self._workers, self._calls = workers, calls
        self._next: dict[Hashable, _Round] = {}
        self._running: dict[Hashable, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """Whether a sync runs or is due."""
        return bool(self._running)

    def sync(
        self, key: Hashable, descriptor: int, depth: Depth, *, first: bool = False
    ) -> asyncio.Future[None]:
        """Bring what was written until now to disk; ``descriptor`` is closed here.

        ``first``: it was opened before those of all others that wait.

        Raises:
            SyncError: some data of the file were not stored.
        """
        loop = asyncio.get_running_loop()
        wish = _Wish(loop.create_future(), depth)
        if (waiting := self._next.get(key)) is not None:
            other, descriptor = (
                (waiting.descriptor, descriptor) if first else (descriptor, waiting.descriptor)
            )
            os.close(other)
            waiting.wishes.append(wish)
            self._next[key] = waiting._replace(descriptor=descriptor)
        else:
            self._next[key] = _Round(descriptor, [wish], [])
            if key not in self._running:
                # A task starts later, so that calls that arrived together join this round.
                self._running[key] = loop.create_task(self._rounds(key))
        return wish.done

    def join(self, key: Hashable, depth: Depth) -> asyncio.Future[None] | None:
        """Join the calls that wait for a sync of this file; None if no call waits.

        As ``sync``, but without a descriptor of its own, which it would close.
        """
        waiting = self._next.get(key)
        if waiting is None:
            return None
        wish = _Wish(waiting.wishes[0].done.get_loop().create_future(), depth)
        waiting.wishes.append(wish)
        return wish.done

    def add_new_file(self, key: Hashable, descriptor: int) -> None:
        """Sync a new file, too, after the directory ``key``, which was just asked for.

        If it was not, the whole file system was. The descriptor is closed here.
        """
        waiting = self._next.get(key)
        if waiting is None:
            os.close(descriptor)
        else:
            waiting.new_files.append(descriptor)

    async def _rounds(self, key: Hashable) -> None:
        """Run one round after the other, until no call waits."""
        try:
            while (now := self._next.pop(key, None)) is not None:
                await self._run(key, now)
        finally:
            del self._running[key]

    async def _run(self, key: Hashable, now: _Round) -> None:
        call = self._calls[max(wish.depth for wish in now.wishes)]
        wishes, failed = now.wishes, None
        try:
            sync_files = self._calls[Depth.FILE]
            await self._workers.run(lambda: _sync_and_close(now, call, sync_files))
        except OSError as error:
            failed = error
            self.failures += 1
            if (waiting := self._next.pop(key, None)) is not None:
                _close(waiting)
                wishes = wishes + waiting.wishes
        for wish in wishes:
            if wish.done.done():
                self.lost = self.lost or failed is not None
            elif failed is None:
                wish.done.set_result(None)
            else:
                wish.done.set_exception(SyncError(failed.errno, failed.strerror))


def _sync_and_close(
    now: _Round, call: Callable[[int], None], sync_files: Callable[[int], None]
) -> None:
    try:
        call(now.descriptor)
        for descriptor in now.new_files:
            sync_files(descriptor)
    finally:
        _close(now)


def _close(each: _Round) -> None:
    for descriptor in (each.descriptor, *each.new_files):
        os.close(descriptor)
