"""Change locks: one call at a time changes a file or a directory.

The attributes before and after a change (``wcc_data``) tell a client whether another client changed
the file. That is true only if no other change happens between reading the two.

These locks are internal, and have nothing to do with the file locks of clients (NLM).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType


class ChangeLocks:
    """The locks of one export, by file id.

    A lock is in ``_waiting`` only while a call holds it, with the calls that wait for it, the
    first one first. A call that gives it up hands it to the next one.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def is_held(self, key: Hashable) -> bool:
        """Whether a call holds a lock, or waits for it."""
        return key in self._waiting

    def hold(self, *keys: Hashable) -> AbstractAsyncContextManager[None]:
        """Hold the locks of all keys.

        They are taken in the order of their ``repr``, so two calls cannot deadlock.
        """
        return _HeldLocks(self, keys if len(keys) == 1 else sorted(set(keys), key=repr))

    async def take(self, key: Hashable) -> None:
        """Wait for a lock. If that is cancelled the lock is not held."""
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_up(key)
            elif turn in waiting:
                waiting.remove(turn)
            raise

    def give_up(self, key: Hashable) -> None:
        """Hand a lock to the next call that waits for it."""
        waiting = self._waiting[key]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[key]


class _HeldLocks(AbstractAsyncContextManager[None]):
    """A block that holds locks."""

    def __init__(self, locks: ChangeLocks, keys: Sequence[Hashable]) -> None:
        self._locks, self._keys, self._held = locks, keys, 0

    async def __aenter__(self) -> None:
        try:
            for key in self._keys:
                await self._locks.take(key)
                self._held += 1
        except BaseException:
            self._give_up()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._give_up()

    def _give_up(self) -> None:
        for key in self._keys[: self._held][::-1]:
            self._locks.give_up(key)
