"""Follow a path to the handle of a file, name by name (RFC 1813 §3.3.3).

The client follows symbolic links itself. It never sends ``..`` to the server: ``..`` goes back to
the directory before, and stops at the mounted directory. An absolute link begins at the mounted
directory too. So no path and no link leads out of it.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections import deque
from enum import Enum
from typing import NamedTuple

from oncrpc.errors import ProtocolError
from oncrpc.nfs.client.errors import NfsNotFound, refusal
from oncrpc.nfs.client.listing import ABOVE, HERE
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.results import FileHandle, FoundFile, HandlePath
from oncrpc.programs.nfs3 import nfsstat3

RemotePath = str | bytes | os.PathLike[str] | os.PathLike[bytes] | FileHandle | HandlePath
"""A path below the mounted directory, the handle of a file, or a path below a handle."""

MAX_LINKS = 40
"""Symbolic links that the NFS client follows for one path, as on Linux."""

MAX_TARGET = 4096
"""Bytes of the text of a symbolic link (NFS client)."""

SEPARATOR = b"/"


class Ending(Enum):
    """How to treat the last name of a path."""

    FOLLOW = 1
    """Look it up, and follow it if it is a symbolic link."""

    LOOK_UP = 2
    """Look it up."""

    LEAVE = 3
    """Find only its directory."""


class Located(NamedTuple):
    """The end of a path: a directory, a name in it, and the file if it exists.

    The mounted directory, and a file that is given by its handle, have no name.
    """

    directory: FileHandle
    name: bytes
    found: FoundFile | None


def text_of(path: RemotePath) -> str:
    """The path as text, for errors."""
    if isinstance(path, FileHandle):
        return repr(path)
    return os.fsdecode(path.path if isinstance(path, HandlePath) else path)


def parent_of(path: RemotePath) -> RemotePath | None:
    """The path without its last name; None if it has only one name."""
    if isinstance(path, FileHandle):
        return None
    text = path.path if isinstance(path, HandlePath) else os.fsencode(path)
    above = posixpath.dirname(text.rstrip(SEPARATOR))
    if not above.strip(SEPARATOR):
        return None
    return HandlePath(path.handle, above) if isinstance(path, HandlePath) else above


async def locate(
    operations: Operations, root: FileHandle, path: RemotePath, ending: Ending
) -> Located:
    """Follow a path.

    Raises:
        OSError: a directory of the path cannot be found or searched; ELOOP: over 40 links.
        ValueError: the path is empty, or has a NUL. ProtocolError: an invalid link.
    """
    if isinstance(path, FileHandle):
        return Located(path, b"", FoundFile(path, None))
    if isinstance(path, HandlePath):
        return await _Walk(operations, root, path.handle).to(path.path, ending)
    return await _Walk(operations, root, root).to(os.fsencode(path), ending)


class _Walk:
    """Follows one path. ``_way`` has the directories from the start to the present one."""

    def __init__(self, operations: Operations, root: FileHandle, start: FileHandle) -> None:
        self.operations, self.root = operations, root
        self._way = [start]
        self._links = 0

    async def to(self, path: bytes, ending: Ending) -> Located:
        """Follow the path to its end."""
        if not path:
            raise ValueError("an empty path")
        names = deque(_names(path))
        while names:
            name = names.popleft()
            if name == ABOVE:
                if len(self._way) > 1:
                    self._way.pop()
                continue
            leave = not names and ending is Ending.LEAVE
            found = None if leave else await self._look_up(name, last=not names)
            if found is None:
                return Located(self._way[-1], name, None)
            if (names or ending is Ending.FOLLOW) and await self._is_link(found):
                names.extendleft(reversed(await self._target(found.handle)))
            elif names:
                self._way.append(found.handle)
            else:
                return Located(self._way[-1], name, found)
        return Located(self._way[-1], b"", FoundFile(self._way[-1], None))

    async def _look_up(self, name: bytes, *, last: bool) -> FoundFile | None:
        """Look up a name; None if the last name of the path does not exist."""
        try:
            return await self.operations.lookup(self._way[-1], name)
        except NfsNotFound:
            if last:
                return None
            raise

    async def _is_link(self, found: FoundFile) -> bool:
        stat = found.stat or await self.operations.getattr(found.handle)
        return stat.is_symlink()

    async def _target(self, link: FileHandle) -> list[bytes]:
        """The names in the text of a link. An absolute link goes back to the root."""
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = await self.operations.readlink(link)
        if not target:
            raise refusal(nfsstat3.NFS3ERR_NOENT)
        if len(target) > MAX_TARGET:
            raise OSError(errno.ENAMETOOLONG, f"a symbolic link of over {MAX_TARGET} bytes")
        if b"\0" in target:
            raise ProtocolError("the server sent a symbolic link with a NUL")
        if target.startswith(SEPARATOR):
            self._way = [self.root]
        return _names(target)


def _names(path: bytes) -> list[bytes]:
    if b"\0" in path:
        raise ValueError("embedded null byte in a path")
    return [name for name in path.split(SEPARATOR) if name not in (b"", HERE)]
