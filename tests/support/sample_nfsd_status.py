"""A sample status of the NFS server, with a value in every field."""

from __future__ import annotations

from typing import Any

from oncrpc.daemon.control.status import CallsReport, CommonStatus, ProcedureCalls, ServedSocket
from oncrpc.nfs.daemon.lock_status import (
    EXCLUSIVE,
    HELD,
    SHARED,
    WAITING,
    GraceStatus,
    LockedFileStatus,
    LockEntry,
    LockingClient,
    LocksStatus,
    MonitorStatus,
    NoticeCounts,
    WatchedProgram,
)
from oncrpc.nfs.daemon.status import (
    ClientCalls,
    ExportedDirectory,
    ExportFault,
    MapperState,
    NfsdStatus,
    OpenFile,
)
from support.sample_status import some_status

GETATTR = ProcedureCalls(3, "GETATTR", 1000, 12.5, program=100003, seconds=0.5)
MNT = ProcedureCalls(3, "MNT", 4, 0.0, program=100005, seconds=0.1)
NEVER = ProcedureCalls(2, "READ", 0, 0.0, program=100003, seconds=0.0)
EXPORT = ExportedDirectory(
    path="/srv/data", tag=1, ids="kernel", fsid=7, clients=["192.0.2.0/24(rw,sync)"], mounts=2
)
OPEN = OpenFile("/srv/data/log", "192.0.2.7", 75.0, 2.0, 4096)
HOST = LockingClient("192.0.2.7", "one.example.com")
MONITOR = MonitorStatus(
    state=7,
    watched=1,
    clients=[HOST],
    programs=[WatchedProgram("198.51.100.1", 100021)],
    pending=1,
    unreachable=2,
    notices=["192.0.2.8"],
    counts=NoticeCounts(heard=2, refused=1, sent=3, unanswered=4, called_back=5),
)
LOCKED = LockedFileStatus(
    path="/srv/data/log",
    export="/srv/data",
    id="0a0b",
    entries=[
        LockEntry(HOST, 4711, 0, 100, EXCLUSIVE, HELD, 182.0),
        LockEntry(LockingClient("192.0.2.8", ""), 92, 50, None, SHARED, WAITING, 8.0),
    ],
)
GONE = LockedFileStatus(None, None, "0c", [LockEntry(HOST, 1, 0, None, SHARED, HELD, 1.0)])
LOCKS = LocksStatus(
    held=2,
    waiting=1,
    shares=0,
    files=2,
    clients=2,
    grace=GraceStatus(41.5, 1, 3, [HOST]),
    left_out=0,
    listed=[LOCKED, GONE],
)
CLIENT = ClientCalls("192.0.2.7", 990, 1, 3.0)


def some_nfsd_status(**changes: Any) -> NfsdStatus:
    """A status with these changes."""
    common = some_status()
    calls = CallsReport(1004, 12.5, 5400.0, 60.0, [GETATTR, MNT, NEVER])
    fields = {name: getattr(common, name) for name in CommonStatus.__struct_fields__}
    usual = {
        "calls": calls,
        "sockets": [
            ServedSocket("tcp", "0.0.0.0.8.1"),
            ServedSocket("tcp6", "::.8.1"),
            ServedSocket("tcp", "0.0.0.0.0.111", "mapper"),
        ],
        "mode": "root",
        "user": "root",
        "local_users": True,
        "peer_uid": False,
        "programs": ["nfs 2 and 3", "mountd 1, 2 and 3"],
        "ports": {"mount": 20048},
        "mapper": MapperState("host", 111, ""),
        "state": "/var/lib/nfsd",
        "exports": [EXPORT],
        "faults": [ExportFault("warning", "/etc/exports:3:1: odd")],
        "mounts": 2,
        "clients": [CLIENT],
        "duplicates": 5,
        "open_files": 1,
        "cached_files": 7,
        "files": [OPEN],
        "monitor": MONITOR,
        "locks": LOCKS,
    }
    return NfsdStatus(**{**fields, **usual, **changes})
