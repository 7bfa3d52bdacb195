"""A directory of this host as a file system."""

from __future__ import annotations

from oncrpc.nfs.backends.local.access_lists import LocalAccessLists
from oncrpc.nfs.backends.local.changes import LocalChanges
from oncrpc.nfs.backends.local.content import LocalContent
from oncrpc.nfs.backends.local.quotas import LocalQuotas
from oncrpc.nfs.backends.local.reading import LocalNames


class LocalFileSystem(LocalNames, LocalContent, LocalChanges, LocalAccessLists, LocalQuotas):
    """The files below a directory of this host.

    ``objects`` gives files their ids; the default is ``KernelHandles(path)``. It is closed with the
    file system. ``sync`` is whether the answer to a change waits until the change is on disk; data
    are always stored as WRITE and COMMIT ask for. ``sync_calls`` are the system calls for that.

    Needs Linux 5.8 and /proc. What waits for the disk needs a running event loop.

    Raises:
        NoKernelHandles: the kernel gives no handles here, and there are no other ``objects``.
        OSError: the directory cannot be opened, or /proc is not mounted.
    """
