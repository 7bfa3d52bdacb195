"""The call of mfusepy that mounts, and what it leaves to the caller."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any

from oncrpc.nfs.filesystem import NOW
from oncrpc.nfs.fusemount.operations import FILE_TIME, MountOperations

DEVICE = "/dev/fuse"
MAX_THREADS = 10
"""Threads in which libfuse calls; the NFS client itself works in one."""

BOUNDED_THREADS = (3, 12)
THREAD_OPTIONS = ("max_threads", "max_idle_threads")
"""The version of libfuse from which on the number of its threads can be given, and the options."""

SECOND = 1_000_000_000
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
"""Values of ``tv_nsec`` for the present time, and for a time that is left alone (utimensat(2))."""


class MountUnavailable(Exception):
    """This host cannot mount; the message has the cause and the next step."""


def check_library() -> None:
    """Check that mfusepy, libfuse and the device are there.

    Raises:
        MountUnavailable: one is missing.
    """
    try:
        import mfusepy  # noqa: F401
    except ModuleNotFoundError:
        raise MountUnavailable("mfusepy is missing; pip install 'oncrpc[fuse]'") from None
    except OSError as error:
        reason = f"mfusepy finds no libfuse ({error}); install fuse3, such as with apt"
        raise MountUnavailable(reason) from None
    if not os.path.exists(DEVICE):
        reason = f"{DEVICE} is missing; load the module ('modprobe fuse'), in a container give it"
        raise MountUnavailable(f"{reason} the device")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise MountUnavailable(f"{DEVICE} cannot be opened; check its permissions")


def mount(operations: MountOperations, directory: str, options: Mapping[str, Any]) -> None:
    """Mount, and serve the kernel until the directory is unmounted or a signal arrives.

    Raises:
        MountUnavailable: libfuse refuses; its reason is on standard error.
    """
    import mfusepy

    class MountingFuse(mfusepy.FUSE):
        """The calls of libfuse 3 whose arguments mfusepy drops."""

        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            """Refuse flags of renameat2(2): NFS would replace the target in spite of them."""
            return -errno.EINVAL if flags else self.rename_fuse_2(old, new) or 0

        def utimens_fuse_3(self, path: bytes, buf: Any, _: Any) -> None:
            """Set times, with UTIME_NOW and UTIME_OMIT."""
            times = time_of(buf.contents.actime), time_of(buf.contents.modtime)
            self.operations.utimens(path.decode(self.encoding, self.errors), times)

    version = mfusepy.fuse_version_major, mfusepy.fuse_version_minor
    names = THREAD_OPTIONS if version >= BOUNDED_THREADS else ()
    limit = dict.fromkeys(names, MAX_THREADS)
    try:
        MountingFuse(operations, directory, foreground=True, use_ino=True, **options, **limit)
    except RuntimeError:  # also at the end, if a signal ended it
        if not operations.mounted:
            raise MountUnavailable("libfuse does not mount; see its message above") from None


def time_of(spec: Any) -> FILE_TIME:
    """A time of utimensat(2)."""
    if spec.tv_nsec == UTIME_OMIT:
        return None
    return NOW if spec.tv_nsec == UTIME_NOW else spec.tv_sec * SECOND + spec.tv_nsec
