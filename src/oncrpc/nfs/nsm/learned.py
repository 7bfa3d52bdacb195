"""The addresses of watched names, looked up in the background as soon as a name is watched.

The name in a notice may differ from the name by which a program watches the host. Then only the
address shows which host it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from functools import partial

from oncrpc.host.threads import Threads
from oncrpc.nfs.background import NotNow

MAX_LOOKING_UP = 4
"""Watched names that are looked up at the same time."""

LookUpName = Callable[[bytes], frozenset[str]]
"""The addresses of a name. It may block, and raise ``NotNow``."""


class LearnedNames:
    """Looks each name up once, a few at the same time, from ``start`` on.

    A name that is watched is a key of ``_hosts``, with its addresses as far as they are known; it
    is in ``_queue`` until a thread looks it up. ``_names`` is the same by address.
    """

    def __init__(self, look_up: LookUpName) -> None:
        self._look_up = look_up
        self._threads = Threads[frozenset[str]](MAX_LOOKING_UP)
        self._hosts: dict[bytes, frozenset[str]] = {}
        self._names: dict[str, set[bytes]] = {}
        self._queue: deque[bytes] = deque()
        self._started = False

    def start(self) -> None:
        """Begin to look up."""
        self._started = True
        self._look_up_next()

    def learn(self, name: bytes) -> None:
        """Look a name up, unless that was done."""
        if name not in self._hosts:
            self._hosts[name] = frozenset()
            self._queue.append(name)
            if self._started:
                self._look_up_next()

    def forget(self, name: bytes) -> None:
        """Forget a name."""
        for host in self._hosts.pop(name, ()):
            names = self._names[host]
            names.discard(name)
            if not names:
                del self._names[host]

    def at(self, host: str) -> Collection[bytes]:
        """The names that have an address, as far as that is known."""
        return self._names.get(host, ())

    def _look_up_next(self) -> None:
        while self._queue:
            future = self._threads.start(partial(_found, self._look_up, self._queue[0]))
            if future is None:
                return
            future.add_done_callback(partial(self._learnt, self._queue.popleft()))

    def _learnt(self, name: bytes, future: asyncio.Future[frozenset[str]]) -> None:
        if not future.cancelled() and name in self._hosts:
            self.forget(name)
            self._hosts[name] = future.result()
            for host in future.result():
                self._names.setdefault(host, set()).add(name)
        self._look_up_next()


def _found(look_up: LookUpName, name: bytes) -> frozenset[str]:
    try:
        return look_up(name)
    except NotNow:
        return frozenset()
