"""The status of ``nfsd``, as pure data: ``docs/reference/control.md`` describes the fields."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from oncrpc.daemon.control.status import CommonStatus
from oncrpc.nfs.daemon.lock_status import LocksStatus, MonitorStatus


class ExportedDirectory(Struct, frozen=True):
    """An export, its number in handles, and its clients with their options.

    ``ids`` is where the ids of files come from: ``kernel`` or ``table``.
    """

    path: str
    tag: int
    ids: str
    fsid: int
    clients: list[str]
    mounts: int


class ExportFault(Struct, frozen=True):
    """An export that is not served, or a mistake in a file of exports."""

    severity: str
    text: str


class ClientCalls(Struct, frozen=True):
    """A client: its address, its calls, its open connections, the seconds since its last call."""

    host: str
    calls: int
    connections: int
    idle: float


class OpenFile(Struct, frozen=True):
    """A file that is kept open: its path, who used it last, and times in seconds.

    ``unsynced`` are the bytes that were written since the last sync.
    """

    path: str
    client: str
    age: float
    idle: float
    unsynced: int


class WorkerStatus(Struct, frozen=True):
    """A worker process: its connections, and how often it was started."""

    number: int
    pid: int
    connections: int
    starts: int


class MapperState(Struct, frozen=True):
    """The port mapper: ``host``, ``own`` or ``none``, its port, and why we are not registered."""

    kind: str
    port: int
    fault: str | None


class NfsdStatus(CommonStatus, frozen=True, kw_only=True):
    """The status of ``nfsd``; ``ports`` has the programs that are not on the port of NFS.

    ``open_files`` may have data that are not on disk, ``cached_files`` stay open for a moment.
    """

    mode: str
    user: str
    local_users: bool
    peer_uid: bool
    programs: list[str]
    ports: dict[str, int]
    mapper: MapperState
    state: str | None
    exports: list[ExportedDirectory]
    faults: list[ExportFault]
    mounts: int
    clients: list[ClientCalls]
    duplicates: int
    open_files: int
    cached_files: int = 0
    files: list[OpenFile]
    monitor: MonitorStatus | None = None
    locks: LocksStatus | None = None
    workers: Sequence[WorkerStatus] = ()
