"""The memory that several processes share."""

from __future__ import annotations

import os

from oncrpc.nfs.workers.memory import SharedMemory, new_memory
from oncrpc.programs.nfs3 import NFS3_WRITEVERFSIZE


def test_renewal_counts_in_every_process() -> None:
    server = new_memory(1)
    worker = SharedMemory(server.descriptor, own=1)
    os.close(server.descriptor)
    first = server.verifier.value

    assert worker.verifier.value == first
    assert len(first) == NFS3_WRITEVERFSIZE

    worker.verifier.renew()

    assert server.verifier.value == worker.verifier.value != first


def test_processes_see_changes_of_each_other() -> None:
    server = new_memory(2)
    workers = [SharedMemory(server.descriptor, own=each) for each in (1, 2)]
    os.close(server.descriptor)

    changes = [each.others.begin(b"file") for each in workers]

    assert [each.others.overlaps(c) for each, c in zip(workers, changes, strict=True)] == [
        True,
        True,
    ]
    assert server.others.overlaps(server.others.begin(b"file"))
    assert not server.others.overlaps(server.others.begin(b"another file"))
