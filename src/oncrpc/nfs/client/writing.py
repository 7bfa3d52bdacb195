"""Writing files, with many WRITEs in progress; the data are held until a COMMIT stores them.

A server may keep data of UNSTABLE writes in memory. Its write verifier changes when it may have
lost them (RFC 1813 §3.3.7). So the client holds the data until a COMMIT returns the same verifier
as all their WRITEs. If it returns another one, the client writes all held data again, in their
order: earlier data must not overwrite later data of the same range.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import NamedTuple

from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.pipeline import Started
from oncrpc.nfs.client.results import FileHandle, WriteOutcome

MAX_HELD = 64 << 20
"""Bytes of a file that the NFS client writes before it calls COMMIT."""

MAX_REWRITES = 16
"""How often the client writes data again because the server lost them."""


class WriteInProgress(NamedTuple):
    """A WRITE, its offset in the file, and its data. If ``started`` is None it must start again."""

    started: Started | None
    offset: int
    data: memoryview


class HeldData(NamedTuple):
    """Data that the server may lose until a COMMIT, and the verifier of their WRITE."""

    offset: int
    data: memoryview
    verifier: bytes


class FileWriter:
    """The writes to one open file.

    ``_writes`` are in progress. No two of them overlap, since a server may execute them in any
    order. ``_held`` has the data that are UNSTABLE and not committed, ``_held_size`` is their size.
    """

    def __init__(self, file: OpenHandle) -> None:
        self.file = file
        self._writes = deque[WriteInProgress]()
        self._held = deque[HeldData]()
        self._held_size = 0

    @property
    def idle(self) -> bool:
        """Whether all data are stored."""
        return not self._writes and not self._held

    async def write(self, offset: int, data: memoryview) -> None:
        """Write; the data must not change until ``flush`` has returned."""
        size = self.file.operations.write_size
        for start in range(0, len(data), size):
            await self._start(offset + start, data[start : start + size])

    async def settle(self) -> None:
        """Wait until the server has all data, in its memory or stored."""
        while self._writes:
            await self._finish_first()

    async def flush(self) -> None:
        """Wait until all data are stored.

        Raises:
            OSError: they could not be stored. They are still held; the next ``flush`` tries again.
        """
        await self.settle()
        for _ in range(MAX_REWRITES):
            if not self._held:
                return
            verifier = await self.file.use(self.file.operations.commit)
            held, self._held, self._held_size = self._held, deque(), 0
            if any(each.verifier != verifier for each in held):
                await self._write_again(held)
        if self._held:
            raise OSError(errno.EIO, f"the server lost written data {MAX_REWRITES} times")

    def drop(self) -> None:
        """Discard all data that are not stored."""
        for write in self._writes:
            if write.started is not None:
                self.file.operations.pipeline.forget(write.started)
        self._writes.clear()
        self._held.clear()
        self._held_size = 0

    async def _write_again(self, held: deque[HeldData]) -> None:
        try:
            while held:
                await self._start(held[0].offset, held[0].data)
                held.popleft()
            await self.settle()
        finally:  # after an error the rest is still held
            self._held.extend(held)
            self._held_size = sum(len(each.data) for each in self._held)

    async def _start(self, offset: int, data: memoryview) -> None:
        if self._overlaps(offset, len(data)):
            await self.settle()
        while len(self._writes) >= self._window():
            await self._finish_first()
        if self._held_size + len(data) > MAX_HELD:
            await self.flush()
        self._writes.append(self._started(offset, data))

    def _started(self, offset: int, data: memoryview) -> WriteInProgress:
        started = self.file.operations.start_write(self.file.handle, offset, data, stable=False)
        return WriteInProgress(started, offset, data)

    def _window(self) -> int:
        operations = self.file.operations
        return operations.writes.calls(operations.write_size)

    def _overlaps(self, offset: int, size: int) -> bool:
        return any(
            each.offset < offset + size and offset < each.offset + len(each.data)
            for each in self._writes
        )

    async def _finish_first(self) -> None:
        """Wait for the oldest WRITE; write the rest if the server took only a part."""
        write = self._writes[0]
        first = [] if write.started is None else [write.started]
        self._writes[0] = write._replace(started=None)  # so that it starts again if the wait fails

        async def once(handle: FileHandle) -> WriteOutcome:
            operations = self.file.operations
            started = (
                first.pop()
                if first
                else operations.start_write(handle, write.offset, write.data, stable=False)
            )
            return await operations.finish_write(started)

        outcome = await self.file.use(once)
        self._writes.popleft()
        if write.started is not None:
            self.file.operations.writes.note(write.started.took)
        taken = write.data[: outcome.size]
        if not outcome.committed:
            self._held.append(HeldData(write.offset, taken, outcome.verifier))
            self._held_size += len(taken)
        if len(taken) < len(write.data):
            rest = self._started(write.offset + len(taken), write.data[len(taken) :])
            self._writes.appendleft(rest)
