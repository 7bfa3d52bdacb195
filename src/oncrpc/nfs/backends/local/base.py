"""The base of all operations on a local directory: opening files, callers, and syncs.

An operation opens the file of an id as the server, works on it as the caller, and makes ids as the
server again. The change is made when the method returns, and attributes that are read next show it.
An awaitable result waits until the change is on disk.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from oncrpc.nfs.backends.local.attributes_of import attributes_of
from oncrpc.nfs.backends.local.cached_files import CachedFiles
from oncrpc.nfs.backends.local.group_sync import SYNC_CALLS, Depth, GroupSync
from oncrpc.nfs.backends.local.identity import identities
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles
from oncrpc.nfs.backends.local.objects import LOOK, Objects, OpenObject, Place, looked_at
from oncrpc.nfs.backends.local.setting import set_mode
from oncrpc.nfs.backends.local.syscalls import (
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    faccessat2,
    look_at_entry,
    openat2,
)
from oncrpc.nfs.backends.local.unstable import UnstableFiles, path_of
from oncrpc.nfs.backends.local.volumes import may_hang
from oncrpc.nfs.backends.local.workers import DiskWorkers
from oncrpc.nfs.filesystem import (
    Answer,
    Attributes,
    Features,
    FileSystem,
    Identity,
    KeptFile,
    SpaceInfo,
    Syncing,
)
from oncrpc.nfs.posix import refusal

R = TypeVar("R")

PROC = "/proc/self/fd"
ACROSS = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
QUIETLY = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Open without waiting for a lease or a peer, and without getting a terminal."""


class LocalBase(FileSystem):
    """The part that is the same for all operations; see ``LocalFileSystem`` for the arguments.

    Between two calls the event loop's thread has the server's own identity (``identities``). Only
    jobs of ``workers`` use other threads. All descriptors of files come from ``opened`` and
    ``open_data``; the operation that asked for one closes it, or hands it to a job of ``workers``,
    to ``group``, or to ``unstable``, which then closes it. Those of ``cached`` are its own.
    ``_top`` is open until ``close``. Calls change only the state of ``objects``, ``workers``,
    ``group``, ``unstable`` and ``cached``. ``sync`` says whether changes are on disk before the
    answer.
    """

    def __init__(
        self,
        path: str,
        *,
        objects: Objects | None = None,
        sync: bool = True,
        sync_calls: Mapping[Depth, Callable[[int], None]] = SYNC_CALLS,
    ) -> None:
        if not os.path.isdir(PROC):
            raise OSError(errno.ENOENT, f"{PROC} is missing: /proc must be mounted")
        self.objects = objects or KernelHandles(path)
        self.root = self.objects.root
        self.identities = identities()
        self.workers = DiskWorkers(self.identities)
        self.group = GroupSync(self.workers, calls=sync_calls)
        self.unstable = UnstableFiles(self.group)
        self.cached = CachedFiles(self.objects)
        self.sync = sync
        self.changed = 0
        """Counts the changes that calls have made, of any file."""

        self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.device = os.fstat(self._top).st_dev
        self.features = _features_of(self._top)

    def close(self) -> None:
        self.cached.close()
        self.unstable.close()
        self.workers.close()
        self.objects.close()
        os.close(self._top)

    def path_of(self, file: bytes) -> bytes | None:
        try:
            with self.opened(file) as found:
                return path_of(found.descriptor)
        except OSError:
            return None

    def kept_files(self) -> Sequence[KeptFile]:
        return self.unstable.report()

    def cached_files(self) -> int:
        """The number of ``cached`` files."""
        return len(self.cached)

    @contextmanager
    def opened(self, file: bytes) -> Iterator[OpenObject]:
        """The file with an id, open as O_PATH within the block, in which nothing waits."""
        kept = self.cached.find(file)
        if kept is not None:
            yield kept
            return
        found = self.objects.open(file)
        try:
            yield found
        finally:
            os.close(found.descriptor)

    def find(self, directory: OpenObject, name: bytes) -> OpenObject:
        """The file with that name, to be closed. Called with the identity of the caller.

        Raises:
            OSError: EACCES: a file system is mounted there, and the export does not enter it.
        """
        try:
            return looked_at(look_at_entry(directory.descriptor, name))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        if self.objects.enters_mounts:
            descriptor = openat2(directory.descriptor, name, LOOK, resolve=ACROSS)
            if not may_hang(descriptor):
                return looked_at(descriptor)
            os.close(descriptor)
        raise OSError(errno.EACCES, "a mount point that is not exported")

    def id_of(self, found: OpenObject, *, directory: bytes, name: bytes) -> bytes:
        """The id of a file that was found, written down; the file is closed."""
        try:
            file = self.objects.id_of(found, directory=directory, name=name)
            self.objects.keep()
            return file
        finally:
            os.close(found.descriptor)

    def place_of(self, directory: OpenObject, name: bytes) -> Place | None:
        """Device and inode number of the file with that name, if files are kept open."""
        if not (self.unstable or self.cached):
            return None
        try:
            descriptor = look_at_entry(directory.descriptor, name)
        except OSError:
            return None
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return found.st_dev, found.st_ino

    def forget_removed(self, place: Place) -> None:
        """Close a file that is kept open, if it has lost its last name."""
        self.unstable.forget_removed(place)
        self.cached.forget_removed(place)

    def attributes(self, found: OpenObject) -> Attributes:
        """The attributes as they were when the file was opened."""
        return attributes_of(found.stat, fsid=self._fsid(found))

    def _fsid(self, found: OpenObject) -> int:
        if found.stat.st_dev == self.device:
            return 0
        return os.fstatvfs(found.descriptor).f_fsid or found.stat.st_dev

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        with self.opened(file) as found:
            return self.attributes(found)

    def access(self, who: Identity, file: bytes, attributes: Attributes) -> int:
        with self.opened(file) as found, self.identities.of(who):
            if faccessat2(found.descriptor, 7):
                return 7
            return sum(bit for bit in (4, 2, 1) if faccessat2(found.descriptor, bit))

    def statfs(self, who: Identity, file: bytes) -> SpaceInfo:
        with self.opened(file) as found:
            space = os.fstatvfs(found.descriptor)
        unit = space.f_frsize
        return SpaceInfo(
            space.f_blocks * unit,
            space.f_bfree * unit,
            space.f_bavail * unit,
            space.f_files,
            space.f_ffree,
            space.f_favail,
        )

    def open_data(self, who: Identity, found: OpenObject, flags: int) -> int:
        """Open a regular file to read or to write, to be closed. Never blocks, as others might.

        A client checks permissions when its user opens a file, the server only when data are moved.
        So an owner may do both whatever the mode is now, and a user who may execute a file may read
        it (RFC 1813 §4.4).
        """
        check_regular(found)
        try:
            with self.identities.of(who):
                return reopened(found, flags)
        except PermissionError as error:
            if error.errno != errno.EACCES or not self._may_all_the_same(who, found, flags):
                raise
        return opened_anyway(found, flags)

    def _may_all_the_same(self, who: Identity, found: OpenObject, flags: int) -> bool:
        if self.identities.acting(who) == found.stat.st_uid:
            return True
        if flags & os.O_ACCMODE != os.O_RDONLY:
            return False
        with self.identities.of(who):
            return faccessat2(found.descriptor, os.X_OK)

    def durable(self, result: R, *changed: OpenObject) -> Answer[R]:
        """The result, once the metadata of these files are on disk if the export is ``sync``."""
        self.changed += 1
        if not self.sync:
            return result
        waiting = [self.stored(found, Depth.FILE) for found in changed]
        return Syncing(result, waiting[0] if len(waiting) == 1 else asyncio.gather(*waiting))

    def durable_new(self, result: R, directory: OpenObject, found: OpenObject) -> Answer[R]:
        """The same for a file that was made in a directory; ``found`` is not O_PATH if it is a
        regular file."""
        self.changed += 1
        if not self.sync:
            return result
        stored = self.stored_new(directory, found)
        if not self.objects.keeps_names:
            return Syncing(result, stored)
        return Syncing(result, asyncio.gather(stored, self.workers.run(self.objects.sync)))

    def stored_new(self, directory: OpenObject, found: OpenObject) -> asyncio.Future[Any]:
        """Begin to bring a directory to disk, and a file that was made in it."""
        try:
            new_file = _opened_to_sync(found)
        except PermissionError:  # the server is not root
            both = (self.stored(each, Depth.FILE) for each in (directory, found))
            return asyncio.gather(*both)
        done = self.stored(directory, Depth.FILE)
        if new_file is not None:
            self.group.add_new_file(directory.place, new_file)
        return done

    def stored(self, found: OpenObject, depth: Depth) -> asyncio.Future[None]:
        """Begin to bring a file to disk; the result may be awaited."""
        mode, place = found.stat.st_mode, found.place
        if stat.S_ISDIR(mode):
            joined = self.group.join(place, depth)
            if joined is not None:
                return joined
        flags = (os.O_RDONLY, os.O_WRONLY) if stat.S_ISREG(mode) else (os.O_RDONLY,)
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            for flag in flags:
                try:
                    return self.group.sync(place, reopened(found, flag), depth)
                except PermissionError:  # the server is not root
                    continue
        if found.stat.st_dev == self.device:
            return self.group.sync(self.device, os.dup(self._top), Depth.FILESYSTEM)
        return self.workers.run(os.sync)


def reopened(found: OpenObject, flags: int) -> int:
    """Open the file of an O_PATH descriptor, with the identity of the thread."""
    return os.open(f"{PROC}/{found.descriptor}", flags | QUIETLY)


def opened_anyway(found: OpenObject, flags: int) -> int:
    """Open a file as the server, whatever its mode is.

    A server that is not root may not do that either. If it owns the file, it changes the mode for
    a moment. A client that creates a read-only file and then writes it could not do so otherwise:
    tar and git do that.
    """
    try:
        return reopened(found, flags)
    except PermissionError:
        if found.stat.st_uid != os.geteuid():
            raise
    mode = found.stat.st_mode
    set_mode(found.descriptor, mode | stat.S_IRUSR | stat.S_IWUSR)
    try:
        return reopened(found, flags)
    finally:
        set_mode(found.descriptor, mode)


def _opened_to_sync(found: OpenObject) -> int | None:
    """A descriptor of a file that was just made; None if it has no content."""
    mode = found.stat.st_mode
    if stat.S_ISREG(mode):
        return os.dup(found.descriptor)
    return reopened(found, os.O_RDONLY) if stat.S_ISDIR(mode) else None


def check_regular(found: OpenObject) -> None:
    """Refuse what has no data. To open a device or a FIFO might block, or do something.

    Raises:
        OSError: EISDIR, EINVAL.
    """
    if stat.S_ISREG(found.stat.st_mode):
        return
    number = errno.EISDIR if stat.S_ISDIR(found.stat.st_mode) else errno.EINVAL
    raise refusal(number)


def _features_of(directory: int) -> Features:
    return Features(
        hard_links=True,
        symlinks=True,
        special_files=True,
        stable_ids=True,
        link_max=os.fpathconf(directory, "PC_LINK_MAX"),
        name_max=os.fpathconf(directory, "PC_NAME_MAX"),
    )
