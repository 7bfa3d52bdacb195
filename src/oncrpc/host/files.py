"""Reading files that others could have prepared, and replacing files in one step."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from enum import Enum, auto

OPEN_UNTRUSTED = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Flags to open a path that may lead to anything: a pipe must not block, a terminal not be ours."""

OPEN_BESIDE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileFault(Enum):
    """Why a file is not to be believed."""

    NOT_REGULAR = auto()
    FOREIGN = auto()
    """It belongs to another user."""

    OPEN = auto()
    """Its mode lets others do what they must not."""


def fault_of(
    status: os.stat_result, *, owners: Collection[int], forbidden: int
) -> FileFault | None:
    """The fault of an open file that must belong to one of the owners.

    ``forbidden`` are the bits that its mode must not have: 0o022 if nobody else may write to it,
    0o077 if nobody else may read it either.
    """
    if not stat.S_ISREG(status.st_mode):
        return FileFault.NOT_REGULAR
    if status.st_uid not in owners:
        return FileFault.FOREIGN
    return FileFault.OPEN if status.st_mode & forbidden else None


def replace_file(
    path: str, write: Callable[[int], object], *, folder: int | None = None, mode: int = 0o600
) -> int:
    """Write a new file beside ``path`` and rename it, so that there is never half a file.

    ``write`` gets the descriptor of the new file, which is returned, and then is the caller's to
    close. ``folder`` is the descriptor of a directory that ``path`` is in. What a crash left beside
    the file is removed; a link there is not followed.

    Raises:
        OSError: the old file is as it was.
    """
    beside = path + ".new"
    with suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=folder)
    descriptor = os.open(beside, OPEN_BESIDE, 0o600, dir_fd=folder)
    try:
        write(descriptor)
        if mode != 0o600:
            os.fchmod(descriptor, mode)
        os.replace(beside, path, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        raise
    return descriptor


def write_whole(
    descriptor: int, data: bytes, *, write: Callable[[int, bytes], int] = os.write
) -> int:
    """Write all bytes, whatever one write(2) takes; returns their number."""
    rest = memoryview(data)
    while rest:
        rest = rest[write(descriptor, bytes(rest)) :]
    return len(data)
