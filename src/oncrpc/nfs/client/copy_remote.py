"""The tree of a server in a copy: NFS operations by handle and name."""

from __future__ import annotations

import os
import stat as modes
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from oncrpc.nfs.client.copy_tree import (
    CopyEntry,
    CopyOperand,
    CopyTree,
    PartialCopy,
    certain,
)
from oncrpc.nfs.client.errors import refusal
from oncrpc.nfs.client.listing import entries
from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.path_operations import PathOperations, found_of
from oncrpc.nfs.client.paths import Ending, Located
from oncrpc.nfs.client.reading import ReadInProgress, finish_reading, forget, start_reading
from oncrpc.nfs.client.results import TYPE_BITS, FileHandle, FileStat, WriteOutcome
from oncrpc.nfs.client.writing import FileWriter
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.programs.nfs3 import nfsstat3

LARGEST_TIME = ((1 << 32) - 1) * 1_000_000_000
"""The latest time of ``nfstime3``, in nanoseconds."""

KIND_OF = {bits: kind for kind, bits in TYPE_BITS.items()}


class RemotePartial(PartialCopy):
    """A file of a server with a temporary name.

    ``_only`` is its first piece while there is no other. A small file is then written by one WRITE
    that also stores it.
    """

    def __init__(self, tree: RemoteTree, directory: FileHandle, name: bytes, file: OpenHandle):
        self.tree, self.directory, self.name, self.file = tree, directory, name, file
        self._writer = FileWriter(file)
        self._only: memoryview | None = None

    async def write(self, offset: int, data: memoryview) -> None:
        """Start writing. ``FileWriter`` holds the data until the server has stored them."""
        if not offset and len(data) <= self.tree.operations.write_size:
            self._only = data
            return
        await self._write_first()
        await self._writer.write(offset, data)

    async def _write_first(self) -> None:
        if self._only is not None:
            only, self._only = self._only, None
            await self._writer.write(0, only)

    async def put(self, name: bytes, choices: Sequence[NewAttributes]) -> None:
        """Store the data first: a WRITE changes the time of modification."""
        if self._only is not None and await self._stored(self._only):
            self._only = None
        await self._write_first()
        await self._writer.flush()
        await self.tree.set_handle(self.file.handle, choices)
        await self.tree.rename(self.directory, self.name, name)

    async def _stored(self, data: memoryview) -> bool:
        """Write a whole file; False if the server did not write or store all of it."""
        operations = self.tree.operations

        async def write(handle: FileHandle) -> WriteOutcome:
            started = operations.start_write(handle, 0, data, stable=True)
            return await operations.finish_write(started)

        outcome = await self.file.use(write)
        return outcome.committed and outcome.size == len(data)

    def close(self) -> None:
        """Forget WRITEs in progress."""
        self._writer.drop()


class RemoteTree(CopyTree):
    """The files below a mounted directory."""

    def __init__(self, paths: PathOperations) -> None:
        self.paths, self.operations = paths, paths.operations
        self.host = paths.target.url.host, paths.target.url.port

    async def operand(self, path: bytes, *, follow: bool) -> CopyOperand:
        """Find a source. The mounted directory has no name."""

        async def with_file(located: Located) -> CopyOperand:
            found = found_of(located)
            stat = await self.paths.stat_of(found)
            return CopyOperand(located.directory, CopyEntry(located.name, stat, found.handle))

        ending = Ending.FOLLOW if follow else Ending.LOOK_UP
        return await self.paths.located(path, with_file, ending)

    async def directory(self, path: bytes) -> CopyOperand | None:
        """Open a directory to copy to. A link to a directory is followed."""
        try:
            found = await self.operand(path, follow=True)
        except FileNotFoundError:
            return None
        if not found.entry.stat.is_dir():
            return None
        return CopyOperand(found.entry.handle, found.entry)

    async def itself(self, directory: FileHandle) -> CopyOperand:
        """The same handle, with its attributes."""
        stat = await self.operations.getattr(directory)
        return CopyOperand(directory, CopyEntry(b"", stat, directory))

    async def parent(self, path: bytes) -> tuple[FileHandle, bytes]:
        """Look up the directory of a path."""

        async def with_name(directory: FileHandle, name: bytes) -> tuple[FileHandle, bytes]:
            return directory, name

        return await self.paths.name(path, with_name)

    async def entries(self, directory: FileHandle) -> AsyncGenerator[CopyEntry, None]:
        """The entries, page by page."""
        async for entry in entries(OpenHandle(self.operations, directory)):
            yield CopyEntry(os.fsencode(entry.name), entry.stat, entry.handle)

    async def enter(self, directory: FileHandle, entry: CopyEntry) -> FileHandle:
        """Use the handle of a directory."""
        found = entry if entry.handle is not None else await self.find(directory, entry.name)
        if found is None or found.handle is None or not found.stat.is_dir():
            raise refusal(nfsstat3.NFS3ERR_NOTDIR)
        return found.handle

    def leave(self, directory: FileHandle) -> None:
        """A handle needs no close."""

    async def read(
        self,
        directory: FileHandle,  # noqa: ARG002  # the local tree needs it
        entry: CopyEntry,
        start: int,
    ) -> AsyncGenerator[memoryview, None]:
        """The content, with many READs in progress.

        Memory is used only for the READs in progress, whatever size the server claims.
        """
        file, size, at = self._file(entry), self.operations.read_size, start
        window = self.operations.reads
        reads = deque[ReadInProgress]()
        try:
            while reads or at < entry.stat.size:
                while at < entry.stat.size and len(reads) < window.calls(size):
                    view = memoryview(bytearray(min(size, entry.stat.size - at)))
                    reads.append(start_reading(file, at, view))
                    at += len(view)
                read = reads.popleft()
                count, eof = await finish_reading(file, read)
                yield read.view[:count]
                if count < len(read.view):
                    if eof:
                        return
                    rest = start_reading(file, read.offset + count, read.view[count:])
                    reads.appendleft(rest)
        finally:
            forget(file, reads)

    def _file(self, entry: CopyEntry) -> OpenHandle:
        assert entry.handle is not None, "entries of this tree have one"
        return OpenHandle(self.operations, entry.handle)

    async def read_link(
        self,
        directory: FileHandle,  # noqa: ARG002
        entry: CopyEntry,
    ) -> bytes:
        """The text of a symbolic link."""
        return await self._file(entry).use(self.operations.readlink)

    async def find(self, directory: FileHandle, name: bytes) -> CopyEntry | None:
        """Look up a name."""
        try:
            found = await self.operations.lookup(directory, name)
        except FileNotFoundError:
            return None
        return CopyEntry(name, await self.paths.stat_of(found), found.handle)

    async def make_directory(self, directory: FileHandle, name: bytes, mode: int) -> CopyOperand:
        """Create a directory."""
        made = await self.operations.mkdir(directory, name, NewAttributes(mode=mode))
        stat = await self.paths.stat_of(made)
        return CopyOperand(made.handle, CopyEntry(name, stat, made.handle))

    async def begin(
        self, directory: FileHandle, name: bytes, *, mode: int, size: int | None
    ) -> RemotePartial:
        """Create a file, or continue one whose last bytes are written again."""
        found = None if size is None else await self.find(directory, name)
        if found is not None and found.stat.is_file() and found.stat.size <= (size or 0):
            partial = RemotePartial(self, directory, name, self._file(found))
            partial.start = certain(found.stat.size)
            return partial
        new = NewAttributes(mode=mode, size=0)

        async def create() -> FileHandle:
            made = await self.operations.create(directory, name, new, guarded=True)
            return made.handle

        handle = await self._replacing(directory, name, create)
        return RemotePartial(self, directory, name, OpenHandle(self.operations, handle))

    async def _replacing(
        self, directory: FileHandle, name: bytes, make: Callable[[], Awaitable[FileHandle]]
    ) -> FileHandle:
        try:
            return await make()
        except FileExistsError:
            await self.operations.remove(directory, name)
            return await make()

    async def make_link(self, directory: FileHandle, name: bytes, text: bytes) -> None:
        """Create a symbolic link."""

        async def link() -> FileHandle:
            await self.operations.symlink(directory, name, text, NewAttributes(mode=0o777))
            return directory

        await self._replacing(directory, name, link)

    async def make_node(self, directory: FileHandle, name: bytes, stat: FileStat) -> None:
        """Create a special file."""
        kind, new = KIND_OF[modes.S_IFMT(stat.mode)], NewAttributes(mode=0o600)

        async def node() -> FileHandle:
            await self.operations.mknod(directory, name, kind, new=new, device=stat.device)
            return directory

        await self._replacing(directory, name, node)

    async def rename(self, directory: FileHandle, name: bytes, new_name: bytes) -> None:
        """Rename an entry."""
        await self.operations.rename(directory, name, directory, new_name)

    async def remove(self, directory: FileHandle, name: bytes) -> None:
        """Remove a file."""
        await self.operations.remove(directory, name)

    async def set(
        self, directory: FileHandle, name: bytes, choices: Sequence[NewAttributes]
    ) -> None:
        """Set attributes of an entry, or of the directory."""
        handle = directory
        if name:
            handle = (await self.operations.lookup(directory, name)).handle
        await self.set_handle(handle, choices)

    async def set_handle(self, handle: FileHandle, choices: Sequence[NewAttributes]) -> None:
        """Set the first attributes that are permitted."""
        for new in choices[:-1]:
            with suppress(PermissionError):
                return await self.operations.setattr(handle, _within_wire(new))
        return await self.operations.setattr(handle, _within_wire(choices[-1]))

    def identity(self, stat: FileStat) -> tuple[object, ...]:
        """Server, file system and file."""
        return self.host, stat.fsid, stat.fileid


def _within_wire(new: NewAttributes) -> NewAttributes:
    """The times within the range of NFS, which begins in 1970."""
    times = (
        min(max(time, 0), LARGEST_TIME) if isinstance(time, int) else time
        for time in (new.atime, new.mtime)
    )
    atime, mtime = times
    return new._replace(atime=atime, mtime=mtime)
