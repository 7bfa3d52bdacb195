"""Whether a part of a file is in memory, so that to read it does not wait for the disk.

cachestat(2) counts the pages that the kernel has. Some of them may still be on their way from the
disk. They arrive in the order of the file; so one byte is read, without waiting, at the end and at
intervals. Before Linux 6.5, which has no cachestat, one byte of each page is read.
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
