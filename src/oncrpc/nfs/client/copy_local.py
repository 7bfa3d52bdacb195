"""The local tree of a copy. All files are opened relative to an open directory."""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from oncrpc.nfs.client.copy_tree import (
    CHUNK,
    CopyEntry,
    CopyOperand,
    CopyTree,
    PartialCopy,
    certain,
)
from oncrpc.nfs.client.results import FileStat
from oncrpc.nfs.filesystem import NewAttributes

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
NO_LINK = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags for an entry: do not follow a link, do not wait for the other end of a named pipe."""

NO_ID = (1 << 32) - 1
"""The number that is not a user or group."""


class LocalDirectory(NamedTuple):
    """A directory that ``LocalTree`` has opened."""

    fd: int


class LocalPartial(PartialCopy):
    """A local file with a temporary name."""

    def __init__(self, directory: int, name: bytes, fd: int, start: int) -> None:
        self.directory, self.name, self.fd, self.start = directory, name, fd, start

    async def write(self, offset: int, data: memoryview) -> None:
        """Write all of the data."""
        while data:
            count = os.pwrite(self.fd, data, offset)
            offset, data = offset + count, data[count:]

    async def put(self, name: bytes, choices: Sequence[NewAttributes]) -> None:
        """Set the attributes, and rename; the name must still be that of the open file."""
        _first_permitted(lambda new: _set(self.fd, new), choices)
        found, mine = os.stat(self.name, dir_fd=self.directory, follow_symlinks=False), self.stat
        if (found.st_dev, found.st_ino) != (mine.st_dev, mine.st_ino):
            raise OSError(errno.EBUSY, "another program replaced the partial copy")
        os.rename(self.name, name, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    @property
    def stat(self) -> os.stat_result:
        """The attributes of the open file."""
        return os.fstat(self.fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


class LocalTree(CopyTree):
    """The files of this host."""

    async def operand(self, path: bytes, *, follow: bool) -> CopyOperand:
        """Find a source; its name is resolved if it is a link to follow."""
        if follow or path.rstrip(b"/") != path:
            path = os.path.realpath(path)
        directory, name = await self.parent(path)
        try:
            return CopyOperand(directory, _entry(directory, name))
        except OSError:
            self.leave(directory)
            raise

    async def directory(self, path: bytes) -> CopyOperand | None:
        """Open a directory to copy to. A link to a directory is followed."""
        try:
            fd = os.open(path, OPEN_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return CopyOperand(LocalDirectory(fd), CopyEntry(b"", _stat_of(os.fstat(fd))))

    async def itself(self, directory: LocalDirectory) -> CopyOperand:
        """Open a directory once more."""
        fd = os.open(b".", OPEN_DIRECTORY, dir_fd=directory.fd)
        return CopyOperand(LocalDirectory(fd), CopyEntry(b"", _stat_of(os.fstat(fd))))

    async def parent(self, path: bytes) -> tuple[LocalDirectory, bytes]:
        """Open the directory of a path. The name of ``/`` is ``.``."""
        above, name = os.path.split(path.rstrip(b"/") or b"/")
        return LocalDirectory(os.open(above or b".", OPEN_DIRECTORY)), name or b"."

    async def entries(self, directory: LocalDirectory) -> AsyncGenerator[CopyEntry, None]:
        """The entries; a file that is removed meanwhile is skipped."""
        with os.scandir(directory.fd) as found:
            for each in found:
                with suppress(FileNotFoundError):
                    yield _entry(directory, os.fsencode(each.name))

    async def enter(self, directory: LocalDirectory, entry: CopyEntry) -> LocalDirectory:
        """Open a directory."""
        flags = OPEN_DIRECTORY | os.O_NOFOLLOW
        return LocalDirectory(os.open(entry.name, flags, dir_fd=directory.fd))

    def leave(self, directory: LocalDirectory) -> None:
        """Close a directory."""
        os.close(directory.fd)

    async def read(
        self, directory: LocalDirectory, entry: CopyEntry, start: int
    ) -> AsyncGenerator[memoryview, None]:
        """The content. A file with size 0, such as one of procfs, is read to its end."""
        size = entry.stat.size
        fd = os.open(entry.name, os.O_RDONLY | NO_LINK, dir_fd=directory.fd)
        try:
            if not modes.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EAGAIN, "it was replaced while it was copied")
            while not size or start < size:
                data = os.pread(fd, min(CHUNK, size - start) if size else CHUNK, start)
                if not data:
                    return
                start += len(data)
                yield memoryview(data)
        finally:
            os.close(fd)

    async def read_link(self, directory: LocalDirectory, entry: CopyEntry) -> bytes:
        """The text of a symbolic link."""
        return os.readlink(entry.name, dir_fd=directory.fd)

    async def find(self, directory: LocalDirectory, name: bytes) -> CopyEntry | None:
        """The entry with a name."""
        try:
            return _entry(directory, name)
        except FileNotFoundError:
            return None

    async def make_directory(
        self, directory: LocalDirectory, name: bytes, mode: int
    ) -> CopyOperand:
        """Create a directory, and open it."""
        os.mkdir(name, mode, dir_fd=directory.fd)
        fd = os.open(name, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory.fd)
        return CopyOperand(LocalDirectory(fd), CopyEntry(name, _stat_of(os.fstat(fd))))

    async def begin(
        self, directory: LocalDirectory, name: bytes, *, mode: int, size: int | None
    ) -> LocalPartial:
        """Create a file that no other name and no other user has."""
        if size is not None:
            found = self._continued(directory, name, size)
            if found is not None:
                return found
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
        try:
            fd = os.open(name, flags, mode, dir_fd=directory.fd)
        except FileExistsError:
            os.unlink(name, dir_fd=directory.fd)
            fd = os.open(name, flags, mode, dir_fd=directory.fd)
        return LocalPartial(directory.fd, name, fd, 0)

    def _continued(self, directory: LocalDirectory, name: bytes, size: int) -> LocalPartial | None:
        """A partial copy that this user has made; None if there is none."""
        try:
            fd = os.open(name, os.O_WRONLY | NO_LINK, dir_fd=directory.fd)
        except OSError:
            return None
        found = os.fstat(fd)
        mine = found.st_uid == os.geteuid() and found.st_nlink == 1
        if not mine or not modes.S_ISREG(found.st_mode) or found.st_size > size:
            os.close(fd)
            return None
        return LocalPartial(directory.fd, name, fd, certain(found.st_size))

    async def make_link(self, directory: LocalDirectory, name: bytes, text: bytes) -> None:
        """Create a symbolic link."""
        _replacing(directory, name, lambda: os.symlink(text, name, dir_fd=directory.fd))

    async def make_node(self, directory: LocalDirectory, name: bytes, stat: FileStat) -> None:
        """Create a special file."""
        kind = modes.S_IFMT(stat.mode)
        try:
            device = os.makedev(*stat.device)
        except OverflowError:
            raise OSError(errno.EINVAL, f"invalid device numbers {stat.device}") from None
        _replacing(
            directory, name, lambda: os.mknod(name, kind | 0o600, device, dir_fd=directory.fd)
        )

    async def rename(self, directory: LocalDirectory, name: bytes, new_name: bytes) -> None:
        """Rename an entry."""
        os.rename(name, new_name, src_dir_fd=directory.fd, dst_dir_fd=directory.fd)

    async def remove(self, directory: LocalDirectory, name: bytes) -> None:
        """Remove a file."""
        os.unlink(name, dir_fd=directory.fd)

    async def set(
        self,
        directory: LocalDirectory,
        name: bytes,
        choices: Sequence[NewAttributes],
    ) -> None:
        """Set attributes of an entry, or of the directory. A link has no mode."""

        def apply(new: NewAttributes) -> None:
            if name:
                _set_entry(directory.fd, name, new)
            else:
                _set(directory.fd, new)

        _first_permitted(apply, choices)

    def identity(self, stat: FileStat) -> tuple[object, ...]:
        """Device and inode."""
        return "", stat.fsid, stat.fileid


def _entry(directory: LocalDirectory, name: bytes) -> CopyEntry:
    found = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
    return CopyEntry(name, _stat_of(found))


def _stat_of(found: os.stat_result) -> FileStat:
    device = os.major(found.st_rdev), os.minor(found.st_rdev)
    return FileStat(
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_blocks * 512,
        device,
        found.st_dev,
        found.st_ino,
        found.st_atime_ns,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _replacing(directory: LocalDirectory, name: bytes, make: Callable[[], None]) -> None:
    try:
        make()
    except FileExistsError:
        os.unlink(name, dir_fd=directory.fd)
        make()


def _first_permitted(
    apply: Callable[[NewAttributes], None], choices: Sequence[NewAttributes]
) -> None:
    for new in choices[:-1]:
        try:
            return apply(new)
        except PermissionError:
            continue
    return apply(choices[-1])


def _set(fd: int, new: NewAttributes) -> None:
    """Set attributes of an open file. The owner comes first: it clears the set-id bits."""
    _set_owner(new, lambda uid, gid: os.fchown(fd, uid, gid))
    if new.mode is not None:
        os.fchmod(fd, new.mode)
    if isinstance(new.mtime, int):
        os.utime(fd, ns=(_atime(new, os.fstat(fd)), new.mtime))


def _set_entry(fd: int, name: bytes, new: NewAttributes) -> None:
    _set_owner(new, lambda uid, gid: os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False))
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if new.mode is not None and not modes.S_ISLNK(found.st_mode):
        os.chmod(name, new.mode, dir_fd=fd)
    if isinstance(new.mtime, int):
        os.utime(name, ns=(_atime(new, found), new.mtime), dir_fd=fd, follow_symlinks=False)


def _set_owner(new: NewAttributes, change: Callable[[int, int], None]) -> None:
    if NO_ID in (new.uid, new.gid):  # -1 in chown(2), which would keep the owner
        raise PermissionError(errno.EPERM, "the server sent no valid owner")
    if new.uid is not None or new.gid is not None:
        change(*(-1 if number is None else number for number in (new.uid, new.gid)))


def _atime(new: NewAttributes, found: os.stat_result) -> int:
    return new.atime if isinstance(new.atime, int) else found.st_atime_ns
