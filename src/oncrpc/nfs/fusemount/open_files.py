"""The open files of a mount: all that have the same file open share one ``RemoteFile``.

So a reader sees what a writer has written before, and the size after it, although the WRITEs are
still on their way to the server.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import count

from oncrpc.errors import OncRpcError
from oncrpc.nfs.client.file import RemoteFile
from oncrpc.nfs.client.open_handle import OpenHandle
from oncrpc.nfs.client.results import FileHandle

MAX_OPEN = 65536
"""Files that may be open at once in a mount."""


class SharedFile:
    """An open file, its path when it was opened, and how often it is open."""

    def __init__(self, file: RemoteFile, path: bytes) -> None:
        self.file, self.path, self.uses = file, path, 0


class MountedFiles:
    """The open files, by the number that the kernel has, and by handle.

    ``_shared`` has the same files as ``_opened``. A file leaves both when its last number is
    released.
    """

    def __init__(self) -> None:
        self._opened: dict[int, SharedFile] = {}
        self._shared: dict[FileHandle, SharedFile] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._opened)

    def open(self, handle: OpenHandle, path: bytes) -> int:
        """Open a file; returns its number.

        Raises:
            OSError: too many are open.
        """
        if len(self._opened) >= MAX_OPEN:
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
        key = handle.handle
        shared = self._shared.get(key)
        if shared is None:
            file = RemoteFile(handle, name=os.fsdecode(path), mode="r+b")
            shared = self._shared[key] = SharedFile(file, path)
        shared.uses += 1
        number = next(self._numbers)
        self._opened[number] = shared
        return number

    def by_number(self, number: int) -> SharedFile:
        """The file of a number.

        Raises:
            OSError: the number is not open.
        """
        shared = self._opened.get(number)
        if shared is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return shared

    def by_handle(self, handle: FileHandle) -> RemoteFile | None:
        """The open file with this handle; None if it is not open."""
        shared = self._shared.get(handle)
        return None if shared is None else shared.file

    async def release(self, number: int) -> None:
        """Close a number. The last one stores what was written and not flushed."""
        shared = self._opened.pop(number, None)
        if shared is None:
            return
        shared.uses -= 1
        if not shared.uses:
            for handle, each in list(self._shared.items()):
                if each is shared:
                    del self._shared[handle]
            await shared.file.close()

    async def close(self) -> None:
        """Close all files. Errors cannot be reported to anybody any more."""
        files = {id(shared): shared for shared in self._opened.values()}
        self._opened.clear()
        self._shared.clear()
        for shared in files.values():
            with suppress(OSError, OncRpcError):
                await shared.file.close()
