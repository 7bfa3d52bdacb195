"""The locks of clients on local files: clients and local processes see each other's locks.

One descriptor of a file has the union of all locks of clients on it, as open file description locks
(fcntl(2), F_OFD_SETLK). They end with the descriptor, and do not depend on the process or thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable

from oncrpc.nfs.locks.terms import END, ByteRange, LocalHolder, LockedFile

FLOCK = struct.Struct("@hhqqi4x")
"""``struct flock`` with 64-bit offsets: type, whence, start, length, pid."""

LIMIT = (1 << 63) - 1
"""No local process can lock a byte from here on."""

MOST_AT_ONCE = 32
"""Parts of a range that one call of ``release`` keeps locked."""

_BUSY = {errno.EAGAIN, errno.EACCES}


class NotWritable(OSError):
    """Raised for an exclusive lock on a descriptor that is not open for writing."""


class LocalLocks:
    """The descriptors of the files that clients have locked, at most ``most``.

    ``most`` is small enough to leave descriptors for connections. A file whose back end has no
    descriptors is not here, and every method does nothing for it.
    """

    def __init__(self, *, most: int) -> None:
        self.most = most
        self._descriptors: dict[LockedFile, int] = {}

    def __len__(self) -> int:
        return len(self._descriptors)

    def __contains__(self, file: LockedFile) -> bool:
        return file in self._descriptors

    @property
    def descriptors(self) -> dict[LockedFile, int]:
        """The descriptor of each file."""
        return dict(self._descriptors)

    def add(self, file: LockedFile, descriptor: int) -> bool:
        """Use this descriptor for a file, unless the file has one; else it is closed.

        Returns False, and closes the descriptor, if there are too many.
        """
        if file in self._descriptors or len(self._descriptors) >= self.most:
            os.close(descriptor)
            return file in self._descriptors
        self._descriptors[file] = descriptor
        return True

    def has_room_for(self, locks: int) -> bool:
        """Whether a host with so many locks may have one more file here.

        When half of the room is taken, it is for hosts that cannot have taken it.
        """
        half = (self.most + 1) // 2
        return len(self) < half or locks < half

    def adopt(self, file: LockedFile, descriptor: int) -> None:
        """Use a descriptor that has the locks of a file already."""
        self._descriptors[file] = descriptor

    def close(self, file: LockedFile) -> None:
        """Release all locks of a file."""
        descriptor = self._descriptors.pop(file, None)
        if descriptor is not None:
            os.close(descriptor)

    def close_all(self) -> None:
        """Release all locks of all files."""
        for file in list(self._descriptors):
            self.close(file)

    def take(self, file: LockedFile, range_: ByteRange, *, exclusive: bool) -> bool:
        """Lock a range, whatever is locked of it now; False if a local process is in the way.

        Raises:
            NotWritable: the file is not open for writing.
            OSError: ENOLCK: the kernel has too many locks.
        """
        descriptor = self._descriptors.get(file)
        if descriptor is None or range_.start >= LIMIT:
            return True
        try:
            _set(descriptor, range_, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EBADF and exclusive:
                raise NotWritable(errno.EROFS, os.strerror(errno.EROFS)) from None
            if error.errno in _BUSY:
                return False
            raise
        return True

    def release(
        self, file: LockedFile, range_: ByteRange, kept: Iterable[tuple[ByteRange, bool]]
    ) -> ByteRange | None:
        """Unlock a range, except for the parts in ``kept``, in the order of their bytes, each with
        whether it is exclusive.

        Returns the rest of the range if there are too many parts for one call.

        Raises:
            OSError: ENOLCK: the kernel has too many locks.
        """
        descriptor = self._descriptors.get(file)
        if descriptor is None or range_.start >= LIMIT:
            return None
        at = range_.start
        for count, (part, exclusive) in enumerate(kept):
            if count == MOST_AT_ONCE:
                return ByteRange(at, range_.end)
            if at < part.start < LIMIT:
                _set(descriptor, ByteRange(at, part.start), fcntl.F_UNLCK)
            if part.start < LIMIT:
                _set(descriptor, part, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)
            at = part.end
        if at < min(range_.end, LIMIT):
            _set(descriptor, ByteRange(at, range_.end), fcntl.F_UNLCK)
        return None

    def holder(self, file: LockedFile, range_: ByteRange, *, exclusive: bool) -> LocalHolder | None:
        """A local process that is in the way of a lock."""
        descriptor = self._descriptors.get(file)
        if descriptor is None or range_.start >= LIMIT:
            return None
        return holder_on(descriptor, range_, exclusive=exclusive)


def holder_on(descriptor: int, range_: ByteRange, *, exclusive: bool) -> LocalHolder | None:
    """A local process that is in the way of a lock on the file of a descriptor.

    Its number is -1 if it has an open file description lock: that belongs to no process.
    """
    wanted = _flock(range_, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)
    found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, wanted)
    kind, _, start, length, pid = FLOCK.unpack(found)
    if kind == fcntl.F_UNLCK:
        return None
    end = start + length if length else END
    return LocalHolder(pid, ByteRange(start, end), kind == fcntl.F_WRLCK)


def _set(descriptor: int, range_: ByteRange, kind: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(range_, kind))


def _flock(range_: ByteRange, kind: int) -> bytes:
    length = 0 if range_.end > LIMIT else range_.end - range_.start
    return FLOCK.pack(kind, os.SEEK_SET, range_.start, length, 0)
