"""The connections of a server together: their limits, their turns, and which one has to go.

A new connection takes the place of the one that has been silent longest; of those that do not read
their replies the ones that began it first go when the replies are too many. One source, an address
or the user at a local socket, has a share: at that bound the new connection takes the place of one
of its own, so that nobody can push out everybody else's.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oncrpc.aio.poller import Poller
from oncrpc.rpc.program import Caller

if TYPE_CHECKING:
    from oncrpc.aio.stream import Connection

Source = str | bytes | int | None
"""Where connections come from: an IPv4 address, an IPv6 network, or the uid of a local user."""


def source_of(caller: Caller) -> Source:
    """Who has a share of the connections; a host has a whole /64 of IPv6 addresses to call from."""
    if caller.source is None:
        return caller.uid
    if ":" not in caller.host or caller.loopback:
        return caller.host
    return socket.inet_pton(socket.AF_INET6, caller.host)[:8]


SLICE = 0.005
"""Seconds for which streams are answered before everything else that waits has its turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may cost: counts, bytes, and seconds."""

    connections: int = 1000
    per_source: int = 250
    record: int = 1 << 20
    calls: int = 64
    unread: int = 64 << 10
    unread_by_all: int = 64 << 20
    record_time: float = 30.0
    write_time: float = 30.0
    idle_time: float | None = 300.0


@dataclass(frozen=True, slots=True)
class Carried:
    """An open connection on its way to another image; the times are of the monotonic clock."""

    descriptor: int
    netid: str
    unread: bytes
    unsent: bytes
    heard_at: float
    record_at: float


class Turns:
    """Connections that have something to do, served in turn.

    While nobody waits a connection may be answered at once, as long as such answers have not filled
    a slice; then it is put in the row, and whatever else waits is done first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._waiting: deque[Connection] = deque()
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
        self._waiting.append(connection)
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
            connection = self._waiting.popleft()
            if connection.take_turn():
                self._waiting.append(connection)
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
        self.sources: dict[Source, OrderedDict[Connection, None]] = {}
        self.not_reading: dict[Connection, None] = {}

    def touch(self, connection: Connection) -> None:
        """The connection was heard of just now."""
        for kept in (self.connections, self.sources.setdefault(connection.source, OrderedDict())):
            kept[connection] = None
            kept.move_to_end(connection)

    def drop(self, connection: Connection) -> None:
        """The connection has ended."""
        self.connections.pop(connection, None)
        self.not_reading.pop(connection, None)
        own = self.sources.get(connection.source)
        if own is not None:
            own.pop(connection, None)
            if not own:
                del self.sources[connection.source]

    def make_room(self, source: Source) -> bool:
        """Whether one more may come in from there; if need be the longest silent one has to go.

        At its own bound a source loses one of its own, else whoever it is.
        """
        own = self.sources.get(source)
        if own is not None and len(own) >= self.limits.per_source and not self.evict(own):
            return False
        return len(self.connections) < self.limits.connections or self.evict()

    def hold(self, connection: Connection) -> None:
        """The connection's peer has stopped reading; the first that did goes if they are many."""
        self.not_reading[connection] = None
        unread = sum(len(c.wire.unsent) for c in self.not_reading)
        while unread > self.limits.unread_by_all:
            first = next(iter(self.not_reading))
            unread -= len(first.wire.unsent)
            first.end("too many replies are unread")

    def evict(self, among: Iterable[Connection] | None = None) -> bool:
        """End the longest silent connection that has no call under way; False if all have."""
        for connection in self.connections if among is None else among:
            if not connection.calls:
                connection.end("made room for a new connection")
                return True
        return False

    def sweep(self) -> None:
        """End the connections that are beyond a time limit."""
        now = self.clock()
        for connection in list(self.connections):
            reason = connection.overdue(now)
            if reason:
                connection.end(reason)
