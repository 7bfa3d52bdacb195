"""Looking for files that a local process has moved: by inode number, in a few directories.

A search reads directories, nearest first, until it has found all or read ``MAX_SEARCHED``. Reading
is all that it does: what it finds may be another file, and the caller looks at its mark.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from oncrpc.nfs.backends.local.beneath import open_beneath

Path = tuple[bytes, ...]
"""The names from the root to a file."""

MAX_SEARCHED = 20_000
"""Entries that one search reads: a few milliseconds if the directories are cached."""

BURST, SHARE = 1.0, 0.1
"""Seconds of searching at a time, and the part of all time in the long run."""

LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def listing(descriptor: int, most: int = MAX_SEARCHED) -> list[tuple[bytes, int, bool]]:
    """The first entries of a directory: name, inode number, and whether it is a directory.

    An empty list if the directory may not be read. The descriptor may be ``O_PATH``.
    """
    try:
        opened = os.open(".", LIST, dir_fd=descriptor)
    except OSError:
        return []
    try:
        with os.scandir(opened) as entries:
            return [
                (os.fsencode(entry.name), entry.inode(), entry.is_dir(follow_symlinks=False))
                for entry in islice(entries, most)
            ]
    except OSError:
        return []
    finally:
        os.close(opened)


def directories_with(ino: int, root: int, *, near: Path) -> Iterator[Path]:
    """The directories that have an entry with this inode number.

    The search begins in the directory ``near``, then goes to those above it, then to those below
    these, level by level.
    """
    starts = [near[:size] for size in range(len(near), -1, -1)]
    queue, seen, left = deque(starts), set(starts), MAX_SEARCHED
    while queue and left > 0:
        path = queue.popleft()
        entries = _entries(root, path, left)
        left -= 1 + len(entries)
        if any(number == ino for _, number, _ in entries):
            yield path
        for below in ((*path, name) for name, _, is_directory in entries if is_directory):
            if below not in seen:
                seen.add(below)
                queue.append(below)


def _entries(root: int, path: Sequence[bytes], most: int) -> list[tuple[bytes, int, bool]]:
    try:
        descriptor = open_beneath(root, path)
    except OSError:
        return []
    try:
        return listing(descriptor, most)
    finally:
        os.close(descriptor)


class Patience:
    """How much time may still be spent on searches: clients that ask for lost files cost some."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._since, self._began = BURST, clock(), 0.0

    def __bool__(self) -> bool:
        """Whether a search may begin."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._since) * SHARE)
        self._since = now
        return self._left > 0

    def __enter__(self) -> None:
        self._began = self._clock()

    def __exit__(self, *_: object) -> None:
        self._left -= self._clock() - self._began
