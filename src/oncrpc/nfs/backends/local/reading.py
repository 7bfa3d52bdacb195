"""Names of a local directory: looking up, listing, and symbolic links."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oncrpc.nfs.backends.local.base import LocalBase, reopened
from oncrpc.nfs.backends.local.objects import OpenObject, stale
from oncrpc.nfs.backends.local.syscalls import DirectoryEntry, getdents64
from oncrpc.nfs.filesystem import DirEntry, Identity, Listing
from oncrpc.nfs.names import ABOVE, HERE
from oncrpc.nfs.posix import refusal
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3

SMALLEST, LARGEST = 4096, 1 << 16
"""Bytes that are read of a directory at once."""

USUAL_ENTRY = 48
"""Bytes of an entry with a name of 20 to 28 bytes."""

TOGETHER = 64
"""Entries whose files are open at the same time, for their ids and attributes."""


class LocalNames(LocalBase):
    """Operations that read directories and symbolic links."""

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> bytes:
        with self.opened(directory) as parent:
            with self.identities.of(who):
                found = self.find(parent, name)
            return self.id_of(found, directory=directory, name=name)

    def parent(self, who: Identity, directory: bytes) -> bytes:
        with self.opened(directory) as found:
            if not stat.S_ISDIR(found.stat.st_mode):
                raise refusal(errno.ENOTDIR)
            self._check_search(who, found)
            above = self.objects.parent(found, directory=directory)
            self.objects.keep()
            return above

    def _check_search(self, who: Identity, found: OpenObject) -> None:
        """Refuse a caller that may not look up names in the directory."""
        with self.identities.of(who):
            os.stat(".", dir_fd=found.descriptor)

    def readlink(self, who: Identity, file: bytes) -> bytes:
        with self.opened(file) as found:
            if not stat.S_ISLNK(found.stat.st_mode):
                raise refusal(errno.EINVAL)
            return os.readlink(b"", dir_fd=found.descriptor)

    def readdir(
        self, who: Identity, directory: bytes, cookie: int, count: int, *, plus: bool
    ) -> Listing:
        with self.opened(directory) as found:
            if not stat.S_ISDIR(found.stat.st_mode):
                raise refusal(errno.ENOTDIR)
            with self.identities.of(who):
                descriptor = reopened(found, os.O_RDONLY | os.O_DIRECTORY)
            try:
                read, eof = _read_entries(descriptor, cookie, count)
            finally:
                os.close(descriptor)
            entries = self._plus(who, found, directory, read) if plus else _plain(read)
            listing = Listing([self._at_root(directory, found, entry) for entry in entries], eof)
            self.objects.keep()
            return listing

    def _at_root(self, directory: bytes, found: OpenObject, entry: DirEntry) -> DirEntry:
        """The entry; ``..`` of the root has the number of the root, not of the directory above."""
        if entry.name == ABOVE and directory == self.root:
            return entry._replace(fileid=found.stat.st_ino)
        return entry

    def _plus(
        self, who: Identity, parent: OpenObject, directory: bytes, read: Sequence[DirectoryEntry]
    ) -> Iterator[DirEntry]:
        """Entries with ids and attributes, if the caller may look them up."""
        for begin in range(0, len(read), TOGETHER):
            some = read[begin : begin + TOGETHER]
            with self.identities.of(who):
                found = [self._found(parent, entry.name) for entry in some]
            try:
                for entry, file in zip(some, found, strict=True):
                    yield self._with_id(directory, entry, file)
            finally:
                for file in found:
                    if file is not None:
                        os.close(file.descriptor)

    def _found(self, parent: OpenObject, name: bytes) -> OpenObject | None:
        """The file of an entry; None if it is gone by now, or the caller may not look it up."""
        if name in (HERE, ABOVE):
            return None
        try:
            return self.find(parent, name)
        except OSError:
            return None

    def _with_id(
        self, directory: bytes, entry: DirectoryEntry, found: OpenObject | None
    ) -> DirEntry:
        plain = DirEntry(entry.name, entry.fileid, entry.offset)
        if found is None:
            return plain
        try:
            file = self.objects.id_of(found, directory=directory, name=entry.name)
        except OSError:
            return plain
        return plain._replace(file=file, attributes=self.attributes(found))


class _Read(NamedTuple):
    entries: Sequence[DirectoryEntry]
    eof: bool


def _read_entries(descriptor: int, cookie: int, count: int) -> _Read:
    """About ``count`` entries from a position on: the cookies are the directory's own positions.

    Raises:
        NfsError: NFS3ERR_BAD_COOKIE: the file system says that there is no such position.
    """
    try:
        os.lseek(descriptor, cookie, os.SEEK_SET)
    except (OSError, OverflowError) as error:
        raise NfsError(nfsstat3.NFS3ERR_BAD_COOKIE, str(error)) from None
    size = min(max(count * USUAL_ENTRY, SMALLEST), LARGEST)
    entries: list[DirectoryEntry] = []
    try:
        while some := getdents64(descriptor, size):
            entries += some
            if len(entries) >= count:
                return _Read(entries[: max(count, 1)], eof=False)
    except FileNotFoundError:  # the directory was removed
        raise stale() from None
    return _Read(entries, eof=True)


def _plain(read: Sequence[DirectoryEntry]) -> Iterator[DirEntry]:
    for entry in read:
        yield DirEntry(entry.name, entry.fileid, entry.offset)
