"""Threads that wait for the disk, so that the event loop does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from oncrpc.nfs.backends.local.identity import Identities

R = TypeVar("R")

THREADS = 8
"""Threads of one file system, at most; they start when they are needed."""


class DiskWorkers:
    """A few threads. A job runs to its end, also if its caller was cancelled.

    So a job owns its descriptors, and closes them.
    """

    def __init__(self, identities: Identities, *, threads: int = THREADS) -> None:
        # A thread begins with the identity of the thread that starts it.
        self._threads = ThreadPoolExecutor(threads, "nfs-disk", initializer=identities.check)

    def run(self, job: Callable[[], R]) -> asyncio.Future[R]:
        """Start a job; the result may be awaited. Needs a running event loop."""
        return asyncio.shield(asyncio.wrap_future(self._threads.submit(job)))

    def close(self) -> None:
        """Accept no more jobs. Those that were started run to their end."""
        self._threads.shutdown(wait=False)
