"""The connections of a server: fair scheduling, their limits, and which one is ended first.

Scheduling, counts and memory are kept by source: an address, or the user at a local socket.
Therefore no source can evict the others, or keep them waiting, by opening many connections.

A source at its own limit loses one of its own connections to a new one. In a full pool the source
with most connections loses one, if it has more than the newcomer's source would have, even one with
calls in progress; else the connection that has been silent longest is ended. Calls in progress
protect a connection for a limited time only: its peer may be gone.

Memory of unanswered calls, incomplete ones and those in progress, is counted together. Above the
limit the source that holds most loses the connection that holds most. Neither the oldest nor the
largest connection of all would be right: many small pieces of one host would push out the long
record of another. When unread replies are too many, the connections that stopped reading first are
ended first.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.aio.epoll import Poller
from oncrpc.aio.limits import Limits
from oncrpc.aio.stream_socket import READ_SIZE
from oncrpc.rpc.program import Origin
from oncrpc.rpc.record_buffer import Spares

if TYPE_CHECKING:
    from oncrpc.aio.stream import Connection

SLICE = 0.005
"""Seconds for which streams are served before datagrams and new connections are."""

ROOM = 2048 << 10
"""Bytes to read at a time where records may be long: all calls that a client has in flight, mostly.
With an eighth of that WRITEs of 64 KiB were a quarter slower, and with half of it those of 1 MiB a
seventh."""

LEAST_READ = 16 << 10
"""Bytes to read at a time where records are shorter than that."""


class Carried(NamedTuple):
    """An open connection to be handed to another process; times are of the monotonic clock."""

    descriptor: int
    netid: str
    unread: bytes
    unsent: bytes
    heard_at: float
    record_at: float


class FairQueue:
    """Connections with records to answer, by source: one connection of each source at a time.

    A connection need not wait if no other does, as long as such answers do not fill a slice of
    time; after that it joins the queue, and other events of the loop are served first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._waiting: OrderedDict[Origin, deque[Connection]] = OrderedDict()
        self._serving = self._held = False
        self._began = self._last = 0.0

    def at_once(self, now: float) -> bool:
        """Whether a connection may be answered now, without joining the queue."""
        if self._serving or self._held:
            return False
        if now - self._last > SLICE:
            self._began = now  # the loop has served other events
        self._last = now
        return now - self._began <= SLICE

    def add(self, connection: Connection) -> None:
        """Queue a connection that has records to answer; it must not be queued already."""
        row = self._waiting.get(connection.source)
        if row is None:
            row = self._waiting[connection.source] = deque()
        row.append(connection)
        self._serve_soon()

    def hold(self) -> None:
        """Serve no connection until ``go_on``."""
        self._held = True

    def go_on(self) -> None:
        """Serve the connections that wait."""
        self._held = False
        if self._waiting:
            self._serve_soon()

    def _serve_soon(self) -> None:
        if not self._serving:
            self._serving = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._serving = False
        if self._held:
            return
        until = self.clock() + SLICE
        while self._waiting and self.clock() <= until:
            source, row = next(iter(self._waiting.items()))
            connection = row.popleft()
            if connection.answer_some():
                row.append(connection)
            if not row:
                del self._waiting[source]
            elif len(self._waiting) > 1:
                self._waiting.move_to_end(source)
        self._began = self._last = self.clock()
        if self._waiting:
            self._serve_soon()


class Pool:
    """The connections of some listeners, longest silent first, and their limits.

    Pools may share the ``queue`` and the ``poller``; the pool does not close the poller.

    Between two events: every open connection is in ``connections`` and in ``sources`` under its
    source; ``not_reading`` has those whose peer must read first, ``unanswered`` the bytes of
    unanswered calls of each that has some.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        *,
        poller: Poller,
        queue: FairQueue | None = None,
    ) -> None:
        self.limits, self.clock, self.queue = limits, clock, queue or FairQueue(clock)
        self.poller = poller
        self.connections: OrderedDict[Connection, None] = OrderedDict()
        self.sources: dict[Origin, OrderedDict[Connection, None]] = {}
        self.spares = Spares()
        self.read_size = min(READ_SIZE, max(limits.record, LEAST_READ))
        self.not_reading: dict[Connection, None] = {}
        self.unanswered: dict[Connection, int] = {}
        self._unanswered_by_all = 0

    @cached_property
    def room(self) -> memoryview:
        """Where bytes of all connections are read to, one after the other."""
        return memoryview(bytearray(ROOM))

    def touch(self, connection: Connection) -> None:
        """Called when bytes have arrived on the connection."""
        own = self.sources.get(connection.source)
        if own is None:
            own = self.sources[connection.source] = OrderedDict()
        for kept in (self.connections, own):
            kept[connection] = None
            kept.move_to_end(connection)

    def drop(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.connections.pop(connection, None)
        self.not_reading.pop(connection, None)
        if connection.unanswered:
            self._unanswered_by_all -= self.unanswered.pop(connection, 0)
        own = self.sources.get(connection.source)
        if own is not None:
            own.pop(connection, None)
            if not own:
                del self.sources[connection.source]

    def make_room(self, source: Origin) -> bool:
        """Returns whether one more connection may be accepted; ends another one if necessary."""
        own = len(self.sources.get(source, ()))
        if own >= self.limits.per_source:
            return self.evict(self.sources[source])
        if len(self.connections) < self.limits.connections:
            return True
        most = max(self.sources.values(), key=len)
        return self.evict(most, busy=True) if len(most) > own + 1 else self.evict()

    def hold(self, connection: Connection) -> None:
        """Register a peer that does not read; end the first one if too many replies are unread."""
        self.not_reading[connection] = None
        unread = sum(len(c.stream.unsent) for c in self.not_reading)
        while unread > self.limits.unread_by_all:
            first = next(iter(self.not_reading))
            unread -= len(first.stream.unsent)
            first.end("too many replies are unread")

    def count(self, connection: Connection, size: int) -> None:
        """Called with a connection's bytes of unanswered calls; above the limit ends the largest.

        A single connection is bounded by its own limits.
        """
        self._unanswered_by_all += size - self.unanswered.pop(connection, 0)
        if size:
            self.unanswered[connection] = size
        while self._unanswered_by_all > self.limits.unanswered_by_all and len(self.unanswered) > 1:
            self._greediest().end("too many calls are not answered")

    def _greediest(self) -> Connection:
        """The connection with most unanswered bytes, of the source with most."""
        held: Counter[Origin] = Counter()
        for connection, size in self.unanswered.items():
            held[connection.source] += size
        source = max(held, key=held.__getitem__)
        own = (connection for connection in self.unanswered if connection.source == source)
        return max(own, key=self.unanswered.__getitem__)

    def evict(self, among: Mapping[Connection, None] | None = None, *, busy: bool = False) -> bool:
        """End the longest silent connection without a call in progress. Returns whether one ended.

        If all have calls in progress, end one that has been silent for ``call_time``; with
        ``busy`` end one in any case.
        """
        among = self.connections if among is None else among
        found = next((connection for connection in among if not connection.calls), None)
        if found is None:
            first = next(iter(among), None)
            since = self.clock() - self.limits.call_time
            found = first if first is not None and (busy or first.heard_at < since) else None
        if found is not None:
            found.end("made room for a new connection")
        return found is not None

    def sweep(self) -> None:
        """End the connections that have exceeded a time limit."""
        now = self.clock()
        for connection in list(self.connections):
            reason = connection.overdue(now)
            if reason:
                connection.end(reason)
