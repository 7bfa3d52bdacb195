"""Memory that the server shares with its workers: the write verifier, and counters of changes.

If a sync fails in one process, data of any client may be lost. The kernel reports the failure once
to each open descriptor, so a process that opens the file later cannot see it. Therefore all
processes share one verifier, and each may renew it for all. A reader may see half of the old and
half of the new one during a renewal. That is safe: no client has such a verifier.
"""

from __future__ import annotations

import mmap
import os

from oncrpc.nfs.server.other_changes import ROW, OtherChanges
from oncrpc.nfs.server.shares import WriteVerifier
from oncrpc.programs.nfs3 import NFS3_WRITEVERFSIZE

HEAD = 4096
"""Bytes for the verifier, before the counters."""


class SharedVerifier(WriteVerifier):
    """The verifier at the beginning of shared memory."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory

    @property
    def value(self) -> bytes:
        """The verifier."""
        return bytes(self._memory[:NFS3_WRITEVERFSIZE])

    @value.setter
    def value(self, value: bytes) -> None:
        self._memory[:NFS3_WRITEVERFSIZE] = value


class SharedMemory:
    """The shared memory, in process number ``own``. The server is process 0."""

    def __init__(self, descriptor: int, *, own: int) -> None:
        self.descriptor = descriptor
        view = memoryview(mmap.mmap(descriptor, os.fstat(descriptor).st_size))
        self.verifier: WriteVerifier = SharedVerifier(view)
        self.others = OtherChanges(view[HEAD:].cast("I"), own=own)


def new_memory(workers: int) -> SharedMemory:
    """Create the memory of a server and its workers, with a new verifier."""
    descriptor = os.memfd_create("nfsd-workers", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, HEAD + (1 + workers) * ROW * 4)
    made = SharedMemory(descriptor, own=0)
    made.verifier.renew()
    return made
