"""Worker threads: order, bounds, cancellation, and serving with them."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from oncrpc.aio.workers import WorkerPool
from oncrpc.errors import SystemFailure
from support.blocker import DEADLINE, Blocker
from support.loops import run, settle, until


@asynccontextmanager
async def pool(
    *, threads: int = 4, calls: int = 64, per_source: int | None = None
) -> AsyncIterator[WorkerPool]:
    made = WorkerPool(threads=threads, calls=calls, per_source=per_source)
    try:
        yield made
    finally:
        made.close()


def submit(workers: WorkerPool, function: Any, order: object = None) -> asyncio.Future[Any]:
    return asyncio.ensure_future(workers.run(function, order))


def test_functions_run_at_the_same_time() -> None:
    async def scenario() -> None:
        async with pool() as workers:
            met = threading.Barrier(3, timeout=DEADLINE)
            await asyncio.gather(*(workers.run(met.wait) for _ in range(3)))
            assert workers.in_progress == 0

    run(scenario())


def test_functions_of_one_order_never_overtake() -> None:
    async def scenario() -> None:
        async with pool() as workers:
            blockers = [Blocker(number) for number in range(3)]
            ended: list[object] = []
            jobs = [submit(workers, blocker, "file") for blocker in blockers]
            for job in jobs:
                job.add_done_callback(lambda done: ended.append(done.result()))
            await submit(workers, lambda: None, "another file")
            assert [blocker.begun.is_set() for blocker in blockers[1:]] == [False, False]
            for blocker in reversed(blockers):
                blocker.go.set()
            await asyncio.wait(jobs)
            assert ended == [0, 1, 2]

    run(scenario())


def test_full_pool_is_reported() -> None:
    async def scenario() -> None:
        async with pool(threads=1, calls=2) as workers:
            blockers = [Blocker() for _ in range(2)]
            jobs = [submit(workers, blocker) for blocker in blockers]
            assert workers.full
            assert repr(workers) == "<WorkerPool, calls in progress: 2 of 2>"
            blockers[0].go.set()
            await jobs[0]
            assert not workers.full
            blockers[1].go.set()
            await jobs[1]

    run(scenario())


@pytest.mark.parametrize("order", [None, "file"])
def test_work_that_has_not_begun_is_cancelled(order: str | None) -> None:
    async def scenario() -> None:
        async with pool(threads=1) as workers:
            blocker, never = Blocker(), Blocker()
            first, second = submit(workers, blocker, order), submit(workers, never, order)
            third = submit(workers, lambda: "third", order)
            await settle()
            second.cancel()
            await asyncio.wait([second])
            blocker.go.set()
            assert await third == "third"
            assert second.cancelled()
            assert not never.begun.is_set()
            assert await first is None
            assert workers.in_progress == 0

    run(scenario())


def test_work_that_has_begun_ends_though_cancelled() -> None:
    async def scenario() -> None:
        async with pool() as workers:
            blocker = Blocker("done")
            job = submit(workers, blocker)
            await settle()  # a task that has not begun would be cancelled before it waits
            await until(blocker.begun.is_set)
            job.cancel()
            await settle()
            assert not job.done()
            blocker.go.set()
            assert await job == "done"

    run(scenario())


def test_unhashable_order_takes_no_room() -> None:
    async def scenario() -> None:
        async with pool(calls=1) as workers:
            for _ in range(2):
                with pytest.raises(TypeError):
                    workers.run(lambda: None, [])  # type: ignore[arg-type]  # as a handler's bug
            assert workers.in_progress == 0
            assert await workers.run(lambda: 5, "file") == 5

    run(scenario())


def test_failed_thread_start_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        async with pool(threads=1, calls=1) as workers:
            never = Blocker()
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", start)
                for _ in range(2):
                    with pytest.raises(RuntimeError, match="start new thread"):
                        await workers.run(never, "file")
            assert workers.in_progress == 0
            assert await workers.run(lambda: 5, "file") == 5
            assert not never.begun.is_set()

    run(scenario())


def test_threads_that_exist_outlive_failed_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        async with pool(threads=2) as workers:
            blocker, never = Blocker("first"), Blocker()
            first = submit(workers, blocker, "file")
            await until(blocker.begun.is_set)
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", start)
                with pytest.raises(RuntimeError, match="start new thread"):
                    await workers.run(never)
            blocker.go.set()
            assert await first == "first"
            assert await workers.run(lambda: 5, "file") == 5
            assert not never.begun.is_set()

    run(scenario())


def test_work_begun_despite_failed_start_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = ThreadPoolExecutor.submit

    def submit_and_fail(executor: ThreadPoolExecutor, *work: Any) -> None:
        submitted(executor, *work).result(DEADLINE)  # a thread that exists has taken it
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_and_fail)
        async with pool() as workers:
            assert await workers.run(lambda: 5, "file") == 5
            assert workers.in_progress == 0

    run(scenario())


def test_full_pool_refuses_another_function() -> None:
    async def scenario() -> None:
        async with pool(threads=1, calls=1) as workers:
            blocker = Blocker()
            job = submit(workers, blocker)
            await until(blocker.begun.is_set)
            with pytest.raises(SystemFailure):
                workers.run(lambda: None)
            blocker.go.set()
            await job

    run(scenario())


@pytest.mark.parametrize(("per_source", "most"), [(None, 4), (1, 1), (99, 8)])
def test_one_source_has_half_of_the_pool(per_source: int | None, most: int) -> None:
    async def scenario() -> None:
        async with pool(threads=1, calls=8, per_source=per_source) as workers:
            blocker = Blocker()
            jobs = []
            while not workers.full_for("192.0.2.1"):
                jobs.append(asyncio.ensure_future(workers.run(blocker, source="192.0.2.1")))
            with pytest.raises(SystemFailure):
                workers.run(blocker, source="192.0.2.1")
            assert len(jobs) == most
            assert workers.full_for("192.0.2.2") == (most == 8)
            await settle()
            jobs[-1].cancel()
            blocker.go.set()
            await asyncio.wait(jobs)
            assert not workers.full_for("192.0.2.1")
            assert not workers.sources

    run(scenario())


def test_one_source_may_use_every_thread() -> None:
    assert WorkerPool(threads=4, calls=6).per_source == 4
    assert WorkerPool(threads=8, calls=1).per_source == 1


class Argument:
    """Something that a job holds."""


@pytest.mark.parametrize("order", [None, "file", "another file"])
def test_cancelled_work_leaves_the_pool_at_once(order: str | None) -> None:
    async def scenario() -> None:
        async with pool(threads=1, calls=3) as workers:
            blocker = Blocker()
            first = submit(workers, blocker, "file")
            await until(blocker.begun.is_set)
            argument = Argument()
            second = submit(workers, partial(id, argument), order)
            third = submit(workers, lambda: "third", order)
            held = weakref.ref(argument)
            del argument
            await settle()
            second.cancel()
            await asyncio.wait([second])
            del second
            await settle()
            assert (workers.in_progress, held()) == (2, None)
            blocker.go.set()
            assert await third == "third"
            assert await first is None

    run(scenario())


def test_closing_cancels_waiting_and_running_work() -> None:
    async def scenario() -> None:
        workers = WorkerPool(threads=1)
        blocker, never = Blocker(), Blocker()
        jobs = [submit(workers, blocker), submit(workers, never), submit(workers, never, "file")]
        await until(blocker.begun.is_set)
        workers.close()
        await asyncio.wait(jobs)
        assert all(job.cancelled() for job in jobs)
        blocker.go.set()
        await settle()
        assert (workers.in_progress, never.begun.is_set()) == (0, False)

    run(scenario())


@pytest.mark.parametrize(
    ("raised", "seen"), [(ValueError("x"), ValueError), (StopIteration(), RuntimeError)]
)
def test_errors_of_a_function_are_raised(raised: Exception, seen: type[Exception]) -> None:
    def function() -> None:
        raise raised

    async def scenario() -> None:
        async with pool() as workers:
            with pytest.raises(seen):
                await workers.run(function)

    run(scenario())


@pytest.mark.parametrize("options", [{"threads": 0}, {"calls": 0}, {"per_source": 0}])
def test_an_empty_pool_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WorkerPool(**options)
