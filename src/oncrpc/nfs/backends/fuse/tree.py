"""``OperationsTree``: what the file system needs of a FUSE object, with paths or with inodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from oncrpc.nfs.backends.fuse.changes import AttributeChanges
from oncrpc.nfs.backends.fuse.known import KnownFile, KnownFiles
from oncrpc.nfs.filesystem import Attributes, Features, Identity, SpaceInfo


class FileInTree(NamedTuple):
    """A file and its attributes."""

    file: KnownFile
    attributes: Attributes


class MadeFile(NamedTuple):
    """A file that was created, and its file handle, if it is open."""

    file: KnownFile
    handle: int | None = None


class OperationsTree(ABC):
    """The methods of a FUSE object, called for files of the table ``files``.

    Permissions are checked before. All methods run in the thread of the object, and raise
    ``OSError`` with the errno of the object: ENOENT too, if a file is gone.
    """

    files: KnownFiles
    features: Features
    opens_for_both = True
    """The handle of a file that was created can be read."""

    @abstractmethod
    async def begin(self) -> None:
        """Make the object if it was given as a class, and tell it that it begins."""

    @abstractmethod
    async def end(self) -> None:
        """Tell the object that it is no longer used."""

    @abstractmethod
    async def getattr(self, who: Identity, file: KnownFile) -> Attributes: ...

    @abstractmethod
    async def lookup(self, who: Identity, directory: KnownFile, name: bytes) -> FileInTree: ...

    @abstractmethod
    async def names(self, who: Identity, directory: KnownFile) -> Iterable[tuple[bytes, int]]:
        """All names and file numbers of a directory; the number is 0 if the object has none."""

    @abstractmethod
    def fileid(self, directory: KnownFile, name: bytes, listed: int) -> int:
        """The file number of an entry; ``listed`` is the one from ``names``."""

    @abstractmethod
    async def readlink(self, who: Identity, file: KnownFile) -> bytes: ...

    @abstractmethod
    async def change(
        self, who: Identity, file: KnownFile, found: Attributes, changes: AttributeChanges
    ) -> None:
        """Set attributes; ``found`` are the present ones."""

    @abstractmethod
    async def create(
        self, who: Identity, directory: KnownFile, name: bytes, mode: int
    ) -> MadeFile: ...

    @abstractmethod
    async def mkdir(
        self, who: Identity, directory: KnownFile, name: bytes, mode: int
    ) -> MadeFile: ...

    @abstractmethod
    async def symlink(
        self, who: Identity, directory: KnownFile, name: bytes, target: bytes
    ) -> MadeFile: ...

    @abstractmethod
    async def mknod(
        self, who: Identity, directory: KnownFile, name: bytes, *, mode: int, device: int
    ) -> MadeFile: ...

    @abstractmethod
    async def remove(
        self, who: Identity, directory: KnownFile, name: bytes, *, as_directory: bool
    ) -> None: ...

    @abstractmethod
    async def rename(
        self,
        who: Identity,
        directory: KnownFile,
        name: bytes,
        to_directory: KnownFile,
        to_name: bytes,
    ) -> None: ...

    @abstractmethod
    async def link(
        self, who: Identity, file: KnownFile, directory: KnownFile, name: bytes
    ) -> None: ...

    @abstractmethod
    async def statfs(self, who: Identity, file: KnownFile) -> SpaceInfo: ...

    @abstractmethod
    async def open(self, who: Identity, file: KnownFile, flags: int) -> int: ...

    @abstractmethod
    async def read(self, file: KnownFile, handle: int, offset: int, count: int) -> bytes: ...

    @abstractmethod
    async def write(self, file: KnownFile, handle: int, offset: int, data: bytes) -> int: ...

    @abstractmethod
    async def flush(self, file: KnownFile, handle: int) -> None: ...

    @abstractmethod
    async def fsync(self, file: KnownFile, handle: int) -> bool:
        """Store the data; False if the object does not support it."""

    @abstractmethod
    async def release(self, file: KnownFile, handle: int) -> None: ...

    def keeps(self, found: Attributes) -> bool:
        """Whether a file with these attributes still has a name, after the last known one is
        gone."""
        return False

    async def forget(self) -> None:
        """Report the files that are no longer known."""
        self.files.forgotten.clear()
