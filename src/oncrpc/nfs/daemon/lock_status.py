"""The status of locks and of the status monitor, as pure data.

The fields are described in ``docs/reference/control.md``.
"""

from __future__ import annotations

from msgspec import Struct

HELD, WAITING, GRANTED, SHARE = "held", "waiting", "granted", "share"
"""States of a lock: ``granted`` to a client that waited and has not accepted it yet. A ``share`` is
a DOS client's open file, which denies others to read or write.
"""

EXCLUSIVE, SHARED = "exclusive", "shared"


class LockingClient(Struct, frozen=True, order=True):
    """A client: its address, and the name that it gives itself."""

    host: str
    name: str


class LockEntry(Struct, frozen=True):
    """A lock, or a request for one. ``end`` is the byte after the last one; None has no end.

    ``seconds`` is its age, ``process`` the number that the client gives to its process.
    """

    client: LockingClient
    process: int
    start: int
    end: int | None
    kind: str
    state: str
    seconds: float


class LockedFileStatus(Struct, frozen=True):
    """A file with locks: its path, if that is known, else its export, if that is still served.

    ``id`` is its id in hexadecimal digits.
    """

    path: str | None
    export: str | None
    id: str
    entries: list[LockEntry]


class GraceStatus(Struct, frozen=True):
    """The grace period: the seconds that it can still last, and the clients that are awaited.

    ``clients`` and ``locks`` are their number and that of their locks; the list has the first.
    """

    seconds: float
    clients: int
    locks: int
    awaited: list[LockingClient]


class LocksStatus(Struct, frozen=True):
    """All locks: numbers, the grace period, and the first files.

    ``left_out`` is the number of locks of files that are not listed.
    """

    held: int
    waiting: int
    shares: int
    files: int
    clients: int
    grace: GraceStatus | None
    left_out: int
    listed: list[LockedFileStatus]


class WatchedProgram(Struct, frozen=True):
    """A host that is watched for a program of this host, such as the kernel's lock manager."""

    host: str
    program: int


class NoticeCounts(Struct, frozen=True):
    """What the status monitor has done so far.

    ``heard`` and ``refused`` are notices of other hosts, ``sent`` and ``unanswered`` those to other
    hosts; ``called_back`` are programs of this host that were told.
    """

    heard: int
    refused: int
    sent: int
    unanswered: int
    called_back: int


class MonitorStatus(Struct, frozen=True):
    """The status monitor: its state number, whom it watches, and who must still be told.

    ``watched`` is the number of clients. ``pending`` hosts are being told of a restart, and
    ``unreachable`` ones could not be. The lists have the first ones.
    """

    state: int
    watched: int
    clients: list[LockingClient]
    programs: list[WatchedProgram]
    pending: int
    unreachable: int
    notices: list[str]
    counts: NoticeCounts


class FreedLocks(Struct, frozen=True):
    """What the request ``free`` has done: the clients, and the number of their locks."""

    clients: list[LockingClient]
    locks: int
