"""The messages between the server and its worker processes.

The server sends ``Settings`` first, with the memory of the write verifier, and again after each
change; ``KeptReplies``; a ``Moved`` with each connection; ``Answered``; ``ReportNow``; and at last
``Freeze`` or ``End``. A worker confirms each connection with ``Taken``. It sends ``Forwarded``
calls, a ``WorkerReport`` each second, ``LogLine``, and after ``Freeze`` its connections as
``Moved``, its ``KeptReplies``, and ``Frozen``.
"""

from __future__ import annotations

import time

from msgspec import Struct, msgpack

from oncrpc.aio.connections import Carried

Place = tuple[str, int, int]
"""Host, port, and scope id, as in ``Caller``."""

CallKey = tuple[int, int, int]
"""Program, version, procedure."""


class WorkerMessage(Struct, frozen=True, tag=True):
    """A message."""


class Settings(WorkerMessage, frozen=True):
    """A pickled ``WorkerSettings``. Only the server may send it."""

    pickled: bytes


class KeptReplies(WorkerMessage, frozen=True):
    """The reply cache of a worker that has ended."""

    replies: bytes


class Moved(WorkerMessage, frozen=True):
    """A connection. ``state`` is its unread and unsent data and its times; None if it is new."""

    netid: str
    state: tuple[bytes, bytes, float, float] | None = None

    @classmethod
    def of(cls, carried: Carried) -> Moved:
        """The message for an open connection."""
        state = carried.unread, carried.unsent, carried.heard_at, carried.record_at
        return cls(carried.netid, state)

    def carried(self, descriptor: int) -> Carried:
        """The connection with its state, to continue it in this process."""
        now = time.monotonic()
        return Carried(descriptor, self.netid, *(self.state or (b"", b"", now, now)))


class Answered(WorkerMessage, frozen=True):
    """The reply to a forwarded call; None if it has none."""

    number: int
    reply: bytes | None


class ReportNow(WorkerMessage, frozen=True):
    """Ask for a report at once."""


class Freeze(WorkerMessage, frozen=True):
    """End, and give all connections back."""


class End(WorkerMessage, frozen=True):
    """End, with all connections."""


class Forwarded(WorkerMessage, frozen=True):
    """A call of a program that only the server answers, and its caller."""

    number: int
    netid: str
    source: Place
    local: Place
    loopback: bool
    message: bytes


class ListedFile(Struct, frozen=True, array_like=True):
    """A file that is kept open (``OpenFile`` of the status)."""

    path: str
    client: str
    age: float
    idle: float
    unsynced: int


class WorkerReport(WorkerMessage, frozen=True):
    """Counts of calls since the last report, and the present connections and files.

    ``took`` has the seconds of calls by procedure, ``times`` the histogram of durations.
    """

    calls: dict[str, int] = {}
    counts: list[tuple[CallKey, int]] = []
    failures: list[tuple[CallKey, str, int]] = []
    astray: dict[str, int] = {}
    took: list[tuple[CallKey, float]] = []
    times: list[int] = []
    seconds: float = 0.0
    refusals: dict[str, int] = {}
    connections: dict[str, int] = {}
    hosts: dict[str, int] = {}
    duplicates: int = 0
    files: list[ListedFile] = []
    open_files: int = 0
    cached_files: int = 0
    unsynced: int = 0


class Taken(WorkerMessage, frozen=True):
    """Confirms the oldest connection that is not confirmed yet."""


class LogLine(WorkerMessage, frozen=True):
    """A line for the log of the server."""

    logger: str
    level: int
    text: str


class Frozen(WorkerMessage, frozen=True):
    """The answer to ``Freeze``, after the last connection."""


FromServer = Settings | KeptReplies | Moved | Answered | ReportNow | Freeze | End
FromWorker = Forwarded | WorkerReport | LogLine | Taken | Moved | KeptReplies | Frozen

encode = msgpack.Encoder().encode
from_server = msgpack.Decoder(FromServer).decode
from_worker = msgpack.Decoder(FromWorker).decode
