"""Worker threads for handlers that block (``oncrpc.rpc.workers``).

All bookkeeping is done on the event loop; a thread runs one function and reports its end. A thread
cannot be cancelled: if the task that waits for it is cancelled, because the connection has ended
for example, the function runs to its end, and the task with it. So hooks are left when the work is
over, and the duplicate cache has the reply for the client that connects again. Work that has not
begun is cancelled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

R = TypeVar("R")
THREADS = 8
"""Threads of a worker pool."""

MAX_CALLS = 256
"""Calls of a worker pool that wait or run; at this number the pool is full."""


class _Job(Generic[R]):
    """A function to run, and its outcome."""

    __slots__ = ("function", "order", "outcome", "thread")

    def __init__(
        self, function: Callable[[], R], order: Hashable | None, outcome: asyncio.Future[R]
    ) -> None:
        self.function, self.order, self.outcome = function, order, outcome
        self.thread: Future[R] | None = None

    def withdraw(self) -> bool:
        """Cancel the job if its function has not begun. Returns whether it was cancelled."""
        if self.thread is not None and not self.thread.cancel():
            return False
        self.outcome.cancel()
        return True


class WorkerPool:
    """At most ``threads`` functions run at a time; with ``calls`` waiting or running it is full.

    A pool belongs to one server, which closes it.

    Between two events: ``in_progress`` is the number of jobs that wait or run; ``_rows`` has a row
    for every order of which one job is with the threads, of the jobs that come after it.
    """

    def __init__(self, *, threads: int = THREADS, calls: int = MAX_CALLS) -> None:
        if threads < 1 or calls < 1:
            raise ValueError("a worker pool has at least 1 thread and 1 call")
        self.calls = calls
        self.in_progress = self.dropped = self.refused = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="oncrpc-worker")
        self._rows: dict[Hashable, deque[_Job[Any]]] = {}
        self._jobs: set[_Job[Any]] = set()

    def __repr__(self) -> str:
        return f"<WorkerPool, calls in progress: {self.in_progress} of {self.calls}>"

    @property
    def full(self) -> bool:
        """Whether nothing more should be sent here: streams are not read, datagrams dropped."""
        return self.in_progress >= self.calls

    def run(self, function: Callable[[], R], order: Hashable | None = None) -> Awaitable[R]:
        """The result of a function that runs in a worker thread.

        Functions whose ``order`` is equal run one at a time, in the order of these calls.
        """
        job = _Job(function, order, asyncio.get_running_loop().create_future())
        self._jobs.add(job)
        self.in_progress += 1
        row = self._rows.get(order) if order is not None else None
        if row is not None:
            row.append(job)
        else:
            if order is not None:
                self._rows[order] = deque()
            self._submit(job)
        return self._result(job)

    def close(self) -> None:
        """Cancel the calls in progress; running functions continue, and nothing waits for them."""
        jobs, self._jobs = self._jobs, set()
        for job in jobs:
            job.outcome.cancel()
        self._rows.clear()
        self.in_progress = 0
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _result(self, job: _Job[R]) -> R:
        while True:
            try:
                return await asyncio.shield(job.outcome)
            except asyncio.CancelledError:
                # Closed, or the function raised this, or it has not begun: nothing to wait for.
                if job.outcome.done() or job.withdraw():
                    raise
                task = asyncio.current_task()
                assert task is not None, "a coroutine that is cancelled is in a task"
                task.uncancel()  # the thread cannot be cancelled: wait for its end

    def _submit(self, job: _Job[Any]) -> None:
        job.thread = self._executor.submit(job.function)
        job.thread.add_done_callback(partial(self._report, job))

    def _report(self, job: _Job[Any], done: Future[Any]) -> None:
        """Called in the thread: report the end to the loop, if it still runs."""
        with suppress(RuntimeError):  # the loop has ended before
            job.outcome.get_loop().call_soon_threadsafe(self._finished, job, done)

    def _finished(self, job: _Job[Any], done: Future[Any]) -> None:
        if job not in self._jobs:  # the pool was closed
            return
        self._ended(job)
        if not job.outcome.done():
            _settle(job.outcome, done)
        self._next(job.order)

    def _next(self, order: Hashable | None) -> None:
        """Begin the next job of an order; those that were cancelled meanwhile are left out."""
        row = self._rows.get(order) if order is not None else None
        while row:
            job = row.popleft()
            if not job.outcome.cancelled():
                self._submit(job)
                return
            self._ended(job)
        self._rows.pop(order, None)

    def _ended(self, job: _Job[Any]) -> None:
        self._jobs.discard(job)
        self.in_progress -= 1


def _settle(outcome: asyncio.Future[Any], done: Future[Any]) -> None:
    error = done.exception()
    if error is None:
        outcome.set_result(done.result())
    elif isinstance(error, StopIteration):  # no future may hold it
        outcome.set_exception(RuntimeError("the handler raised StopIteration"))
    else:
        outcome.set_exception(error)
