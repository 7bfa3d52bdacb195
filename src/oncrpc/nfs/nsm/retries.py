"""Calls to many hosts, each repeated with growing pauses until it is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

from oncrpc.errors import OncRpcError

log = logging.getLogger("oncrpc.nfs")

K = TypeVar("K", bound=Hashable)

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 120.0
"""Seconds between two attempts to notify a host of a restart: twice as long each time."""

PATIENCE = 900.0
"""Seconds after which the attempts end for a host that does not answer."""

Attempt = Callable[[K, int], Awaitable[None]]
"""Makes an attempt for a key; the second argument is its number, from 0 on.

It raises an ``OncRpcError`` if the attempt failed.
"""


class Retry(Generic[K]):
    """The attempts for a key: until when, how many, and the task of the current one."""

    __slots__ = ("attempts", "key", "task", "until")

    def __init__(self, key: K, until: float) -> None:
        self.key, self.until = key, until
        self.attempts = 0
        self.task: asyncio.Task[None] | None = None


class Retries(Generic[K]):
    """Makes attempts for keys, at most ``most`` at the same time.

    Every key that is neither answered nor given up is in ``_retries``. It has a task, one of
    ``_running``, or an entry in ``_due`` with the time of its next attempt. Entries of ``_due``
    whose retry is not in ``_retries`` any more are old. A timer is set for the next entry unless
    all tasks are in use. ``given_up`` is called with a key whose attempts failed for ``patience``
    seconds.
    """

    def __init__(
        self,
        attempt: Attempt[K],
        *,
        most: int,
        given_up: Callable[[K], None],
        patience: float = PATIENCE,
    ) -> None:
        self._attempt, self.most = attempt, most
        self._given_up, self.patience = given_up, patience
        self._retries: dict[K, Retry[K]] = {}
        self._due: list[tuple[float, int, Retry[K]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._retries)

    def __contains__(self, key: K) -> bool:
        """Whether attempts are made for a key."""
        return key in self._retries

    def add(self, key: K) -> None:
        """Begin with a key, or begin again."""
        self.drop(key)
        now = asyncio.get_running_loop().time()
        retry = self._retries[key] = Retry(key, now + self.patience)
        self._plan(retry, now)

    def drop(self, key: K) -> None:
        """Make no more attempts for a key."""
        retry = self._retries.pop(key, None)
        if retry is not None and retry.task is not None:
            retry.task.cancel()

    async def close(self) -> None:
        """Stop."""
        for key in [*self._retries]:
            self.drop(key)
        self._due.clear()
        self._disarm()
        if self._running:
            await asyncio.wait(self._running)

    def _plan(self, retry: Retry[K], at: float) -> None:
        self._count += 1
        heappush(self._due, (at, self._count, retry))
        self._fill()

    def _fill(self) -> None:
        """Start the attempts that are due, as far as there are tasks for them."""
        self._disarm()
        loop = asyncio.get_running_loop()
        while self._due and len(self._running) < self.most:
            at, _, retry = self._due[0]
            current = self._retries.get(retry.key) is retry
            if current and at > loop.time():
                self._timer = loop.call_at(at, self._fill)
                return
            heappop(self._due)
            if current:
                self._start(retry)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, retry: Retry[K]) -> None:
        task = retry.task = asyncio.ensure_future(self._make(retry))
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def _make(self, retry: Retry[K]) -> None:
        """Make one attempt, and plan the next one if it fails."""
        try:
            await self._attempt(retry.key, retry.attempts)
        except (OncRpcError, TimeoutError) as error:
            log.debug("%s: attempt %d failed: %s", retry.key, retry.attempts + 1, error)
        else:
            self._retries.pop(retry.key, None)
            return
        retry.task = None
        if self._retries.get(retry.key) is not retry:
            return
        now = asyncio.get_running_loop().time()
        at = now + min(FIRST_PAUSE * 2**retry.attempts, LONGEST_PAUSE)
        retry.attempts += 1
        if at < retry.until:
            self._plan(retry, at)
        else:
            del self._retries[retry.key]
            self._given_up(retry.key)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._fill()
        if not task.cancelled():
            task.result()  # a bug is not hidden
