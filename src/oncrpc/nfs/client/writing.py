"""Writing: many WRITEs of a file in progress at once, held until COMMIT shows that they are stored.

A server may keep data of UNSTABLE writes in memory. Its write verifier changes when it may have
lost them (RFC 1813 §3.3.7). So the data are held here until a COMMIT returns the verifier that all
their WRITEs had. If it returns another one, all held data are written again, in their order:
later data of the same range must not be overwritten by earlier ones.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import NamedTuple

from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.pipeline import Started
from oncrpc.nfs.client.reading import window_of
from oncrpc.nfs.client.results import FileHandle, WriteOutcome

MAX_HELD = 64 << 20
"""Bytes of a file that are written and not committed (NFS client); then it calls COMMIT."""

MAX_REWRITES = 16
"""How often the data of one COMMIT are written again because the server lost them."""


class WriteInProgress(NamedTuple):
    """A WRITE, the offset in the file, and its data. It must be made again if it is None."""

    started: Started | None
    offset: int
    data: memoryview


class HeldData(NamedTuple):
    """Data that the server may still lose, with the verifier of their WRITE."""

    offset: int
    data: memoryview
    verifier: bytes


class FileWriter:
    """The writes to one open file.

    ``_writes`` are in progress, and no two of them overlap: a server may carry them out in any
    order. ``_held`` were answered UNSTABLE and are not committed, ``_held_size`` are their bytes.
    """

    def __init__(self, file: OpenHandle) -> None:
        self.file = file
        self._writes = deque[WriteInProgress]()
        self._held = deque[HeldData]()
        self._held_size = 0

    @property
    def idle(self) -> bool:
        """Whether everything is stored."""
        return not self._writes and not self._held

    async def write(self, offset: int, data: memoryview) -> None:
        """Write; the data must not change until ``flush`` has returned."""
        size = self.file.operations.write_size
        for start in range(0, len(data), size):
            await self._start(offset + start, data[start : start + size])

    async def settle(self) -> None:
        """Wait until the server has all data, in memory or stored."""
        while self._writes:
            await self._finish_first()

    async def flush(self) -> None:
        """Wait until all data are stored.

        Raises:
            OSError: they could not be stored. They are still held, and ``flush`` can be repeated.
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
        """Forget everything that is not stored."""
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
        while len(self._writes) >= window_of(self.file.operations.write_size):
            await self._finish_first()
        if self._held_size + len(data) > MAX_HELD:
            await self.flush()
        self._writes.append(self._started(offset, data))

    def _started(self, offset: int, data: memoryview) -> WriteInProgress:
        started = self.file.operations.start_write(self.file.handle, offset, data, stable=False)
        return WriteInProgress(started, offset, data)

    def _overlaps(self, offset: int, size: int) -> bool:
        return any(
            each.offset < offset + size and offset < each.offset + len(each.data)
            for each in self._writes
        )

    async def _finish_first(self) -> None:
        """Wait for the oldest WRITE; write the rest if the server took only a part."""
        write = self._writes[0]
        first = [] if write.started is None else [write.started]
        self._writes[0] = write._replace(started=None)  # if the wait fails

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
        taken = write.data[: outcome.size]
        if not outcome.committed:
            self._held.append(HeldData(write.offset, taken, outcome.verifier))
            self._held_size += len(taken)
        if len(taken) < len(write.data):
            rest = self._started(write.offset + len(taken), write.data[len(taken) :])
            self._writes.appendleft(rest)
