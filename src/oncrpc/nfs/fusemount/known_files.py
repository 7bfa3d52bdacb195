"""Files that were looked up a moment ago, by path: their handles and attributes.

The kernel asks for one name at a time, and for the attributes of each name after it has listed a
directory. Without this memory each question would look up all directories of its path again.

The key is the path below the mounted directory. An entry is used for ``lifetime`` seconds; what
this client changes is forgotten at once. If there are more than ``MAX_KNOWN``, all are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oncrpc.nfs.client.results import FileHandle, FileStat

MAX_KNOWN = 65536
"""Files whose handles ``nfs mount`` remembers."""

SEPARATOR = b"/"


class RememberedFile(NamedTuple):
    """A file that was looked up; ``until`` is the time from which on it is not used."""

    handle: FileHandle
    stat: FileStat
    until: float


class RememberedFiles:
    """The files by path; see the module."""

    def __init__(self, *, lifetime: float, clock: Callable[[], float]) -> None:
        self.lifetime, self.clock = lifetime, clock
        self._files: dict[bytes, RememberedFile] = {}

    def __len__(self) -> int:
        return len(self._files)

    def add(self, path: bytes, handle: FileHandle, stat: FileStat) -> RememberedFile:
        """Remember a file."""
        if len(self._files) >= MAX_KNOWN:
            self._files.clear()
        known = RememberedFile(handle, stat, self.clock() + self.lifetime)
        self._files[path] = known
        return known

    def get(self, path: bytes) -> RememberedFile | None:
        """The file of a path, if it was looked up a moment ago."""
        known = self._files.get(path)
        if known is None or self.clock() < known.until:
            return known
        del self._files[path]
        return None

    def forget(self, path: bytes) -> None:
        """Forget a file that has changed, and its directory, whose times have changed."""
        self._files.pop(path, None)
        self._files.pop(parent_of(path), None)

    def clear(self) -> None:
        """Forget all files, such as after a directory was renamed."""
        self._files.clear()


def parent_of(path: bytes) -> bytes:
    """The path of the directory; that of the mounted directory is empty."""
    return path.rpartition(SEPARATOR)[0]


def name_of(path: bytes) -> bytes:
    """The last name of a path."""
    return path.rpartition(SEPARATOR)[2]
