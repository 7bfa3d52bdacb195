"""Reading files, with many READs in progress, into the buffer of the caller."""

from __future__ import annotations

from collections import deque
from io import BytesIO
from typing import NamedTuple

from oncrpc.errors import ProtocolError
from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.pipeline import Started
from oncrpc.nfs.client.results import FileHandle

SEGMENT = 256 << 20
"""Bytes that ``read_all`` adds to its buffer at a time."""


class ReadInProgress(NamedTuple):
    """A READ, its offset in the file, and the buffer for its data."""

    started: Started
    offset: int
    view: memoryview


def start_reading(file: OpenHandle, offset: int, view: memoryview) -> ReadInProgress:
    """Start a READ of the whole view, at most ``read_size`` bytes."""
    return ReadInProgress(file.operations.start_read(file.handle, offset, view), offset, view)


async def finish_reading(file: OpenHandle, read: ReadInProgress) -> tuple[int, bool]:
    """Wait for a READ. Returns the number of bytes, and whether the file ends there.

    A READ with a stale handle, or to a busy server, is started again.
    """
    first: list[Started] = [read.started]

    async def once(handle: FileHandle) -> tuple[int, bool]:
        operations = file.operations
        started = first.pop() if first else operations.start_read(handle, read.offset, read.view)
        return await operations.finish_read(started, read.view)

    size, eof = await file.use(once)
    file.operations.reads.note(read.started.took)
    if not size and not eof:
        raise ProtocolError(f"READ at {read.offset} returned nothing before the end of the file")
    return size, eof


async def read_into(file: OpenHandle, offset: int, buffer: memoryview) -> int:
    """Fill a buffer from a file; returns the number of bytes, fewer only at the end of the file."""
    size, position, end = file.operations.read_size, 0, len(buffer)
    reads = deque[ReadInProgress]()
    try:
        while reads or position < end:
            window = file.operations.reads.calls(size)
            while position < end and len(reads) < window:
                view = buffer[position : position + size]
                reads.append(start_reading(file, offset + position, view))
                position += len(view)
            read = reads.popleft()
            count, eof = await finish_reading(file, read)
            if count < len(read.view):
                if eof:
                    return read.offset + count - offset
                reads.appendleft(start_reading(file, read.offset + count, read.view[count:]))
        return end
    finally:
        forget(file, reads)


def forget(file: OpenHandle, reads: deque[ReadInProgress]) -> None:
    """Forget READs whose data are not needed."""
    while reads:
        file.operations.pipeline.forget(reads.popleft().started)


async def read_all(file: OpenHandle, size: int) -> bytes:
    """The whole content of a file; ``size`` is its size in the attributes of the server.

    A server that sends a wrong size cannot exhaust the memory of the caller: the pages of
    ``bytes(n)`` and ``BytesIO`` use memory only after they are written to. ``BytesIO`` returns its
    buffer without a copy. One byte more than the size is requested, which shows whether the
    file ends there.
    """
    wanted = min(size + 1, SEGMENT)
    content, done = BytesIO(bytes(wanted)), 0
    while True:
        with content.getbuffer() as whole, whole[done : done + wanted] as part:
            count = await read_into(file, done, part)
        done += count
        if count < wanted:
            content.truncate(done)
            return content.getvalue()
        wanted = SEGMENT if done > size else min(size - done + 1, SEGMENT)
        content.seek(done + wanted - 1)
        content.write(b"\0")


class SequentialReader:
    """Reads a file in order, with some READs ahead.

    The window is one READ at first, and doubles with each READ that is used. So a short read of a
    long file costs little. ``_sequential`` is set after the first READ. ``_rest`` has the received
    bytes from ``_offset`` on that are not returned yet. ``_reads`` are the READs in progress for
    the bytes that follow, up to ``_next``.

    Buffers are used again, so that they stay in the processor's cache. ``_spare`` are free;
    ``_used`` are those of the bytes in ``_rest``, and of the bytes that the caller copies.
    """

    def __init__(self, file: OpenHandle) -> None:
        self.file = file
        self._reads = deque[ReadInProgress]()
        self._spare, self._used = list[memoryview](), list[memoryview]()
        self._rest = memoryview(b"")
        self._offset = self._next = 0
        self._window = 1
        self._sequential = self._ended = False

    def reset(self, offset: int = 0) -> None:
        """Discard what was read ahead, and continue at this offset."""
        forget(self.file, self._reads)
        self._rest = memoryview(b"")
        self._used.clear()
        self._offset = self._next = offset
        self._window = 1
        self._sequential = self._ended = False

    def close(self) -> None:
        """Discard what was read ahead, and the buffers."""
        self.reset()
        self._spare.clear()

    async def read(self, offset: int, size: int) -> bytes:
        """Read ``size`` bytes at the offset, fewer only at the end of the file."""
        parts = list[memoryview]()
        while size and (part := await self._part(offset, size)):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        data = b"".join(parts)
        self._recycle()
        return data

    async def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill the buffer from the offset; returns the number of bytes, as ``read``."""
        done = 0
        while done < len(buffer) and (part := await self._part(offset + done, len(buffer) - done)):
            buffer[done : done + len(part)] = part
            done += len(part)
            self._recycle()
        return done

    async def _part(self, offset: int, size: int) -> memoryview:
        """The next bytes, at most ``size``; empty at the end of the file."""
        if offset != self._offset:
            self.reset(offset)
        if not self._rest and not await self._advance():
            self.reset(self._offset)  # the file may grow
        part = self._rest[:size]
        self._rest = self._rest[len(part) :]
        self._offset += len(part)
        return part

    def _recycle(self) -> None:
        """The caller has copied its bytes: free the buffers, except that of ``_rest``."""
        kept = self._used[-1:] if self._rest else []
        free = self._used[: len(self._used) - len(kept)]
        self._spare += free[: max(self._window - len(self._spare), 0)]
        self._used = kept

    async def _advance(self) -> bool:
        """Wait for the next data; False at the end of the file."""
        self._ask()
        if not self._reads:
            return False
        read = self._reads.popleft()
        try:
            count, self._ended = await finish_reading(self.file, read)
        except BaseException:
            self.reset(self._offset)
            raise
        self._rest = read.view[:count]
        size = self.file.operations.read_size
        if count == size:
            self._used.append(read.view)
        if self._ended:
            forget(self.file, self._reads)
            self._next = read.offset + count
        elif count < len(read.view):
            rest = start_reading(self.file, read.offset + count, read.view[count:])
            self._reads.appendleft(rest)
        if self._sequential:  # the server works while the caller uses the data
            self._ask()
        self._window = min(self._window * 2, self.file.operations.reads.calls(size))
        self._sequential = True
        return count > 0

    def _ask(self) -> None:
        """Start READs up to the window."""
        size = self.file.operations.read_size
        while not self._ended and len(self._reads) < self._window:
            view = self._spare.pop() if self._spare else memoryview(bytearray(size))
            self._reads.append(start_reading(self.file, self._next, view))
            self._next += size
