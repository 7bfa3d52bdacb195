"""``OperationsReading``: the operations of a FUSE object's file system that only read."""

from __future__ import annotations

import asyncio
import errno
import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from oncrpc.nfs.backends.fuse.handles import IDLE_SECONDS, FileHandles
from oncrpc.nfs.backends.fuse.known import KnownFile
from oncrpc.nfs.backends.fuse.listings import KeptListings, ListedName, page
from oncrpc.nfs.backends.fuse.threads import OperationsThread
from oncrpc.nfs.backends.fuse.tree import FileInTree, OperationsTree
from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    Attributes,
    DirEntry,
    FileSystem,
    Identity,
    Listing,
    SpaceInfo,
    permissions,
)
from oncrpc.nfs.posix import refusal, require_data, require_directory
from oncrpc.programs.nfs3 import ftype3

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="OperationsReading")

SUPER_USER = Identity(0, 0)


def in_thread(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Run a method in the thread of the object, as a whole."""

    @functools.wraps(method)
    async def wrapper(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        async def call() -> R:
            try:
                return await method(self, *args, **kwargs)
            finally:
                await self._tree.forget()

        try:
            return await self._thread.run(call)
        finally:
            self._close_files_later()

    return wrapper


class OperationsReading(FileSystem):
    """The operations that read; see ``OperationsFileSystem``.

    All methods whose name begins with an underscore run in the thread of the object.
    """

    def __init__(
        self,
        tree: OperationsTree,
        thread: OperationsThread,
        *,
        default_permissions: bool,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.features = tree.features
        self.root = tree.files.id_of(tree.files.root)
        self._tree, self._thread, self._files = tree, thread, tree.files
        self._checks, self._clock = default_permissions, clock
        self._handles = FileHandles(tree, by_user=not default_permissions)
        self._listings = KeptListings()
        self._closing: asyncio.TimerHandle | None = None
        self._cleaning: asyncio.Future[None] | None = None
        thread.begin, thread.end = tree.begin, self._end

    @in_thread
    async def getattr(self, who: Identity, file: bytes) -> Attributes:
        return (await self._found(who, file)).attributes

    @in_thread
    async def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        above = await self._directory(who, directory, MAY_EXECUTE)
        return self._files.id_of((await self._existing(who, above.file, name)).file)

    @in_thread
    async def parent(self, who: Identity, directory: bytes) -> bytes:
        found = await self._directory(who, directory, MAY_EXECUTE)
        return self._files.id_of(found.file.above)

    def access(self, who: Identity, file: bytes, attributes: Attributes) -> int:
        if self._checks:
            return permissions(who, attributes)
        return MAY_READ | MAY_WRITE | MAY_EXECUTE

    @in_thread
    async def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        here = await self._directory(who, directory, MAY_READ)
        names = await self._names(who, here.file, again=cookie == 0)
        known = plus and bool(self.access(who, directory, here.attributes) & MAY_EXECUTE)
        entries = await self._dots(who, here, cookie)
        listed = page(names, cookie, max(count - len(entries), 1))
        for each in listed:
            entries.append(await self._entry(who, here.file, each, known=known))
        last = not names or names[-1].cookie <= (listed[-1].cookie if listed else cookie)
        return Listing(entries, eof=last)

    @in_thread
    async def readlink(self, who: Identity, file: bytes) -> bytes:
        found = await self._found(who, file)
        if found.attributes.kind is not ftype3.NF3LNK:
            raise refusal(errno.EINVAL)
        return await self._tree.readlink(who, found.file)

    @in_thread
    async def read(self, who: Identity, file: bytes, offset: int, count: int) -> bytes:
        found = await self._found(who, file)
        require_data(self._judged(who), found.attributes, MAY_READ)
        async with self._handles.using(who, found.file, write=False) as handle:
            return await self._read_all(found.file, handle.number, offset, count)

    @in_thread
    async def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        return await self._tree.statfs(who, self._files.get(file))

    def start(self) -> None:
        """Make the object now, and not at the first call.

        Raises:
            RuntimeError: it cannot be made; the cause says why.
        """
        self._thread.start()

    def close(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self._thread.close()

    async def _end(self) -> None:
        """The last thing that runs in the thread."""
        await self._handles.close_idle(all_of_them=True)
        await self._tree.end()

    # Files and their attributes

    def _judged(self, who: Identity) -> Identity:
        """The user whose permissions are checked here; the super-user if the object checks them."""
        return who if self._checks else SUPER_USER

    async def _found(self, who: Identity, file: bytes) -> FileInTree:
        """The file with this id and its attributes.

        Raises:
            OSError: ESTALE: it is gone, or another kind of file has its place.
        """
        known = self._files.get(file)
        return FileInTree(known, await self._attributes(who, known))

    async def _attributes(self, who: Identity, file: KnownFile) -> Attributes:
        try:
            found = await self._tree.getattr(who, file)
        except FileNotFoundError as error:
            await self._forget(file)
            raise refusal(errno.ESTALE) from error
        if file.kind not in (0, found.kind):
            await self._forget(file)
            raise refusal(errno.ESTALE)
        return self._seen(file, found)

    def _seen(self, file: KnownFile, found: Attributes) -> Attributes:
        """The attributes as clients see them.

        Objects often do not set times when a file changes, but clients use the times to find out
        whether their caches are valid. So each change by a client also changes the time.
        """
        file.kind = int(found.kind)
        if file.changed <= found.mtime:
            return found
        return found._replace(mtime=file.changed, ctime=max(found.ctime, file.changed))

    def _touch(self, *files: KnownFile) -> None:
        """A client has changed the data of a file or the names in a directory."""
        now = self._clock()
        for file in files:
            file.changed = max(now, file.changed + 1)

    async def _forget(self, file: KnownFile) -> None:
        """A file is gone."""
        await self._handles.close(file)
        self._listings.forget(file.number)
        self._files.remove(file)

    async def _directory(self, who: Identity, file: bytes, wanted: int) -> FileInTree:
        """Check that a user has the wanted permissions in a directory."""
        found = await self._found(who, file)
        require_directory(self._judged(who), found.attributes, wanted)
        return found

    async def _existing(self, who: Identity, directory: KnownFile, name: bytes) -> FileInTree:
        """A file of a directory.

        Raises:
            OSError: ENOENT, ENAMETOOLONG.
        """
        if len(name) > self.features.name_max:
            raise refusal(errno.ENAMETOOLONG)
        found = await self._tree.lookup(who, directory, name)
        if found.file.kind not in (0, found.attributes.kind):
            await self._forget(found.file)  # another file has its name
            found = await self._tree.lookup(who, directory, name)
        return FileInTree(found.file, self._seen(found.file, found.attributes))

    async def _existing_or_none(
        self, who: Identity, directory: KnownFile, name: bytes
    ) -> FileInTree | None:
        try:
            return await self._existing(who, directory, name)
        except FileNotFoundError:
            return None

    # Listings and data

    async def _names(self, who: Identity, directory: KnownFile, *, again: bool) -> list[ListedName]:
        now = time.monotonic()
        kept = None if again else self._listings.get(directory.number, now=now)
        if kept is not None:
            return kept
        names = await self._tree.names(who, directory)
        return self._listings.put(directory.number, names, now=now)

    async def _dots(self, who: Identity, here: FileInTree, cookie: int) -> list[DirEntry]:
        entries = list[DirEntry]()
        if cookie < 1:
            entries.append(DirEntry(b".", here.attributes.fileid, 1))
        if cookie < 2:
            above = await self._attributes(who, here.file.above)
            entries.append(DirEntry(b"..", above.fileid, 2))
        return entries

    async def _entry(
        self, who: Identity, directory: KnownFile, listed: ListedName, *, known: bool
    ) -> DirEntry:
        if known:
            found = await self._existing_or_none(who, directory, listed.name)
            if found is not None:
                file, attributes = self._files.id_of(found.file), found.attributes
                return DirEntry(listed.name, attributes.fileid, listed.cookie, file, attributes)
        fileid = self._tree.fileid(directory, listed.name, listed.fileid)
        return DirEntry(listed.name, fileid, listed.cookie)

    async def _read_all(self, file: KnownFile, handle: int, offset: int, count: int) -> bytes:
        """At most ``count`` bytes; objects may return fewer in the middle of a file."""
        data = await self._tree.read(file, handle, offset, count)
        if not data or len(data) == count:
            return data
        parts, length = [data], len(data)
        while length < count:
            data = await self._tree.read(file, handle, offset + length, count - length)
            if not data:
                break
            parts.append(data)
            length += len(data)
        return b"".join(parts)

    # Open files

    def _close_files_later(self) -> None:
        """Close files that are not used for some time, even if no call comes any more."""
        if self._closing is None and len(self._handles):
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(IDLE_SECONDS, self._close_idle_files)

    def _close_idle_files(self) -> None:
        self._closing = None
        self._cleaning = asyncio.ensure_future(self._closed_idle_files())

    @in_thread
    async def _closed_idle_files(self) -> None:
        await self._handles.close_idle()
