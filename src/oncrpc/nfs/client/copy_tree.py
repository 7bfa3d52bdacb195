"""Trees of files between which the NFS client copies: the local one, and those of servers.

A directory is opened once, and its entries are used by their names. So a name or a symbolic link
that a server sends cannot lead out of the directory that is copied to.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple

from oncrpc.nfs.client.results import FileHandle, FileStat
from oncrpc.nfs.filesystem import NewAttributes

Directory = Any
"""An open directory of a tree. Only its tree knows what it is."""

Identity = tuple[object, ...]
"""A file: its server, its file system, and its number."""

CHUNK = 1 << 20
"""Bytes of a local file that a copy reads at once."""

UNCERTAIN = 72 << 20
"""Bytes at the end of a partial copy that are copied again: a server may have lost them."""

LONGEST_NAME = 255
"""Bytes of the name of a partial copy."""

MARK = b".nfs-cp-"


class CopyEntry(NamedTuple):
    """A file of a tree: its name in its directory, its attributes, its handle on a server."""

    name: bytes
    stat: FileStat
    handle: FileHandle | None = None


class CopyOperand(NamedTuple):
    """A source of a copy: an open directory, and an entry of it."""

    directory: Directory
    entry: CopyEntry


class PartialCopy(ABC):
    """A file that is being written. It has a temporary name until ``put``.

    ``start`` is the offset from which data are missing: over 0 for a copy that is resumed.
    """

    start = 0

    @abstractmethod
    async def write(self, offset: int, data: memoryview) -> None:
        """Write; the data must not change afterwards."""

    @abstractmethod
    async def put(self, name: bytes, choices: Sequence[NewAttributes]) -> None:
        """Store the data, set the first attributes that are permitted, and rename to ``name``."""

    @abstractmethod
    def close(self) -> None:
        """Free what is open. Data that are not stored may be lost."""


class CopyTree(ABC):
    """Files to copy from, or to copy to."""

    @abstractmethod
    async def operand(self, path: bytes, *, follow: bool) -> CopyOperand:
        """Find a source."""

    @abstractmethod
    async def directory(self, path: bytes) -> CopyOperand | None:
        """Open a directory to copy to; None if the path does not exist or is another file."""

    @abstractmethod
    async def itself(self, directory: Directory) -> CopyOperand:
        """Open a directory once more."""

    @abstractmethod
    async def parent(self, path: bytes) -> tuple[Directory, bytes]:
        """Open the directory in which ``path`` is, and return its last name."""

    @abstractmethod
    def entries(self, directory: Directory) -> AsyncGenerator[CopyEntry, None]:
        """The entries of a directory."""

    @abstractmethod
    async def enter(self, directory: Directory, entry: CopyEntry) -> Directory:
        """Open a directory. A symbolic link is refused."""

    @abstractmethod
    def leave(self, directory: Directory) -> None:
        """Close a directory."""

    @abstractmethod
    def read(
        self, directory: Directory, entry: CopyEntry, start: int
    ) -> AsyncGenerator[memoryview, None]:
        """The content from an offset on, in pieces, at most as much as ``entry.stat.size``.

        A piece must not be changed: it is held until it is stored.
        """

    @abstractmethod
    async def read_link(self, directory: Directory, entry: CopyEntry) -> bytes:
        """The text of a symbolic link."""

    @abstractmethod
    async def find(self, directory: Directory, name: bytes) -> CopyEntry | None:
        """The entry with a name; None if it does not exist. Links are not followed."""

    @abstractmethod
    async def make_directory(self, directory: Directory, name: bytes, mode: int) -> CopyOperand:
        """Create a directory, and open it."""

    @abstractmethod
    async def begin(
        self, directory: Directory, name: bytes, *, mode: int, size: int | None
    ) -> PartialCopy:
        """Create a file with a temporary name, or continue one that has at most ``size`` bytes.

        ``size`` None removes what has that name.
        """

    @abstractmethod
    async def make_link(self, directory: Directory, name: bytes, text: bytes) -> None:
        """Create a symbolic link; one that has the name is removed."""

    @abstractmethod
    async def make_node(self, directory: Directory, name: bytes, stat: FileStat) -> None:
        """Create a special file; one that has the name is removed."""

    @abstractmethod
    async def rename(self, directory: Directory, name: bytes, new_name: bytes) -> None:
        """Rename an entry within its directory; an existing file is replaced."""

    @abstractmethod
    async def remove(self, directory: Directory, name: bytes) -> None:
        """Remove a file."""

    @abstractmethod
    async def set(
        self, directory: Directory, name: bytes, choices: Sequence[NewAttributes]
    ) -> None:
        """Set the first attributes that are permitted, of an entry that is not a regular file.

        Without a name, set those of the directory itself. Links are not followed.
        """

    @abstractmethod
    def identity(self, stat: FileStat) -> Identity:
        """Equal for two files only if they are the same."""


def certain(size: int) -> int:
    """How many bytes of a partial copy are certain to be stored."""
    return max(0, size - UNCERTAIN)


def partial_name(entry: CopyEntry, name: bytes) -> bytes:
    """The temporary name of a copy, the same for each copy of this version of the source.

    It is a digest of the name, the size, the time and the number of the source. So a partial copy
    is continued only if the source has not changed.
    """
    stat = entry.stat
    source = b"%d %d %d %s" % (stat.fileid, stat.size, stat.mtime_ns, name)
    digest = hashlib.blake2b(source, digest_size=8).hexdigest().encode()
    room = LONGEST_NAME - len(MARK) - len(digest) - 1
    return b"." + name[:room] + MARK + digest
