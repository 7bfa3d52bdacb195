"""Whether a part of a file is in memory, so that to read it does not wait for the disk.

cachestat(2) counts the pages that the kernel has. Some of them may still be on their way from the
disk. They arrive in the order of the file; so one byte is read, without waiting, at the end and at
intervals. Before Linux 6.5, which has no cachestat, one byte of each page is read.

``ResidentBlocks`` caches the answer for a moment, since asking takes a quarter of the time of a
READ of 64 KiB. The kernel drops the least recently used pages first. So a block that was in memory
a moment ago still is, unless memory is very short or a program drops pages on purpose.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from struct import Struct

PAGE = mmap.PAGESIZE
INTERVAL = 128 << 10
"""Bytes between two looks: what the kernel usually reads ahead at once."""

BLOCK = 64 << 10
"""Bytes of a block."""

AHEAD = 16
"""Blocks to ask about at once, if a file is read in order."""

LIFETIME = 1.0
"""Seconds for which an answer is cached."""

MAX_BLOCKS = 16_384
"""Blocks of a file in the cache; then it is emptied."""

CACHESTAT = 451
_RANGE = Struct("=QQ")
_COUNT = Struct("=Q")
_range, _counts = ctypes.create_string_buffer(16), ctypes.create_string_buffer(40)
_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc["syscall"]
_syscall.argtypes = [
    ctypes.c_long, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint,
]  # fmt: skip
_syscall.restype = ctypes.c_long
_byte = (bytearray(1),)
_lacking = False


class ResidentBlocks:
    """The blocks of a file that were in memory less than ``LIFETIME`` seconds ago.

    All of them are forgotten at ``until``, and when there are ``MAX_BLOCKS``.
    """

    __slots__ = ("blocks", "until")

    def __init__(self) -> None:
        self.blocks: set[int] = set()
        self.until = 0.0

    def known(self, offset: int, count: int, now: float) -> bool:
        """Whether the cache says that these bytes are in memory."""
        if now >= self.until:
            self.blocks.clear()
            self.until = now + LIFETIME
        first, last = offset // BLOCK, (offset + count - 1) // BLOCK
        if first == last:
            return first in self.blocks
        return self.blocks.issuperset(range(first, last + 1))

    def ask(self, descriptor: int, offset: int, count: int, size: int) -> bool:
        """Ask the kernel whether these bytes of a file of ``size`` bytes are in memory.

        Raises:
            OSError: as ``in_memory``.
        """
        first, end = offset // BLOCK, (offset + count - 1) // BLOCK + 1
        if first - 1 in self.blocks:
            end = max(end, first + AHEAD)
        begin, stop = first * BLOCK, min(end * BLOCK, size)
        if in_memory(descriptor, begin, stop - begin):
            if len(self.blocks) >= MAX_BLOCKS:
                self.blocks.clear()
            self.blocks.update(range(first, -(-stop // BLOCK)))
            return True
        return (begin, stop) != (offset, offset + count) and in_memory(descriptor, offset, count)


def in_memory(descriptor: int, offset: int, count: int) -> bool:
    """Whether these bytes of the file are in memory. They must not be beyond its end.

    Raises:
        OSError: the file system cannot say so, for example.
    """
    last = offset + count - 1
    pages = last // PAGE - offset // PAGE + 1
    interval = INTERVAL
    found = pages_in_memory(descriptor, offset, count)
    if found is None:
        interval = PAGE
    elif found < pages:
        return False
    try:
        return all(
            os.preadv(descriptor, _byte, place, os.RWF_NOWAIT)
            for place in (last, *range(offset, last, interval)[1:])
        )
    except BlockingIOError:
        return False


def pages_in_memory(descriptor: int, offset: int, count: int) -> int | None:
    """The number of pages in memory; None if the kernel cannot count them.

    Raises:
        OSError: it is not a file, for example.
    """
    global _lacking
    if _lacking:
        return None
    _RANGE.pack_into(_range, 0, offset, count)
    if _syscall(CACHESTAT, descriptor, _range, _counts, 0) == 0:
        number: int = _COUNT.unpack_from(_counts)[0]
        return number
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP):
        _lacking = True
        return None
    raise OSError(number, os.strerror(number))
