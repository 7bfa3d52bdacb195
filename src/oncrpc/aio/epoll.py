"""Watching many descriptors cheaply: an epoll of our own, watched by the event loop.

For asyncio to watch a descriptor and stop again costs some fifty microseconds, more than it takes
to answer a call. A connection made for one call would spend most of its life on that. Here each is
one system call.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

READ, WRITE, ERROR = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR
MAX_EVENTS = 256
"""Descriptors that are served before the event loop continues."""

Ready = Callable[[int], None]
"""Called with what a descriptor is ready for: ``READ``, ``WRITE``, ``ERROR``.

``ERROR`` is reported whatever is watched for.
"""


class Poller:
    """Descriptors, and what to call when they are ready; close it at the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._epoll = loop, select.epoll()
        self._ready: dict[int, Ready] = {}
        self._soon: list[Callable[[], None]] = []
        loop.add_reader(self._epoll.fileno(), self._poll)

    def close(self) -> None:
        """Stop watching all descriptors."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._ready.clear()
            self._soon.clear()

    def watch(self, descriptor: int, events: int, ready: Ready) -> None:
        """Call ``ready`` for these events only from now on; 0 stops watching."""
        if descriptor not in self._ready:
            if events:
                self._epoll.register(descriptor, events)
                self._ready[descriptor] = ready
        elif events:
            self._epoll.modify(descriptor, events)
        else:
            self._epoll.unregister(descriptor)
            del self._ready[descriptor]

    def soon(self, look: Callable[[], None]) -> None:
        """Call ``look`` when the event loop has done what is due now."""
        if not self._soon:
            self._loop.call_soon(self._look)
        self._soon.append(look)

    def _look(self) -> None:
        looks, self._soon = self._soon, []
        for look in looks:
            look()

    def _poll(self) -> None:
        for descriptor, events in self._epoll.poll(0, MAX_EVENTS):
            ready = self._ready.get(descriptor)
            if ready is not None:  # else a callback before has unwatched it
                ready(events)
