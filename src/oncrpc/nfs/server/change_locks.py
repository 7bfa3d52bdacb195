"""Change locks: one call at a time changes a file or a directory.

The attributes before and after a change (``wcc_data``) tell a client whether another client changed
the file. That is true only if no other change happens between reading the two.

These locks are internal, and have nothing to do with the file locks of clients (NLM).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager


class ChangeLocks:
    """The locks of one export, by file id.

    A lock exists only while a call holds it or waits for it.
    """

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, list[None]]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def is_held(self, key: Hashable) -> bool:
        """Whether a call holds a lock, or waits for it."""
        return key in self._locks

    @asynccontextmanager
    async def hold(self, *keys: Hashable) -> AsyncIterator[None]:
        """Hold the locks of all keys.

        They are taken in the order of their ``repr``, so two calls cannot deadlock.
        """
        async with AsyncExitStack() as held:
            for key in sorted(set(keys), key=repr):
                await held.enter_async_context(self._one(key))
            yield

    @asynccontextmanager
    async def _one(self, key: Hashable) -> AsyncIterator[None]:
        lock, users = self._locks.setdefault(key, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._locks[key]
