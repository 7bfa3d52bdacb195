"""The viewers of server-sent events: who joins, who leaves, who reads too slowly.

The source of the events is asked only while there are viewers. A viewer with too many unread events
is disconnected; a browser then connects again and starts with a new snapshot. When there is no room
for another viewer, the client address with most viewers loses its oldest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from oncrpc.daemon.web.content import EventSource
from oncrpc.daemon.web.room import Room
from oncrpc.rpc.program import Origin

MAX_VIEWERS = 16
"""Viewers of events; one more is answered 503, unless another source has more of them."""

MAX_WAITING = 64
"""Events that wait for a viewer; one more closes the connection."""

TICK = 0.5
"""Seconds between two checks for changes, while there are viewers."""

RECONNECT = b"retry: 1000\n\n"
"""Milliseconds after which a browser connects again."""


class Viewer:
    """One connection that receives events; ``drop`` ends it."""

    def __init__(self, drop: Callable[[], None], source: Origin = None) -> None:
        self.drop, self.source = drop, source
        self._events: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    def send(self, event: bytes) -> None:
        """Queue an event; drop the viewer if its queue is full."""
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self.drop()

    async def next(self) -> bytes:
        """Wait for the next event."""
        return await self._events.get()


class Feed:
    """Sends the events of one source to all viewers."""

    def __init__(self, source: EventSource) -> None:
        self.source = source
        self._viewers: Room[Viewer] = Room(most=MAX_VIEWERS, per_source=MAX_VIEWERS)
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def running(self) -> bool:
        """Whether the source is asked for events."""
        return self._task is not None and not self._task.done()

    async def join(self, source: Origin, drop: Callable[[], None]) -> Viewer | None:
        """Add a viewer, whose first event is the snapshot; None if there are too many."""
        if self.running:
            # Everybody else hears of the changes that the snapshot already contains.
            self._send(await self.source.tick())
        else:
            await self.source.begin()
        crowded = self._viewers.crowded(source)
        if crowded == source:
            return None
        if crowded is not None:
            first = self._viewers.oldest(crowded)
            self.leave(first)
            first.drop()
        if not self.running:
            self._task = asyncio.get_running_loop().create_task(self._run())
        viewer = Viewer(drop, source)
        viewer.send(RECONNECT + self.source.snapshot())
        self._viewers.enter(source, viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self._viewers.leave(viewer.source, viewer)
        if not self._viewers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """End every viewer's connection."""
        for viewer in self._viewers.members():
            viewer.drop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._send(await self.source.tick())

    def _send(self, events: Iterable[bytes]) -> None:
        for event in events:
            for viewer in self._viewers.members():
                viewer.send(event)
