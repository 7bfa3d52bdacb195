"""Data of local files: READ, WRITE and COMMIT.

READ returns data at once that the kernel has in memory (RWF_NOWAIT); a worker thread reads others,
so that the event loop does not wait for the disk. WRITE goes to the kernel's memory at once. If
that takes long, the kernel has too many unwritten data, and workers write for the next second.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Awaitable

from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.local.base import LocalBase, check_regular, opened_anyway
from oncrpc.nfs.backends.local.group_sync import Depth
from oncrpc.nfs.backends.local.objects import Place
from oncrpc.nfs.filesystem import Answer, Identity, SyncError, Syncing, Written
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import stable_how

LAST = (1 << 63) - 1
"""The largest size of a file."""

WAITED = 0.02
"""Seconds. After a slower write, workers do the next ones."""

AVOIDED = 1.0
"""Seconds for which workers do the writes."""

DEPTHS = {stable_how.DATA_SYNC: Depth.DATA, stable_how.FILE_SYNC: Depth.FILE}
_NOT_CACHED = {errno.EAGAIN}
_CANNOT_OPEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY}
_NO_NOWAIT = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class LocalContent(LocalBase):
    """Operations on the data of files."""

    _writes_wait_until = 0.0

    @property
    def writes_wait(self) -> bool:
        """Whether workers do the writes at the moment."""
        return time.monotonic() < self._writes_wait_until

    def write_through(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """Write at once, with the identity of the thread, and note whether that took long."""
        begun = time.monotonic()
        self.changed += 1
        try:
            return os.pwrite(descriptor, data, offset)
        finally:
            self.changed += 1
            if (now := time.monotonic()) - begun > WAITED:
                self._writes_wait_until = now + AVOIDED

    def read(self, who: Identity, file: bytes, offset: int, count: int) -> Answer[bytes]:
        with self.opened(file) as found:
            descriptor = self.open_data(who, found, os.O_RDONLY)
            count = min(count, max(found.stat.st_size - offset, 0))
        try:
            data = _cached(descriptor, offset, count)
        except OSError:
            os.close(descriptor)
            raise
        if data is None:
            return self.workers.run(lambda: _read_and_close(descriptor, offset, count))
        os.close(descriptor)
        return data

    def write(
        self, who: Identity, file: bytes, offset: int, data: bytes, *, stable: stable_how
    ) -> Answer[Written]:
        if offset + len(data) > LAST:
            raise refusal(errno.EFBIG)
        failures = self.group.failures
        with self.opened(file) as found:
            descriptor = self.open_data(who, found, os.O_WRONLY)
        place = found.place
        if self.writes_wait:
            job = self.workers.run(lambda: self._write(who, descriptor, offset, data))
            return self._later(job, who, place, failures, stable)
        return self._stored(self._write(who, descriptor, offset, data), who, place, stable)

    def _write(self, who: Identity, descriptor: int, offset: int, data: bytes) -> tuple[int, int]:
        """Write as the caller, whose identity decides on quota, on the space that only root may
        use, and on setuid bits. Returns the number of bytes, and the descriptor."""
        try:
            with self.identities.of(who):
                length = self.write_through(descriptor, data, offset)
        except OSError:
            os.close(descriptor)
            raise
        return length, descriptor

    def _stored(
        self, written: tuple[int, int], who: Identity, place: Place, stable: stable_how
    ) -> Answer[Written]:
        """The outcome, when the data are stored as the client asks."""
        length, descriptor = written
        if stable is stable_how.UNSTABLE:
            self.unstable.keep(place, descriptor, host=who.host, size=length)
            return Written(length, stable)
        stored = self.group.sync(place, descriptor, DEPTHS[stable])
        return Syncing(Written(length, stable), stored)

    async def _later(
        self,
        job: Awaitable[tuple[int, int]],
        who: Identity,
        place: Place,
        failures: int,
        stable: stable_how,
    ) -> Written:
        written = await job
        if stable is not stable_how.UNSTABLE and self.group.failures != failures:
            # A sync failed after the file was opened. It may have been a sync of these data.
            os.close(written[1])
            raise SyncError(errno.EIO, os.strerror(errno.EIO))
        stored = self._stored(written, who, place, stable)
        return await settled(stored)

    def commit(self, who: Identity, file: bytes, offset: int, count: int) -> Answer[None]:
        """Sync the whole file with its times, which costs no more than a range.

        Needs no permission: a user that wrote data may have lost the permission since.
        """
        with self.opened(file) as found:
            check_regular(found)
            if self.group.lost:
                self.group.lost = False
                # The client sends COMMIT again, sees the new verifier, and sends its data again.
                raise SyncError(errno.EAGAIN, "data of another file were lost")
            place = found.place
            self.cached.stop_writing(place)
            descriptor = self.unstable.take(place)
            if descriptor is not None:
                return self.group.sync(place, descriptor, Depth.FILE, first=True)
            return self.stored(found, Depth.FILE)

    def lock_descriptor(self, who: Identity, file: bytes) -> int | None:
        """A descriptor of the server's own, since it is for the locks of all users."""
        with self.opened(file) as found:
            check_regular(found)
            for flags in (os.O_RDWR, os.O_RDONLY):
                try:
                    return opened_anyway(found, flags)
                except OSError as error:
                    if error.errno not in _CANNOT_OPEN:
                        raise
        return None


def _cached(descriptor: int, offset: int, count: int) -> bytes | None:
    """The data if the kernel has all of them in memory, else None.

    A file system without RWF_NOWAIT is read directly, which may wait for the disk. tmpfs is one,
    but it has no disk.
    """
    if not count:
        return b""
    buffer = bytearray(count)
    try:
        length = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno in _NOT_CACHED:
            return None
        if error.errno in _NO_NOWAIT:
            return _read_whole(descriptor, offset, count)
        raise
    return bytes(buffer) if length == count else None


def _read_whole(descriptor: int, offset: int, count: int) -> bytes:
    """Read up to ``count`` bytes; fewer only at the end."""
    data = os.pread(descriptor, count, offset)
    while len(data) < count and (
        more := os.pread(descriptor, count - len(data), offset + len(data))
    ):
        data += more
    return data


def _read_and_close(descriptor: int, offset: int, count: int) -> bytes:
    try:
        return _read_whole(descriptor, offset, count)
    finally:
        os.close(descriptor)
