"""What several processes share: the write verifier, and counters of changes.

A client's data may be lost by a sync that failed in any process: the kernel reports the failure
once to each open descriptor, and a process that opens the file later does not hear of it. So there
is one verifier for all, and a renewal counts at once. It is read and written as a whole; half of
two verifiers would be a verifier that no client has, which is safe.
"""

from __future__ import annotations

import mmap
import os

from oncrpc.nfs.server.other_changes import ROW, OtherChanges
from oncrpc.nfs.server.shares import WriteVerifier
from oncrpc.programs.nfs3 import NFS3_WRITEVERFSIZE

HEAD = 4096
"""Bytes before the counters."""


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
    """The memory of a descriptor, as process ``own`` uses it. The server is process 0."""

    def __init__(self, descriptor: int, *, own: int) -> None:
        self.descriptor = descriptor
        view = memoryview(mmap.mmap(descriptor, os.fstat(descriptor).st_size))
        self.verifier: WriteVerifier = SharedVerifier(view)
        self.others = OtherChanges(view[HEAD:].cast("I"), own=own)


def new_memory(workers: int) -> SharedMemory:
    """The memory of a server and so many workers, with a new verifier."""
    descriptor = os.memfd_create("nfsd-workers", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, HEAD + (1 + workers) * ROW * 4)
    made = SharedMemory(descriptor, own=0)
    made.verifier.renew()
    return made
