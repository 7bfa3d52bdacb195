"""Worker threads for handlers that block (``oncrpc.rpc.workers``).

All bookkeeping is done on the event loop; a thread runs one function and reports its end. A thread
cannot be cancelled: if the task that waits for it is cancelled, because the connection has ended
for example, the function runs to its end, and the task with it. So hooks are left when the work is
over, and the duplicate cache has the reply for the client that connects again. Work that has not
begun is cancelled and leaves the pool at once, with its arguments: clients that close their
connections cannot fill the memory. Jobs therefore wait in the pool, not in the executor's queue,
which would keep them after they were cancelled.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, TypeVar

from oncrpc.errors import SystemFailure
from oncrpc.rpc.program import Origin

R = TypeVar("R")
THREADS = 8
"""Threads of a worker pool."""

MAX_CALLS = 256
"""Calls of a worker pool that wait or run; at this number the pool is full."""


class _Job(Generic[R]):
    """A function to run, and its outcome.

    The function is in a list that is popped once, by the thread that runs it or by the loop that
    withdraws it; ``pop`` is atomic, so only one of them gets it.
    """

    __slots__ = ("function", "order", "outcome", "row", "source")

    def __init__(
        self, function: Callable[[], R], order: Hashable | None, *, source: Origin
    ) -> None:
        self.function, self.order, self.source = [function], order, source
        self.outcome: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.row: _Row | None = None

    def claim(self) -> Callable[[], R] | None:
        """The function to run; None if another has claimed it."""
        try:
            return self.function.pop()
        except IndexError:
            return None


_Row = OrderedDict[_Job[Any], None]


class WorkerPool:
    """At most ``threads`` functions run at a time; with ``calls`` waiting or running it is full.

    ``per_source`` of the calls may be of one source: an IPv4 address, an IPv6 /64, or a local user.
    By default that is half of them, or one for each thread if that is more. A pool belongs to one
    server, which closes it.

    Between two events: ``_jobs`` are the jobs that wait or run, of which ``_running`` are with the
    threads. The others are in one row each: ``_ready`` if they may begin, else that of their order.
    ``_rows`` has a row for every order of which one job runs or is ready; ``sources`` counts the
    jobs of every source that has some.
    """

    def __init__(
        self, *, threads: int = THREADS, calls: int = MAX_CALLS, per_source: int | None = None
    ) -> None:
        if per_source is None:
            per_source = min(calls, max(threads, calls // 2))
        if threads < 1 or calls < 1 or per_source < 1:
            raise ValueError("a worker pool has at least 1 thread, 1 call, and 1 for each source")
        self.threads, self.calls, self.per_source = threads, calls, per_source
        self.sources: dict[Origin, int] = {}
        self.dropped = self.refused = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="oncrpc-worker")
        self._running = 0
        self._ready: _Row = OrderedDict()
        self._rows: dict[Hashable, _Row] = {}
        self._jobs: set[_Job[Any]] = set()

    def __repr__(self) -> str:
        return f"<WorkerPool, calls in progress: {self.in_progress} of {self.calls}>"

    @property
    def in_progress(self) -> int:
        """The calls that wait or run."""
        return len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether ``run`` refuses: calls over streams get SYSTEM_ERR, datagrams are dropped."""
        return len(self._jobs) >= self.calls

    def full_for(self, source: Origin) -> bool:
        """Whether ``run`` refuses calls of this source. None is a call without a known source."""
        if self.full:
            return True
        return source is not None and self.sources.get(source, 0) >= self.per_source

    def run(
        self, function: Callable[[], R], order: Hashable | None = None, *, source: Origin = None
    ) -> Awaitable[R]:
        """The result of a function that runs in a worker thread.

        Functions whose ``order`` is equal run one at a time, in the order of these calls.

        Raises:
            SystemFailure: the pool is full for the source. TypeError: the order is not hashable.
        """
        if self.full_for(source):
            raise SystemFailure
        row = self._rows.get(order) if order is not None else None  # may raise: nothing is counted
        job = _Job(function, order, source=source)
        if row is None:
            row = self._ready
            if order is not None:
                self._rows[order] = OrderedDict()
        _append(row, job)
        self._jobs.add(job)
        self.sources[source] = self.sources.get(source, 0) + 1
        self._begin()
        return self._result(job)

    def close(self) -> None:
        """Cancel the calls in progress; running functions continue, and nothing waits for them."""
        jobs, self._jobs = self._jobs, set()
        for job in jobs:
            job.outcome.cancel()
        self.sources.clear()
        self._ready.clear()
        self._rows.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _result(self, job: _Job[R]) -> R:
        while True:
            try:
                return await asyncio.shield(job.outcome)
            except asyncio.CancelledError:
                # Closed, or the function raised this, or it has not begun: nothing to wait for.
                if job.outcome.done() or self._withdraw(job):
                    raise
                task = asyncio.current_task()
                assert task is not None, "a coroutine that is cancelled is in a task"
                task.uncancel()  # the thread cannot be cancelled: wait for its end

    def _withdraw(self, job: _Job[Any]) -> bool:
        """Cancel the job if it has not begun. Returns whether it was cancelled."""
        if job.row is None:
            return False
        del job.row[job]
        job.claim()  # its arguments may be large
        job.outcome.cancel()
        self._leave(job)
        if job.row is self._ready:
            self._release(job.order)
            self._begin()
        return True

    def _begin(self) -> None:
        """Give jobs to the threads that have none."""
        while self._ready and self._running < self.threads:
            job, _ = self._ready.popitem(last=False)
            job.row = None
            self._running += 1
            try:
                self._executor.submit(self._work, job)
            except (RuntimeError, MemoryError) as error:  # no thread can be started
                if job.claim() is not None:  # else another thread has begun it all the same
                    self._finished(job, None, error)

    def _work(self, job: _Job[Any]) -> None:
        """Called in a thread: run the function, and report its end."""
        function = job.claim()
        if function is None:
            return
        try:
            result = function()
        except BaseException as error:
            self._report(job, None, error)
        else:
            self._report(job, result, None)

    def _report(self, job: _Job[Any], result: Any, error: BaseException | None) -> None:
        """Called in the thread: report the end to the loop, if it still runs."""
        with suppress(RuntimeError):  # the loop has ended before
            job.outcome.get_loop().call_soon_threadsafe(self._ended, job, result, error)

    def _ended(self, job: _Job[Any], result: Any, error: BaseException | None) -> None:
        if job in self._jobs:  # else the pool was closed
            self._finished(job, result, error)
            self._begin()

    def _finished(self, job: _Job[Any], result: Any, error: BaseException | None) -> None:
        self._running -= 1
        self._leave(job)
        self._release(job.order)
        if error is None:
            job.outcome.set_result(result)
        elif isinstance(error, StopIteration):  # no future may hold it
            job.outcome.set_exception(RuntimeError("the handler raised StopIteration"))
        else:
            job.outcome.set_exception(error)

    def _leave(self, job: _Job[Any]) -> None:
        self._jobs.discard(job)
        self.sources[job.source] -= 1
        if not self.sources[job.source]:
            del self.sources[job.source]

    def _release(self, order: Hashable | None) -> None:
        """The next job of an order may begin."""
        if order is None:
            return
        row = self._rows[order]
        if row:
            job, _ = row.popitem(last=False)
            _append(self._ready, job)
        else:
            del self._rows[order]


def _append(row: _Row, job: _Job[Any]) -> None:
    row[job] = None
    job.row = row
