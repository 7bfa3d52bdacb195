"""Opening a file by its path below a directory, and never outside of it.

openat2(2) does it in one system call, and refuses symbolic links on the way. Where the kernel or a
filter of system calls has no openat2, the path is opened name by name, without following links.
The descriptors are ``O_PATH``: nothing is read, no device is opened, and no permission for the file
itself is needed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence

from oncrpc.nfs.backends.local.syscalls import (
    RESOLVE_BENEATH,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    openat2,
)

PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
LONGEST = 4000
"""Bytes of a path in one system call; the kernel takes 4,095."""

MISSING = (errno.ENOSYS, errno.EPERM, errno.E2BIG)
"""Errors of a system that has no openat2, or whose filter does not know it."""


def open_beneath(root: int, names: Sequence[bytes], *, use_openat2: bool = True) -> int:
    """An ``O_PATH`` descriptor of the file with this path below ``root``; ``root`` if it is empty.

    Raises:
        OSError: there is no such file, or one of the directories is not a directory.
    """
    if not names:
        return os.open(".", PLACE, dir_fd=root)
    if not use_openat2:
        return _opened(root, ([name] for name in names), by_name=True)
    try:
        return _opened(root, _pieces(names), by_name=False)
    except OSError as error:
        if error.errno not in MISSING:
            raise
        return open_beneath(root, names, use_openat2=False)


def _opened(root: int, pieces: Iterator[list[bytes]], *, by_name: bool) -> int:
    """Open one piece of the path after the other."""
    here = root
    try:
        for piece in pieces:
            if by_name:
                found = os.open(piece[0], PLACE, dir_fd=here)
            else:
                found = openat2(here, b"/".join(piece), PLACE, resolve=RESOLVE)
            if here != root:
                os.close(here)
            here = found
    except OSError:
        if here != root:
            os.close(here)
        raise
    return here


def _pieces(names: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The path in pieces that the kernel takes."""
    piece, size = list[bytes](), 0
    for name in names:
        if size + len(name) + 1 > LONGEST and piece:
            yield piece
            piece, size = [], 0
        piece.append(name)
        size += len(name) + 1
    yield piece
