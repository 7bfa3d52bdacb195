"""What happens in a daemon, told to those who watch: server-sent events.

The first event is everything as it is; then come the differences, and every second how many calls
there were. Somebody has to watch for anything of this to be worked out. Who reads too slowly is
left behind: the connection is ended, and may be made again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from oncrpc.daemon.control.rates import Counts
from oncrpc.portmap.getstat import FIRST_VERSION
from oncrpc.portmap.report import VERSIONS, snapshot
from oncrpc.portmap.status import Procedure, Registered
from oncrpc.portmap.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from oncrpc.portmap.daemon import Daemon

MAX_VIEWERS = 16
"""Viewers of events; one more is answered 503."""

MAX_WAITING = 64
"""Events that wait for a viewer; one more closes the connection."""

TICK = 0.5
"""Seconds between two looks whether the registry has changed."""

SECOND, LOOK = 1.0, 5.0
"""Seconds between two rates, and between two looks whether servers are there."""

RETRY = b"retry: 1000\n\n"
Key = tuple[int, int, str]


class Named(Struct, frozen=True):
    """What was registered, by its three names."""

    program: int
    name: str | None
    version: int
    netid: str


class Registry(Struct, frozen=True):
    """The registrations that are listed, and how many there are."""

    registered: int
    registrations: list[Registered]


class Rates(Struct, frozen=True):
    """Calls a second since the last of these, and what else is counted; ``time`` in Unix seconds.

    Of the procedures only those are here that were called; refusals and drops are all so far.
    """

    time: float
    calls: float
    procedures: list[Procedure]
    registered: int
    connections: int
    refusals: int
    drops: int


class Viewer:
    """Somebody who watches; ``drop`` ends the connection."""

    def __init__(self, drop: Callable[[], None]) -> None:
        self.drop = drop
        self._events: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    def tell(self, event: bytes) -> None:
        """Leave an event, or drop the one who has left too many."""
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self.drop()

    async def next(self) -> bytes:
        """The next event."""
        return await self._events.get()


class Feed:
    """The events of a daemon; it works while somebody watches."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._viewers: list[Viewer] = []
        self._task: asyncio.Task[None] | None = None
        self._shown: dict[Key, Registered] = {}
        self._generation = -1
        self._counts: Counts = []
        self._listing, self._listing_of, self._listing_until = b"", -1, 0.0
        self._counted_at = self._looked_at = 0.0

    def __len__(self) -> int:
        return len(self._viewers)

    async def join(self, drop: Callable[[], None]) -> Viewer | None:
        """One more who watches, told first of everything; None if there are too many."""
        await self.daemon.liveness.look()
        if len(self._viewers) >= MAX_VIEWERS:
            return None
        viewer = Viewer(drop)
        if self._task is None or self._task.done():
            self._begin()
        elif self.daemon.registry.generation != self._generation:
            self._compare()
        viewer.tell(RETRY + event("registry", msgspec.Raw(self.listing())))
        self._viewers.append(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Somebody watches no more."""
        with suppress(ValueError):
            self._viewers.remove(viewer)
        if not self._viewers and self._task is not None:
            self._task.cancel()

    def listing(self) -> bytes:
        """What is registered, as JSON; worked out once a second at most, unless it has changed."""
        now, generation = time.monotonic(), self.daemon.registry.generation
        if generation != self._listing_of or now >= self._listing_until:
            status = snapshot(self.daemon)
            found = Registry(status.registered, status.registrations)
            self._listing = msgspec.json.encode(found)
            self._listing_of, self._listing_until = generation, now + SECOND
        return self._listing

    async def close(self) -> None:
        """End everybody's connection."""
        for viewer in list(self._viewers):
            viewer.drop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _begin(self) -> None:
        self._shown = self._listed()
        self._generation = self.daemon.registry.generation
        self._counts = self.daemon.rates.count()
        self._counted_at = self._looked_at = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            looked = now - self._looked_at >= LOOK
            if looked:
                await self.daemon.liveness.look()
                self._looked_at = now
            changed = self.daemon.registry.generation != self._generation
            if changed:  # what is new is looked at soon
                self._looked_at = min(self._looked_at, now - LOOK + SECOND)
            if looked or changed:
                self._compare()
            if now - self._counted_at >= SECOND:
                self._tell("rates", self._rates())

    def _tell(self, name: str, data: object) -> None:
        told = event(name, data)
        for viewer in list(self._viewers):
            viewer.tell(told)

    def _compare(self) -> None:
        """Tell what differs from what was told before."""
        before, now = self._shown, self._listed()
        self._shown, self._generation = now, self.daemon.registry.generation
        kinds: dict[str, list[Registered] | list[Named]] = {
            "removed": [_named(each) for key, each in before.items() if key not in now],
            "added": [each for key, each in now.items() if key not in before],
            "changed": [
                each for key, each in now.items() if key in before and _differs(each, before[key])
            ],
        }
        for kind, found in kinds.items():
            if found:
                self._listing_of = -1
                self._tell(kind, found)

    def _listed(self) -> dict[Key, Registered]:
        found = snapshot(self.daemon).registrations
        return {(each.program, each.version, each.netid.lower()): each for each in found}

    def _rates(self) -> Rates:
        now, counts = time.monotonic(), self.daemon.rates.count()
        took = now - self._counted_at
        before, self._counts, self._counted_at = self._counts, counts, now
        called = [
            Procedure(version.vers, VOCABULARY.name(procedure), counts[row][number], grown / took)
            for version in VERSIONS
            for number, procedure in version.procedures.items()
            if (grown := counts[row := version.vers - FIRST_VERSION][number] - before[row][number])
        ]
        status = snapshot(self.daemon, listed=0)
        return Rates(
            time=time.time(),
            calls=sum(each.rate for each in called),
            procedures=called,
            registered=status.registered,
            connections=sum(status.connections.values()),
            refusals=sum(status.refusals.values()),
            drops=sum(getattr(status.drops, name) for name in status.drops.__struct_fields__),
        )


def event(name: str, data: object) -> bytes:
    """An event as it is sent: JSON has no line ends of its own."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def _named(each: Registered) -> Named:
    return Named(each.program, each.name, each.version, each.netid)


def _differs(one: Registered, other: Registered) -> bool:
    """Other than in the age, which always differs."""
    return (one.address, one.owner, one.endpoint) != (other.address, other.owner, other.endpoint)
