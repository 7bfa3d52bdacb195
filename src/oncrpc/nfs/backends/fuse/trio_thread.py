"""``TrioThread``: a thread with a loop of trio, for the methods of a pyfuse3 object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import trio
from outcome import Outcome, acapture

from oncrpc.nfs.backends.fuse.threads import OperationsThread

R = TypeVar("R")


class TrioThread(OperationsThread):
    """A thread with a loop of trio. Each call is a task of its own."""

    _token: trio.lowlevel.TrioToken
    _nursery: trio.Nursery
    _stopped: trio.Event

    def _serve(self) -> None:
        trio.run(self._until_stopped)

    async def _until_stopped(self) -> None:
        self._token, self._stopped = trio.lowlevel.current_trio_token(), trio.Event()
        await self.begin()
        async with trio.open_nursery() as self._nursery:
            self._ready.set()
            await self._stopped.wait()
            await self.end()
            self._nursery.cancel_scope.cancel()

    async def _run(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Outcome[R]] = loop.create_future()

        async def task() -> None:
            found = await acapture(call)
            with suppress(RuntimeError):  # the loop of the caller is closed
                loop.call_soon_threadsafe(_deliver, result, found)

        try:
            self._token.run_sync_soon(self._nursery.start_soon, task)
        except trio.RunFinishedError as error:
            raise RuntimeError("the file system is closed") from error
        return (await result).unwrap()

    def _stop(self) -> None:
        self._token.run_sync_soon(self._stopped.set)


def _deliver(result: asyncio.Future[Outcome[R]], found: Outcome[R]) -> None:
    """Give the outcome to the caller, unless it no longer waits."""
    if not result.done():
        result.set_result(found)
