"""The connections of a server together: their limits, their turns, and which one has to go.

Turns, connections and memory go by source, an address or the user at a local socket, so that nobody
can push out everybody else, or keep them waiting by having many connections.

At its own bound a source's new connection takes the place of one of its own. In a full pool the
source that has most connections loses one, if it has more than the newcomer's, even one with calls
under way; else it is whichever has been silent longest. A connection with calls under way keeps its
place for a time only: its peer may be gone.

Calls that are not answered, those that have not arrived as a whole and those under way, take memory
together: of the source that holds most the connection that holds most goes. Neither the oldest nor
the largest of all would do: many small pieces of one host would push out another's long record. Of
those that do not read their replies the ones that began it first go when the replies are too many.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from oncrpc.aio.epoll import Poller
from oncrpc.aio.limits import Limits
from oncrpc.aio.stream_socket import READ_SIZE
from oncrpc.rpc.program import Origin

if TYPE_CHECKING:
    from oncrpc.aio.stream import Connection

SLICE = 0.005
"""Seconds for which streams are answered before everything else that waits has its turn."""

LEAST_READ = 16 << 10
"""Bytes that are read at a time where no record is longer: they may have to wait for their turn."""


class Carried(NamedTuple):
    """An open connection on its way to another image; the times are of the monotonic clock."""

    descriptor: int
    netid: str
    unread: bytes
    unsent: bytes
    heard_at: float
    record_at: float


class Turns:
    """Connections that have something to do: a turn for each source, for one of its connections.

    While nobody waits a connection may be answered at once, as long as such answers have not filled
    a slice; then it is put in the row, and whatever else waits is done first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._waiting: OrderedDict[Origin, deque[Connection]] = OrderedDict()
        self._serving = self._held = False
        self._began = self._last = 0.0

    def at_once(self, now: float) -> bool:
        """Whether a connection may be answered now, without waiting for a turn."""
        if self._serving or self._held:
            return False
        if now - self._last > SLICE:
            self._began = now  # there was time for everything else
        self._last = now
        return now - self._began <= SLICE

    def add(self, connection: Connection) -> None:
        """The connection has bytes that were not looked at; it must not be waiting already."""
        row = self._waiting.get(connection.source)
        if row is None:
            row = self._waiting[connection.source] = deque()
        row.append(connection)
        self._serve_soon()

    def hold(self) -> None:
        """Give nobody a turn until ``go_on``."""
        self._held = True

    def go_on(self) -> None:
        """Give those that wait their turns."""
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
            if connection.take_turn():
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

    Pools may share ``turns`` and the ``poller``, which whoever made it closes.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        *,
        poller: Poller,
        turns: Turns | None = None,
    ) -> None:
        self.limits, self.clock, self.turns = limits, clock, turns or Turns(clock)
        self.poller = poller
        self.connections: OrderedDict[Connection, None] = OrderedDict()
        self.sources: dict[Origin, OrderedDict[Connection, None]] = {}
        self.read_size = min(READ_SIZE, max(limits.record, LEAST_READ))
        self.not_reading: dict[Connection, None] = {}
        self.unanswered: dict[Connection, int] = {}
        self._unanswered_by_all = 0

    def touch(self, connection: Connection) -> None:
        """The connection was heard of just now."""
        own = self.sources.get(connection.source)
        if own is None:
            own = self.sources[connection.source] = OrderedDict()
        for kept in (self.connections, own):
            kept[connection] = None
            kept.move_to_end(connection)

    def drop(self, connection: Connection) -> None:
        """The connection has ended."""
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
        """Whether one more may come in from there; if need be another one has to go."""
        own = len(self.sources.get(source, ()))
        if own >= self.limits.per_source:
            return self.evict(self.sources[source])
        if len(self.connections) < self.limits.connections:
            return True
        most = max(self.sources.values(), key=len)
        return self.evict(most, busy=True) if len(most) > own + 1 else self.evict()

    def hold(self, connection: Connection) -> None:
        """The connection's peer has stopped reading; the first that did goes if they are many."""
        self.not_reading[connection] = None
        unread = sum(len(c.stream.unsent) for c in self.not_reading)
        while unread > self.limits.unread_by_all:
            first = next(iter(self.not_reading))
            unread -= len(first.stream.unsent)
            first.end("too many replies are unread")

    def count(self, connection: Connection, size: int) -> None:
        """So many bytes of its calls are not answered; if all are too many whoever has most goes.

        One alone is bound by the limits of a connection.
        """
        self._unanswered_by_all += size - self.unanswered.pop(connection, 0)
        if size:
            self.unanswered[connection] = size
        while self._unanswered_by_all > self.limits.unanswered_by_all and len(self.unanswered) > 1:
            self._greediest().end("too many calls are not answered")

    def _greediest(self) -> Connection:
        """Of the source that holds most the connection that holds most."""
        held: Counter[Origin] = Counter()
        for connection, size in self.unanswered.items():
            held[connection.source] += size
        source = max(held, key=held.__getitem__)
        own = (connection for connection in self.unanswered if connection.source == source)
        return max(own, key=self.unanswered.__getitem__)

    def evict(self, among: Mapping[Connection, None] | None = None, *, busy: bool = False) -> bool:
        """End the longest silent connection that has no call under way; whether there was one.

        If all have, it is one that has been silent for ``call_time``; if ``busy`` may be ended it
        need not have been.
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
        """End the connections that are beyond a time limit."""
        now = self.clock()
        for connection in list(self.connections):
            reason = connection.overdue(now)
            if reason:
                connection.end(reason)
