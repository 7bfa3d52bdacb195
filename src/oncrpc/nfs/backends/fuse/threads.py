"""The thread in which the methods of an object run.

A FUSE object may block, and may belong to one thread, as a connection of ``sqlite3`` does. So all
its methods run in a thread of its own, one at a time or as tasks of an event loop of that thread.
The event loop of the server goes on meanwhile. The thread starts with the first call, so that a
server may fork before.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

R = TypeVar("R")
CLOSE_SECONDS = 10.0
"""Time for an object to finish when its file system is closed."""


class OperationsThread(ABC):
    """A thread with an event loop. ``begin`` runs in it before all calls, ``end`` after them."""

    def __init__(self) -> None:
        self.begin: Callable[[], Awaitable[None]] = _nothing
        self.end: Callable[[], Awaitable[None]] = _nothing
        self._lock, self._ready = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._closed = False

    async def run(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run a coroutine function in the thread.

        Raises:
            RuntimeError: the file system is closed, or the object wants to end the program.
        """
        self.start()
        return await self._run(partial(_surviving, call))

    def close(self) -> None:
        """Let ``end`` run, and wait for the end of the thread."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None and self._failure is None:
            self._stop()
            thread.join(CLOSE_SECONDS)

    def start(self) -> None:
        """Start the thread, and wait until ``begin`` has run. The first call does it otherwise.

        Raises:
            RuntimeError: ``begin`` failed, or the file system is closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the file system is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._main, name="fuse", daemon=True)
                self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise RuntimeError("the FUSE object could not be started") from self._failure

    def _main(self) -> None:
        try:
            self._serve()
        except BaseException as failure:  # raised again by ``run``
            self._failure = failure
        finally:
            self._ready.set()

    @abstractmethod
    def _serve(self) -> None:
        """Run ``begin``, set ``_ready``, run calls until ``_stop``, and run ``end``."""

    @abstractmethod
    async def _run(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R: ...

    @abstractmethod
    def _stop(self) -> None: ...


class AsyncioThread(OperationsThread):
    """A thread with a loop of asyncio. Calls that do not wait run one after the other."""

    _loop: asyncio.AbstractEventLoop
    _stopped: asyncio.Event

    def _serve(self) -> None:
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await self.begin()
        self._ready.set()
        await self._stopped.wait()
        await self.end()

    async def _run(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._loop))

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)


async def _surviving(call: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Await a call; such as ``sys.exit`` in a method of the object ends neither thread."""
    try:
        return await call()
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise RuntimeError(f"the FUSE object raised {type(error).__name__}") from error


async def _nothing() -> None:
    """The default of ``begin`` and ``end``."""
