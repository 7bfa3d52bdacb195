"""Bounded tables of open connections, waiting calls, and known ports of servers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from oncrpc.snoop.explain.steps import WELL_KNOWN, MountStep, ServerPart
from oncrpc.snoop.messages import Party

MAX_CHANNELS = 1000
"""Pairs of a client port and a server port that are followed; then the oldest is forgotten."""

MAX_WAITING = 32
"""Calls between two ports that are followed; then the oldest is forgotten."""

MAX_PORTS = 10_000
"""Ports of servers whose program is known."""

K = TypeVar("K")
V = TypeVar("V")


class BoundedTable(OrderedDict[K, V], Generic[K, V]):
    """A dictionary with a limit: a new key replaces the oldest one."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: K, value: V) -> None:
        """Set a value."""
        self[key] = value
        if len(self) > self._most:
            self.popitem(last=False)


class Channel:
    """A connection, or the datagrams between two ports.

    ``connect`` is the step that opened it, None if that was not captured. ``steps`` are the calls
    by xid: those without a result, and those that a client may repeat. ``used`` is True once the
    server has answered a call, or once the client has sent a call that is not a step.
    """

    __slots__ = ("connect", "steps", "used")

    def __init__(self, connect: MountStep | None = None) -> None:
        self.connect = connect
        self.steps: dict[int, MountStep] = {}
        self.used = False

    def add(self, xid: int, step: MountStep) -> None:
        """Add a call."""
        self.steps[xid] = step
        if len(self.steps) > MAX_WAITING:
            del self.steps[next(iter(self.steps))]

    def waiting(self) -> Iterator[MountStep]:
        """The steps without a result, the connection first."""
        if self.connect is not None and self.connect.waits:
            yield self.connect
        yield from (step for step in self.steps.values() if step.waits)


class KnownPort(NamedTuple):
    """The program at a port; ``registered`` is True if the port mapper reported it."""

    part: ServerPart
    registered: bool = False


class KnownPorts:
    """The ports of servers, learned from the port mapper and from calls."""

    def __init__(self) -> None:
        self._ports: BoundedTable[tuple[str, int], KnownPort] = BoundedTable(MAX_PORTS)

    def learn(self, server: Party, known: KnownPort) -> None:
        """Remember the program at a port; a report of the port mapper replaces other knowledge."""
        former = self._ports.get(server)
        if former is None or known.registered:
            self._ports.put(server, known)

    def at(self, server: Party) -> KnownPort | None:
        """The program at a port, None if it is not known."""
        known = self._ports.get(server)
        if known is None and server.port in WELL_KNOWN:
            return KnownPort(WELL_KNOWN[server.port])
        return known
