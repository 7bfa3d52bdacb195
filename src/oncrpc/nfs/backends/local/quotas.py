"""Quotas of local file systems, by quotactl(2).

Without CAP_SYS_ADMIN, which the server gives up, the kernel tells a quota only to the user or group
itself. A worker thread becomes that user for the question. To set limits the capability is needed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Awaitable, Callable

from oncrpc.nfs.backends.local.base import LocalBase
from oncrpc.nfs.backends.local.syscalls import quotactl, quotactl_fd
from oncrpc.nfs.backends.local.volumes import mount_of
from oncrpc.nfs.filesystem import Identity, Quota, QuotaKind, QuotaLimits

Q_GETQUOTA, Q_SETQUOTA, Q_XGETQSTAT = 0x800007, 0x800008, 0x5805
QIF_LIMITS = 1 | 4
"""The flag of the limits of space, and that of the limits of files."""

BLOCK = 1024
"""Bytes of a block in the limits of space."""

_DQBLK = struct.Struct("=8QI4x")
_QSTAT_SIZE, _QSTAT_FLAGS = 256, struct.Struct("@bH")
_ENFORCED = {QuotaKind.USER: 2, QuotaKind.GROUP: 8}
_NO_QUOTA = frozenset({
    errno.ESRCH, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTBLK, errno.ENODEV, errno.ENOENT,
    errno.EINVAL,
})  # fmt: skip
"""Errors of a file system without quotas of that kind, or of one that never heard of the number."""


QuotaCall = Callable[[int, int, int, ctypes.Array[ctypes.c_char]], None]
"""From a descriptor, a command, a number and the data to the effect of quotactl(2)."""


def call_quotactl(
    descriptor: int, command: int, number: int, data: ctypes.Array[ctypes.c_char]
) -> None:
    """By the descriptor, or, before Linux 5.14, by the device of its mount."""
    try:
        quotactl_fd(descriptor, command, number, data)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        mount = mount_of(descriptor)
        if mount is None or not mount.source.startswith("/"):
            raise
        quotactl(os.fsencode(mount.source), command, number, data)


class LocalQuotas(LocalBase):
    """Operations on quotas. A worker does them: they may wait for the disk."""

    quotactl: QuotaCall = staticmethod(call_quotactl)

    def quota(
        self, who: Identity, file: bytes, kind: QuotaKind, number: int
    ) -> Awaitable[Quota | None]:
        descriptor = self._file_system_of(file)

        def ask() -> Quota | None:
            try:
                return self._ask(descriptor, kind, number)
            except OSError as error:
                if error.errno in _NO_QUOTA:
                    return None
                raise
            finally:
                os.close(descriptor)

        return self.workers.run(ask)

    def set_quota(
        self, who: Identity, file: bytes, kind: QuotaKind, number: int, limits: QuotaLimits
    ) -> Awaitable[None]:
        descriptor = self._file_system_of(file)

        def give() -> None:
            try:
                self.quotactl(descriptor, _command(Q_SETQUOTA, kind), number, _with_limits(limits))
            except OSError as error:
                if error.errno in _NO_QUOTA:
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)) from error
                raise
            finally:
                os.close(descriptor)

        return self.workers.run(give)

    def _file_system_of(self, file: bytes) -> int:
        """A descriptor of the file, to be closed by the job that is given it."""
        with self.opened(file) as found:
            return os.dup(found.descriptor)

    def _ask(self, descriptor: int, kind: QuotaKind, number: int) -> Quota:
        data = ctypes.create_string_buffer(_DQBLK.size)
        command = _command(Q_GETQUOTA, kind)
        try:
            self.quotactl(descriptor, command, number, data)
        except PermissionError:
            user = number if kind is QuotaKind.USER else self.identities.own.uid
            groups = self.identities.own.groups if kind is QuotaKind.USER else (number,)
            with self.identities.asking(user, groups):
                self.quotactl(descriptor, command, number, data)
        return _quota_of(data.raw, enforced=self._is_enforced(descriptor, kind))

    def _is_enforced(self, descriptor: int, kind: QuotaKind) -> bool:
        """Whether limits hold. Where the kernel cannot tell, they do: quotas are on."""
        data = ctypes.create_string_buffer(_QSTAT_SIZE)
        try:
            self.quotactl(descriptor, _command(Q_XGETQSTAT, kind), 0, data)
        except OSError:
            return True
        _, flags = _QSTAT_FLAGS.unpack_from(data)
        return bool(flags & _ENFORCED[kind])


def _command(command: int, kind: QuotaKind) -> int:
    """QCMD of quotactl(2)."""
    return command << 8 | kind


def _quota_of(data: bytes, *, enforced: bool) -> Quota:
    """The quota in a ``struct if_dqblk``."""
    hard, soft, used, files_hard, files_soft, files, until, files_until, _ = _DQBLK.unpack(data)
    limits = QuotaLimits(hard * BLOCK, soft * BLOCK, files_hard, files_soft)
    return Quota(limits, used, files, until, files_until, enforced)


def _with_limits(limits: QuotaLimits) -> ctypes.Array[ctypes.c_char]:
    """A ``struct if_dqblk`` that sets the limits only."""
    hard, soft = -(-limits.bytes_hard // BLOCK), -(-limits.bytes_soft // BLOCK)
    packed = _DQBLK.pack(hard, soft, 0, limits.files_hard, limits.files_soft, 0, 0, 0, QIF_LIMITS)
    return ctypes.create_string_buffer(packed, _DQBLK.size)
