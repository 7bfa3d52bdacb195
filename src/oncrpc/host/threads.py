"""Blocking calls in a few threads, which the event loop need not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Threads(Generic[T]):
    """At most ``most`` threads of an event loop. They do not keep the process from ending."""

    def __init__(self, most: int) -> None:
        self.most, self.running = most, 0

    def start(self, call: Callable[[], T]) -> asyncio.Future[T] | None:
        """Start a call in a thread; None if too many run. The future is cancelled if it fails."""
        if self.running >= self.most:
            return None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        try:
            threading.Thread(target=self._run, args=(call, loop, future), daemon=True).start()
        except RuntimeError:  # the system has no more threads
            return None
        self.running += 1
        return future

    def _run(
        self, call: Callable[[], T], loop: asyncio.AbstractEventLoop, future: asyncio.Future[T]
    ) -> None:
        results = list[T]()
        try:
            results.append(call())
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._finish, future, results)

    def _finish(self, future: asyncio.Future[T], results: list[T]) -> None:
        self.running -= 1
        if future.done():
            return
        if results:
            future.set_result(results[0])
        else:
            future.cancel()
