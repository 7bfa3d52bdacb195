"""Ids of files: from an id to the file, and back.

Two classes do this. ``kernel_handles`` uses the kernel's handles as ids; it needs a capability and
a file system that gives handles. Elsewhere ``table`` keeps on disk which id is which file.

An ``OpenObject`` has an O_PATH descriptor, which refers to a file of any kind without opening it: a
device or a FIFO is not affected. The operations use this descriptor, as the directory of a name or
by ``/proc/self/fd``, with the identity of the caller.

All methods but ``sync`` are called on one thread, and all with the server's own identity, never the
caller's.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple, Protocol, TypeAlias

from oncrpc.nfs.posix import refusal

LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags to open a file of any kind without reading it, or waking a device."""

Place: TypeAlias = tuple[int, int]
"""The device and the inode number of a file."""


class OpenObject(NamedTuple):
    """A file: an O_PATH descriptor, and its attributes when it was opened."""

    descriptor: int
    stat: os.stat_result

    @property
    def place(self) -> Place:
        """The device and the inode number."""
        return self.stat.st_dev, self.stat.st_ino


def looked_at(descriptor: int) -> OpenObject:
    """The file of a descriptor that was just opened; the descriptor is closed if that fails."""
    try:
        return OpenObject(descriptor, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise


def stale() -> OSError:
    """The error of an id whose file is gone."""
    return refusal(errno.ESTALE)


class Objects(Protocol):
    """The ids of the files below one directory."""

    root: bytes
    """The id of that directory."""

    enters_mounts: bool
    """Whether files below mount points can have ids."""

    keeps_names: bool
    """Whether ``named`` and ``unnamed`` do anything. If not, they need not be called."""

    def open(self, file: bytes) -> OpenObject:
        """Open the file with that id: O_PATH | O_NOFOLLOW | O_CLOEXEC. The caller closes it.

        Raises:
            OSError: ESTALE: there is no such file any more, or never was.
        """

    def id_of(self, found: OpenObject, *, directory: bytes, name: bytes) -> bytes:
        """The id of a file that was just found, or created, under a name of a directory.

        It does not close ``found``.

        Raises:
            OSError: EACCES: it is on another file system, which is not exported.
        """

    def keep(self) -> None:
        """Write down the ids that ``id_of`` and ``parent`` have returned since the last call.

        Call it before an id leaves the server: the end of this process must not lose it.

        Raises:
            OSError: that failed, and the call with these ids must fail too.
        """

    def sync(self) -> None:
        """Bring the ids that ``keep`` wrote to disk: a loss of power must not lose them.

        For a new file whose name is brought to disk before it is acknowledged. This method is
        called by a worker thread, since it waits for the disk.

        Raises:
            OSError: that failed.
        """

    def parent(self, found: OpenObject, *, directory: bytes) -> bytes:
        """The id of the directory above ``directory``, which is open as ``found``.

        Raises:
            OSError: EACCES: it is not below the root. A local user moved the directory away.
        """

    def named(self, file: bytes, *, directory: bytes, name: bytes) -> None:
        """The file has this name now: it was renamed to it, or linked. It may have others."""

    def unnamed(self, file: bytes, *, directory: bytes, name: bytes, last: bool) -> None:
        """The file lost this name: it was removed, replaced, or renamed.

        ``last``: it was its last name, and the file is gone.
        """

    def close(self) -> None:
        """Release what is held. Ids stay valid for the next object of this class."""
