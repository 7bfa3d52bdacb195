"""Noticing that local processes change files of a directory (inotify(7)).

A watch is of a directory; it tells changes of the directory, and of its files by their names in
it. Changes that calls make by handles are not told: the server knows those itself.
"""

from __future__ import annotations

import ctypes
import os
import struct
from ctypes import c_char_p, c_int, c_uint32

EVERY_CHANGE = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
"""Written, attributes changed, moved from or to it, created, deleted, itself deleted or moved."""

ONLY_DIRECTORY = 0x1000000
OVERFLOW = 0x4000
MAX_WATCHES = 256
"""Directories of which the kernel tells changes."""

READ_SIZE = 64 << 10
_EVENT = struct.Struct("=iIII")
_libc = ctypes.CDLL(None, use_errno=True)
_add, _remove = _libc.inotify_add_watch, _libc.inotify_rm_watch
_add.argtypes, _remove.argtypes = [c_int, c_char_p, c_uint32], [c_int, c_int]


class Watches:
    """Watched directories, each by a number; ``MAX_WATCHES`` of them, then all are dropped."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._watched: set[int] = set()
        self._changes: dict[int, int] = {}
        self._all = 0

    def close(self) -> None:
        """Watch nothing any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._watched.clear()

    def add(self, directory: int) -> int:
        """Watch a directory, by a descriptor of it. Returns its number.

        Raises:
            OSError: that is not possible: the kernel has no more watches for this user.
        """
        if len(self._watched) >= MAX_WATCHES:
            for number in self._watched:
                _remove(self._descriptor, number)
            self._watched.clear()
            self._changes.clear()
            self._all += 1
        if self._descriptor < 0:
            self._descriptor = _done(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        path = b"/proc/self/fd/%d" % directory
        number = _done(_add(self._descriptor, path, EVERY_CHANGE | ONLY_DIRECTORY))
        self._watched.add(number)
        return number

    def changes(self, number: int) -> tuple[int, int]:
        """A value that differs after each change that was told."""
        self._take()
        return self._all, self._changes.get(number, 0)

    def _take(self) -> None:
        """Take what the kernel has told."""
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, size = _EVENT.unpack_from(data, at)
            at += _EVENT.size + size
            if mask & OVERFLOW:
                self._all += 1
            else:
                self._changes[number] = self._changes.get(number, 0) + 1
        self._take()


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
