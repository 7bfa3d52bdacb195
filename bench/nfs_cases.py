"""The cases of the NFS benchmark: the calls, how many are outstanding, and the goals.

The calls are those of version 3 over TCP, by AUTH_SYS as an ordinary user (uid 1000).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from oncrpc.programs.nfs3 import (
    NFS_V3,
    ACCESS3args,
    COMMIT3args,
    CREATE3args,
    GETATTR3args,
    LOOKUP3args,
    READ3args,
    READDIRPLUS3args,
    REMOVE3args,
    WRITE3args,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    sattr3,
    set_atime,
    set_gid3,
    set_mode3,
    set_mtime,
    set_size3,
    set_uid3,
    stable_how,
    time_how,
)
from oncrpc.rpc.auth import auth_sys
from oncrpc.rpc.calls import Calls

GANESHA, UNFS3, OURS, BEFORE, FLOOR = "ganesha", "unfs3", "ours", "before", "floor"
USER = 1000
CREDENTIAL = auth_sys(b"bench", USER, USER, [USER, 4, 27])
SAME, READ = 1, 1 | 2
"""The replies to this call are all the same; but for the time of access."""

FILE_SIZE = 64 << 20
"""Bytes of the files that are read and written; they stay in memory."""

LISTED, FEW = 20_000, 1000
"""Files of the two directories."""

IDLE, BUSY, BUSY_RATE = 1000, 100, 50
"""Connections besides that of the honest client, and calls a second of each busy one."""

P99 = {"p99", "p99 busy"}

Handles = Mapping[str, bytes]
"""The handles of ``.``, ``read``, ``write``, ``few`` and ``many``."""

Plan = Sequence[Sequence[bytes]]
"""The calls of each chain."""


class NfsCase(NamedTuple):
    """A kind of call; the servers that are named in ``without`` do not have it.

    ``measure`` is ``rate``, or ``p50`` or ``p99`` in microseconds, or ``p99 busy`` for the latter
    while ``IDLE`` connections are open and ``BUSY`` others make ``BUSY_RATE`` calls a second each;
    ``fio randread`` and the like for a job of fio's engine nfs, with the file that is named so; or
    ``start``, ``memory``, ``list cold`` and ``list warm`` for the server as such. ``limit`` is
    the largest READ or WRITE that unfs3 takes: with a larger one it is measured with that, and the
    bytes are compared.
    """

    name: str
    make: Callable[[Handles, int, int], list[bytes]] | None
    size: int = 0
    outstanding: int = 1
    connections: int = 1
    measure: str = "rate"
    flags: int = 0
    goal: str = ""
    quick: bool = False
    without: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of the value."""
        if self.size >= 1 << 16:
            return "MB/s"
        if self.measure in {"p50", *P99}:
            return "us"
        if self.measure.startswith("fio"):
            return "calls/s"
        return {"rate": "calls/s", "start": "ms", "memory": "MiB"}.get(self.measure, "s")

    @property
    def less_is_better(self) -> bool:
        """Whether the value is a time or a size."""
        return self.measure != "rate" and not self.measure.startswith("fio")


def call(procedure: Any, *arguments: object) -> bytes:
    """The bytes of a call; the load generator fills in the xid."""
    calls = Calls(first_xid=0, retransmit=False, auth=CREDENTIAL)
    return calls.start(procedure, arguments, now=0, timeout=1).message


def null(_: Handles, __: int, ___: int) -> list[bytes]:
    return [call(NFS_V3.NFSPROC3_NULL)]


def getattr_(handles: Handles, _: int, __: int) -> list[bytes]:
    return [call(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(nfs_fh3(handles["read"])))]


def access(handles: Handles, _: int, __: int) -> list[bytes]:
    return [call(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(nfs_fh3(handles["read"]), 0x3F))]


def lookup(handles: Handles, _: int, __: int) -> list[bytes]:
    where = diropargs3(nfs_fh3(handles["."]), b"read")
    return [call(NFS_V3.NFSPROC3_LOOKUP, LOOKUP3args(where))]


def read(handles: Handles, size: int, number: int) -> list[bytes]:
    file, places = nfs_fh3(handles["read"]), FILE_SIZE // size
    steps = min(16, places)
    return [
        call(
            NFS_V3.NFSPROC3_READ,
            READ3args(file, (number * 7919 + n * 104729) % places * size, size),
        )
        for n in range(steps)
    ]


def write(
    handles: Handles, size: int, number: int, *, stable: stable_how = stable_how.UNSTABLE
) -> list[bytes]:
    file, places = nfs_fh3(handles["write"]), FILE_SIZE // size
    data = bytes(range(256)) * (size // 256)
    steps = 16 if size <= 65536 else 2
    return [
        call(
            NFS_V3.NFSPROC3_WRITE,
            WRITE3args(file, (number * 7919 + n * 104729) % places * size, size, stable, data),
        )
        for n in range(steps)
    ]


def write_stable(handles: Handles, size: int, number: int) -> list[bytes]:
    return write(handles, size, number, stable=stable_how.FILE_SYNC)


def write_commit(handles: Handles, size: int, number: int) -> list[bytes]:
    commit = call(NFS_V3.NFSPROC3_COMMIT, COMMIT3args(nfs_fh3(handles["write"]), 0, 0))
    return [*write(handles, size, number), commit]


def create_remove(handles: Handles, _: int, number: int) -> list[bytes]:
    unset = sattr3(
        set_mode3(True, 0o644), set_uid3(False, None), set_gid3(False, None),
        set_size3(False, None), set_atime(time_how.DONT_CHANGE, None),
        set_mtime(time_how.DONT_CHANGE, None),
    )  # fmt: skip
    where = diropargs3(nfs_fh3(handles["new"]), b"made-%d" % number)
    how = createhow3(createmode3.UNCHECKED, unset)
    return [
        call(NFS_V3.NFSPROC3_CREATE, CREATE3args(where, how)),
        call(NFS_V3.NFSPROC3_REMOVE, REMOVE3args(where)),
    ]


def list_few(handles: Handles, _: int, __: int) -> list[bytes]:
    directory = nfs_fh3(handles["few"])
    arguments = READDIRPLUS3args(directory, 0, bytes(8), 8192, 32768)
    return [call(NFS_V3.NFSPROC3_READDIRPLUS, arguments)]


def plan(case: NfsCase, handles: Handles, size: int) -> bytes:
    """The file of calls for the load generator."""
    assert case.make is not None
    chains = [case.make(handles, size, number) for number in range(case.outstanding)]
    out = [struct.pack(">3I", case.connections, len(chains), len(chains[0]))]
    for chain in chains:
        for each in chain:
            out += struct.pack(">2I", case.flags, len(each)), each
    return b"".join(out)


KIB, MIB = 1 << 10, 1 << 20
CASES = [
    NfsCase("NULL, 64 outstanding", null, 0, 64, flags=SAME, goal="1.5x unfs3", quick=True),
    NfsCase("GETATTR, 64 outstanding", getattr_, 0, 64, flags=SAME, goal="1.5x unfs3", quick=True),
    NfsCase("GETATTR, 8 connections", getattr_, 0, 64, 8, flags=SAME),
    NfsCase("GETATTR, one at a time", getattr_, 0, 1, 1, "p50", SAME, "<= 1.2x unfs3", quick=True),
    NfsCase("GETATTR, one client, p99", getattr_, 0, 1, 1, "p99", SAME, without=(FLOOR, UNFS3)),
    NfsCase(
        "the same besides 1,000 idle and 100 busy connections, p99",
        getattr_,
        0,
        1,
        1,
        "p99 busy",
        SAME,
        "<= 2x alone",
        without=(FLOOR, UNFS3),
    ),
    NfsCase("ACCESS, 64 outstanding", access, 0, 64, flags=SAME, goal="1.5x unfs3"),
    NfsCase("LOOKUP, 64 outstanding", lookup, 0, 64, flags=SAME, goal="1.3x unfs3", quick=True),
    NfsCase(
        "READ 4 KiB, 32 outstanding", read, 4 * KIB, 32, flags=READ, goal="1.6x unfs3", quick=True
    ),
    NfsCase(
        "READ 64 KiB, 16 outstanding",
        read,
        64 * KIB,
        16,
        flags=READ,
        goal="1.8x the better",
        quick=True,
    ),
    NfsCase(
        "READ 1 MiB, 8 outstanding", read, MIB, 8, flags=READ, goal="1.7x the better", quick=True
    ),
    NfsCase("WRITE 4 KiB, 16 outstanding", write, 4 * KIB, 16, goal="1.1x the better", quick=True),
    NfsCase(
        "WRITE 64 KiB, 16 outstanding", write, 64 * KIB, 16, goal="1.5x the better", quick=True
    ),
    NfsCase("WRITE 1 MiB, 8 outstanding", write, MIB, 8),
    NfsCase(
        "WRITE 4 KiB FILE_SYNC, 16 outstanding",
        write_stable,
        4 * KIB,
        16,
        goal="2.5x ganesha",
        quick=True,
    ),
    NfsCase("16 WRITEs 4 KiB and COMMIT, 4 chains", write_commit, 4 * KIB, 4),
    NfsCase(
        "CREATE and REMOVE, 16 outstanding",
        create_remove,
        0,
        16,
        goal="1.0x the better",
        without=(FLOOR,),
    ),
    NfsCase("READDIRPLUS 32 KiB of 1,000, 4 outstanding", list_few, 0, 4, without=(FLOOR, UNFS3)),
    *(
        NfsCase(name, None, size, depth, measure=measure, goal="the better", without=(FLOOR,))
        for name, size, depth, measure in (
            ("fio randread 4 KiB, depth 32", 4 * KIB, 32, "fio randread"),
            ("fio read 1 MiB, depth 8", MIB, 8, "fio read"),
            ("fio randwrite 4 KiB, depth 32", 4 * KIB, 32, "fio randwrite"),
            ("fio write 1 MiB, depth 8", MIB, 8, "fio write"),
            ("fio randread 4 KiB, depth 1", 4 * KIB, 1, "fio randread"),
        )
    ),
    NfsCase(
        "list 20,000 names, cold",
        None,
        measure="list cold",
        goal="<= 1.0x ganesha",
        without=(FLOOR,),
    ),
    NfsCase(
        "list 20,000 names, again",
        None,
        measure="list warm",
        goal="<= 2x ganesha",
        without=(FLOOR,),
    ),
    NfsCase(
        "start to first reply",
        None,
        measure="start",
        goal="<= 250 ms",
        without=(FLOOR,),
        quick=True,
    ),
    NfsCase("memory, idle", None, measure="memory", goal="<= 60 MiB", without=(FLOOR,), quick=True),
]
