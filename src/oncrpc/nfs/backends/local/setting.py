"""Setting attributes of a local file: all of them, or none if one is refused.

One of several changes may be refused after others are made. So the change that is refused most
often comes first, and each change can be undone, except the size, which comes last. Times are set
before the size, to check the permission, and again after it, since setting the size changes them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple, TypeAlias

from oncrpc.nfs.backends.local.objects import OpenObject
from oncrpc.nfs.backends.local.syscalls import (
    UTIME_NOW,
    UTIME_OMIT,
    faccessat2,
    fchownat,
    utimensat,
)
from oncrpc.nfs.filesystem import NewAttributes, Now
from oncrpc.nfs.posix import refusal

AsCaller: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Makes a block in which the thread is the caller."""

_SECOND = 1_000_000_000
_LARGEST = (1 << 63) - 1
_OMITTED = (0, UTIME_OMIT)


class Times(NamedTuple):
    """Arguments of ``utimensat``."""

    atime: tuple[int, int]
    mtime: tuple[int, int]


def set_attributes(
    found: OpenObject, new: NewAttributes, *, as_caller: AsCaller, data: int = -1
) -> None:
    """Set attributes of a file.

    ``data`` is a descriptor to write to, if a size is set. The mode of a symbolic link is ignored.

    Raises:
        OSError: the kernel refuses one; then nothing has changed but the time of change.
    """
    times = times_of(new)
    with _undone_if_refused() as undo:
        if new.uid is not None or new.gid is not None:
            with as_caller():
                set_owner(found.descriptor, new)
            undo.append(lambda: _restore_owner(found))
        if new.mode is not None and not stat.S_ISLNK(found.stat.st_mode):
            with as_caller():
                set_mode(found.descriptor, new.mode)
            undo.append(lambda: set_mode(found.descriptor, found.stat.st_mode))
        if times:
            _set_times(found, times, as_caller)
            undo.append(lambda: utimensat(found.descriptor, *_times_before(found.stat)))
        if new.size is not None:
            with as_caller():
                truncate(data, new.size)
    if times and new.size is not None:
        _set_times(found, times, as_caller)


def set_owner(descriptor: int, new: NewAttributes) -> None:
    """Set the owner and the group. The kernel clears setuid and setgid bits as for chown(2)."""
    fchownat(descriptor, *(-1 if number is None else number for number in (new.uid, new.gid)))


def set_mode(descriptor: int, mode: int) -> None:
    """Set the mode of any file but a symbolic link."""
    os.chmod(f"/proc/self/fd/{descriptor}", stat.S_IMODE(mode))


def truncate(descriptor: int, size: int) -> None:
    """Set the size.

    Raises:
        OSError: EFBIG: no file system of this host has such large files.
    """
    if size > _LARGEST:
        raise refusal(errno.EFBIG)
    os.ftruncate(descriptor, size)


def times_of(new: NewAttributes) -> Times | None:
    """The times to set; None if there are none."""
    if new.atime is None and new.mtime is None:
        return None
    return Times(_timespec(new.atime), _timespec(new.mtime))


def _timespec(time: int | Now | None) -> tuple[int, int]:
    if time is None:
        return _OMITTED
    return (0, UTIME_NOW) if isinstance(time, Now) else divmod(time, _SECOND)


def _set_times(found: OpenObject, times: Times, as_caller: AsCaller) -> None:
    """Set times as the caller.

    A user that may write a file may set its times to the present. The kernel allows that only for
    both times at once. NFS clients need it for one: truncating a file asks for a new mtime only.
    """
    try:
        with as_caller():
            utimensat(found.descriptor, *times)
    except PermissionError:
        if {time[1] for time in times} != {UTIME_NOW, UTIME_OMIT}:
            raise
        with as_caller():
            if not faccessat2(found.descriptor, os.W_OK):
                raise refusal(errno.EACCES) from None
        utimensat(found.descriptor, *times)


def _times_before(before: os.stat_result) -> Times:
    return Times(divmod(before.st_atime_ns, _SECOND), divmod(before.st_mtime_ns, _SECOND))


def _restore_owner(found: OpenObject) -> None:
    before = found.stat
    fchownat(found.descriptor, before.st_uid, before.st_gid)
    if not stat.S_ISLNK(before.st_mode):
        set_mode(found.descriptor, before.st_mode)


@contextmanager
def _undone_if_refused() -> Iterator[list[Callable[[], None]]]:
    """Undo what was done, the last first, with the server's identity, if the block fails."""
    undo: list[Callable[[], None]] = []
    try:
        yield undo
    except OSError:
        for step in reversed(undo):
            with suppress(OSError):
                step()
        raise
