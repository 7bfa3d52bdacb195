"""Worker processes: which worker has which client, and what happens when one ends."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from oncrpc.nfs.workers import processes
from oncrpc.nfs.workers.messages import Forwarded, WorkerReport
from oncrpc.nfs.workers.processes import WorkerProcesses, host_of
from support.loops import run, until

SILENT = (sys.executable, "-IS", "-c", "import os; os.read(0, 1 << 20) and os.read(0, 1)")
"""A worker that takes no connection, and ends when the server does."""


class Owner:
    """A server that answers nothing."""

    def __init__(self) -> None:
        self.configured = 0

    def settings(self, number: int) -> bytes:
        """Nothing; counted."""
        self.configured += 1
        return b"%d" % number

    def answer(self, call: Forwarded) -> bytes | None:
        """No reply."""

    def add(self, report: WorkerReport) -> None:
        """Nothing is counted."""


@asynccontextmanager
async def workers(count: int = 2) -> AsyncIterator[WorkerProcesses]:
    made = WorkerProcesses(count, Owner(), command=SILENT)
    yield made
    for each in made.workers:
        if each.process is not None:
            each.process.kill()  # it does not know the message that ends it
    await made.stop()
    made.close()


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection; the second one is closed by its new owner."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with client:
        yield client, accepted


def test_new_clients_are_divided_evenly() -> None:
    async def scenario() -> None:
        async with workers(3) as made:
            numbers = [made.worker_of(f"192.0.2.{each}").number for each in range(9)]

            assert sorted(numbers) == [0, 0, 0, 1, 1, 1, 2, 2, 2]

    run(scenario())


def test_client_keeps_its_worker() -> None:
    async def scenario() -> None:
        async with workers() as made:
            first = made.worker_of("192.0.2.1")
            made.worker_of("192.0.2.2")

            assert made.worker_of("192.0.2.1") is first

    run(scenario())


def test_dead_worker_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FIRST_DELAY", 0.0)

    async def scenario() -> None:
        async with workers(1) as made:
            made.start()
            [worker] = made.workers
            first, verifier = worker.pid, made.memory.verifier.value
            assert worker.process is not None

            worker.process.kill()
            await until(lambda: worker.pid not in (0, first))

            assert worker.starts == 2
            assert made.memory.verifier.value != verifier

    run(scenario())


def test_connections_of_a_dead_worker_wait() -> None:
    async def scenario() -> None:
        async with workers(1) as made:
            with connected() as (ours, theirs):
                made.take(theirs, "192.0.2.1", "tcp", None)
                made.start()
                assert len(made.workers[0].waiting) == 1

                [carried] = await made.freeze()

                ours.send(b"x")
                assert os.read(carried.descriptor, 1) == b"x"
                os.close(carried.descriptor)

    run(scenario())


def test_waiting_connections_are_bounded() -> None:
    async def scenario() -> None:
        async with workers(1) as made:
            ends = []
            for _ in range(processes.MAX_WAITING + 1):
                ours, theirs = socket.socketpair()
                made.take(theirs, "192.0.2.1", "tcp", None)
                ends.append(ours)

            assert ends[-1].recv(1) == b"", "the last one is closed"
            for each in ends:
                each.close()

    run(scenario())


def test_host_of_a_lost_connection_is_empty() -> None:
    with socket.socket() as unconnected:
        assert host_of(unconnected.fileno()) == ""


def test_host_of_a_connection_is_its_client() -> None:
    with connected() as (_, accepted), accepted:
        assert host_of(accepted.fileno()) == "127.0.0.1"


def test_program_that_cannot_run_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        made = WorkerProcesses(2, Owner(), command=("/nonexistent/program",))
        with pytest.raises(FileNotFoundError):
            made.start()
        await made.stop()
        made.close()

    run(scenario())

    assert caplog.messages == [
        f"cannot start worker {number}: No such file or directory" for number in (1, 2)
    ]
