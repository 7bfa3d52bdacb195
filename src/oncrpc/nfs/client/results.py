"""The values that the client returns: attributes of files, entries of directories, limits."""

from __future__ import annotations

import os
import stat as modes
from typing import NamedTuple

from oncrpc.programs.nfs3 import ftype3

SECOND = 1_000_000_000
TYPE_BITS = {
    ftype3.NF3REG: modes.S_IFREG,
    ftype3.NF3DIR: modes.S_IFDIR,
    ftype3.NF3BLK: modes.S_IFBLK,
    ftype3.NF3CHR: modes.S_IFCHR,
    ftype3.NF3LNK: modes.S_IFLNK,
    ftype3.NF3SOCK: modes.S_IFSOCK,
    ftype3.NF3FIFO: modes.S_IFIFO,
}
"""The type bits of a mode, by the type of the file."""


class FileHandle(bytes):
    """The handle of a file: up to 64 bytes with a meaning only to the server.

    Methods take a handle in place of a path. ``handle / "name"`` is a path that begins at the
    directory of this handle.
    """

    __slots__ = ()

    def __truediv__(self, path: str | bytes | os.PathLike[str]) -> HandlePath:
        return HandlePath(self, os.fsencode(path))

    def __repr__(self) -> str:
        return f"FileHandle({self.hex()!r})"


class HandlePath(NamedTuple):
    """A path below the directory of a handle; made by ``handle / "name"``."""

    handle: FileHandle
    path: bytes

    def __truediv__(self, path: str | bytes | os.PathLike[str]) -> HandlePath:
        return self._replace(path=self.path + b"/" + os.fsencode(path))


class FileStat(NamedTuple):
    """The attributes of a file (``fattr3``, RFC 1813 §2.6).

    ``mode`` includes the type of the file, as in ``os.stat``: use it with the functions of the
    module ``stat``. ``used`` is the number of bytes on disk, ``device`` the major and minor number
    of a special file, ``fileid`` the inode number. Times are nanoseconds since 1970.
    """

    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    used: int
    device: tuple[int, int]
    fsid: int
    fileid: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int

    @property
    def atime(self) -> float:
        """Seconds since 1970."""
        return self.atime_ns / SECOND

    @property
    def mtime(self) -> float:
        """Seconds since 1970."""
        return self.mtime_ns / SECOND

    @property
    def ctime(self) -> float:
        """Seconds since 1970."""
        return self.ctime_ns / SECOND

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return modes.S_ISREG(self.mode)

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return modes.S_ISDIR(self.mode)

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return modes.S_ISLNK(self.mode)


class FoundFile(NamedTuple):
    """The reply to LOOKUP or CREATE; a server may leave out the attributes."""

    handle: FileHandle
    stat: FileStat | None


class RemoteEntry(NamedTuple):
    """An entry of a directory, with the attributes of its file. Links are not followed."""

    name: str
    stat: FileStat
    handle: FileHandle

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.stat.size

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.stat.is_file()

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.stat.is_dir()

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return self.stat.is_symlink()


class PageEntry(NamedTuple):
    """An entry of a page of a directory, as the server sent it."""

    name: bytes
    fileid: int
    cookie: int
    stat: FileStat | None = None
    handle: FileHandle | None = None


class DirectoryPage(NamedTuple):
    """Some entries of a directory. ``verifier`` and the last cookie select the next page."""

    entries: list[PageEntry]
    verifier: bytes
    eof: bool


class WriteOutcome(NamedTuple):
    """The result of a WRITE. If ``committed`` the data are stored, and need no COMMIT."""

    size: int
    committed: bool
    verifier: bytes


class ServerLimits(NamedTuple):
    """The limits and features of a server (FSINFO, RFC 1813 §3.3.19); sizes are in bytes."""

    read_max: int
    read_preferred: int
    write_max: int
    write_preferred: int
    listing_preferred: int
    max_file_size: int
    time_delta_ns: int
    hard_links: bool
    symlinks: bool
    homogeneous: bool
    settable_times: bool


class PathLimits(NamedTuple):
    """The limits of names and links (PATHCONF, RFC 1813 §3.3.20)."""

    link_max: int
    name_max: int
    no_trunc: bool
    chown_restricted: bool
    case_insensitive: bool
    case_preserving: bool
