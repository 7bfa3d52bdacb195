"""Threads that wait for the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from oncrpc.nfs.backends.local.identity import identities
from oncrpc.nfs.backends.local.workers import DiskWorkers


@pytest.fixture
def workers() -> Iterator[DiskWorkers]:
    workers = DiskWorkers(identities(), threads=1)
    yield workers
    workers.close()


def test_job_runs_on_another_thread(workers: DiskWorkers) -> None:
    async def main() -> str:
        return await workers.run(lambda: threading.current_thread().name)

    assert asyncio.run(main()).startswith("nfs-disk")


def test_failure_of_a_job_is_raised(workers: DiskWorkers) -> None:
    async def main() -> None:
        await workers.run(lambda: int("x"))

    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(main())


def test_queued_job_runs_though_nobody_waits(workers: DiskWorkers) -> None:
    go_on, ran = threading.Event(), list[str]()

    async def main() -> None:
        first = workers.run(lambda: go_on.wait(10))
        second = workers.run(lambda: ran.append("second"))
        second.cancel()
        go_on.set()
        await first
        await workers.run(lambda: None)

    asyncio.run(main())

    assert ran == ["second"]
