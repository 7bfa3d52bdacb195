"""Open files: read and write at the position, as Python's binary files do, or at an offset."""

from __future__ import annotations

import errno
import os
from mmap import mmap
from types import TracebackType
from typing import NamedTuple, Self

from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.paths import RemotePath, text_of
from oncrpc.nfs.client.reading import SequentialReader, read_all, read_into
from oncrpc.nfs.client.results import FileHandle, FileStat
from oncrpc.nfs.client.writing import FileWriter
from oncrpc.nfs.filesystem import NewAttributes

MAX_READ = 1 << 30
"""Bytes that one ``read`` or ``pread`` of the NFS client returns at most."""

SIZES = range(1 << 64)
"""The sizes that SETATTR can express."""

Data = bytes | bytearray | memoryview
MODES = ("rb", "r+b", "wb", "w+b", "xb", "x+b", "ab", "a+b")


class OpenMode(NamedTuple):
    """What a mode of ``open`` allows."""

    first: str
    readable: bool
    writable: bool

    @classmethod
    def parse(cls, mode: str) -> OpenMode:
        """Parse a mode; the order of ``+`` and ``b`` is free.

        Raises:
            ValueError: it is not the mode of a binary file.
        """
        first, rest = mode[:1], sorted(mode[1:])
        if first not in tuple("rwxa") or rest not in (["b"], ["+", "b"]):
            raise ValueError(f"invalid mode {mode!r}: must be one of {', '.join(MODES)}")
        both = "+" in mode
        return cls(first, first == "r" or both, first != "r" or both)


def check_size(size: int, path: RemotePath) -> None:
    """Check the size of ``truncate``.

    Raises:
        OSError: EINVAL: it is negative. EFBIG: it does not fit in 64 bits.
    """
    if size not in SIZES:
        number = errno.EINVAL if size < 0 else errno.EFBIG
        raise OSError(number, os.strerror(number), text_of(path))


def lasting(data: Data) -> memoryview:
    """Copy data that may change, as they may have to be written again until they are stored.

    A read-only view is not enough: ``io.BufferedWriter`` passes one of a buffer that it reuses.
    """
    view = memoryview(data)
    if view.readonly and view.contiguous and isinstance(view.obj, bytes | mmap):
        return view.cast("B")
    return memoryview(view.tobytes())


class RemoteFile:
    """A file of a server; made by ``RemoteFileSystem.open``, and closed with its context.

    ``read``, ``write`` and ``seek`` use the position of the file; ``pread`` and ``pwrite`` take an
    offset. Written data are on the server's disk only after ``flush`` or ``close``, which raise an
    error if the data could not be stored.
    """

    def __init__(self, file: OpenHandle, *, name: str, mode: str, position: int = 0) -> None:
        self.name, self.mode = name, mode
        self._mode = OpenMode.parse(mode)
        self._file, self._position = file, position
        self._reader, self._writer = SequentialReader(file), FileWriter(file)
        self._lock = file.operations.pipeline.new_lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<RemoteFile {self.name!r} mode {self.mode!r}{' closed' * self._closed}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.abandon()

    @property
    def handle(self) -> FileHandle:
        """The handle of the file."""
        return self._file.handle

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    async def read(self, size: int = -1) -> bytes:
        """Read from the position; without a size, up to the end of the file."""
        self._check(self._mode.readable, "reading")
        async with self._lock:
            await self._writer.settle()
            if size < 0:
                data = await self._read_rest()
            else:
                data = await self._reader.read(self._position, min(size, MAX_READ))
            self._position += len(data)
            return data

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer from the position; returns the number of bytes, 0 at the end."""
        self._check(self._mode.readable, "reading")
        async with self._lock:
            await self._writer.settle()
            with memoryview(buffer).cast("B") as view:
                count = await self._reader.readinto(self._position, view)
            self._position += count
            return count

    async def _read_rest(self) -> bytes:
        self._reader.reset()
        if self._position == 0:
            return await read_all(self._file, (await self._stat()).size)
        parts = list[bytes]()
        while data := await self._reader.read(
            self._position + sum(map(len, parts)), self._file.operations.read_size
        ):
            parts.append(data)
        return b"".join(parts)

    async def write(self, data: Data) -> int:
        """Write at the position; returns the number of bytes, which is always all of them.

        ``bytes``, and views of an ``mmap`` with ``ACCESS_READ``, are sent without a copy.
        """
        self._check(self._mode.writable, "writing")
        async with self._lock:
            await self._write(self._position, data)
            self._position += len(data)
        return len(data)

    async def pread(self, size: int, offset: int) -> bytes:
        """Read ``size`` bytes at the offset, fewer only at the end of the file."""
        buffer = bytearray(min(size, MAX_READ))
        count = await self.preadinto(buffer, offset)
        return bytes(memoryview(buffer)[:count])

    async def preadinto(self, buffer: bytearray | memoryview, offset: int) -> int:
        """Fill the buffer from the offset; returns the number of bytes."""
        self._check(self._mode.readable, "reading")
        if not self._writer.idle:
            async with self._lock:
                await self._writer.settle()
        return await read_into(self._file, offset, memoryview(buffer).cast("B"))

    async def pwrite(self, data: Data, offset: int) -> int:
        """Write at the offset; returns the number of bytes, which is always all of them."""
        self._check(self._mode.writable, "writing")
        async with self._lock:
            await self._write(offset, data)
        return len(data)

    async def _write(self, offset: int, data: Data) -> None:
        self._reader.reset(self._position)
        await self._writer.write(offset, lasting(data))

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position, as ``io.IOBase.seek`` does; returns it."""
        self._check(True, "seeking")
        if whence == os.SEEK_END:
            base = (await self.stat()).size
        elif whence in (os.SEEK_SET, os.SEEK_CUR):
            base = self._position if whence == os.SEEK_CUR else 0
        else:
            raise ValueError(f"invalid whence {whence}: must be 0, 1 or 2")
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    async def stat(self) -> FileStat:
        """The attributes of the file, after all writes so far."""
        self._check(True, "use")
        async with self._lock:
            await self._writer.settle()
            return await self._stat()

    async def _stat(self) -> FileStat:
        return await self._file.use(self._file.operations.getattr)

    async def truncate(self, size: int | None = None) -> int:
        """Cut or extend the file to a size, by default the position; returns the size."""
        self._check(self._mode.writable, "writing")
        wanted = self._position if size is None else size
        check_size(wanted, self.name)
        new = NewAttributes(size=wanted)
        async with self._lock:
            self._reader.reset(self._position)
            await self._writer.flush()
            await self._file.use(lambda handle: self._file.operations.setattr(handle, new))
        return wanted

    async def flush(self) -> None:
        """Wait until all written data are on the server's disk.

        Raises:
            OSError: they could not be stored. The next ``flush`` tries again.
        """
        self._check(True, "use")
        async with self._lock:
            await self._writer.flush()

    async def close(self) -> None:
        """Store all written data, and close the file.

        Raises:
            OSError: the data could not be stored. The file is closed even then.
        """
        if self._closed:
            return
        try:
            await self.flush()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without storing the data that are not stored yet."""
        self._closed = True
        self._reader.close()
        self._writer.drop()

    def _check(self, allowed: bool, use: str) -> None:
        if self._closed:
            raise ValueError("I/O operation on a closed file")
        if not allowed:
            raise OSError(f"the file is not open for {use}: its mode is {self.mode!r}")
