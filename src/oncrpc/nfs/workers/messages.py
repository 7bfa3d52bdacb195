"""What the server and its worker processes tell each other.

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
    """A pickle of all that the worker needs to know: only the server may send it."""

    pickled: bytes


class KeptReplies(WorkerMessage, frozen=True):
    """Replies to calls that must not run twice, of a worker that has ended."""

    replies: bytes


class Moved(WorkerMessage, frozen=True):
    """A connection. ``state`` is what has not been read and sent; None if it is a new one."""

    netid: str
    state: tuple[bytes, bytes, float, float] | None = None

    @classmethod
    def of(cls, carried: Carried) -> Moved:
        """The message for an open connection."""
        state = carried.unread, carried.unsent, carried.heard_at, carried.record_at
        return cls(carried.netid, state)

    def carried(self, descriptor: int) -> Carried:
        """The state of the connection, to continue it."""
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
    """A call of a program that the server itself answers, and its caller."""

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
    """The calls since the last report, and what there is now.

    ``took`` are the seconds of calls by procedure, ``times`` the histogram of durations.
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
    """The oldest connection that was not confirmed has arrived."""


class LogLine(WorkerMessage, frozen=True):
    """A line for the log of the server."""

    logger: str
    level: int
    text: str


class Frozen(WorkerMessage, frozen=True):
    """All connections were given back."""


FromServer = Settings | KeptReplies | Moved | Answered | ReportNow | Freeze | End
FromWorker = Forwarded | WorkerReport | LogLine | Taken | Moved | KeptReplies | Frozen

encode = msgpack.Encoder().encode
from_server = msgpack.Decoder(FromServer).decode
from_worker = msgpack.Decoder(FromWorker).decode
