"""The worker processes of a server: starting them, and giving them connections.

All connections of a client address are served by one worker. So the replies to its calls, its open
files and the order of its calls are known to one process, as in a server without workers. A new
address gets the worker that serves fewest.

A worker that ends is started again. What it has acknowledged is in the kernel or on disk, but the
descriptors that report a failed sync are closed with it: the write verifier is renewed, and clients
write again what they have not committed. Its connections are closed, and its clients connect again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from oncrpc.aio.connections import Carried
from oncrpc.caching import Bounded
from oncrpc.nfs.workers.channel import WorkerChannel
from oncrpc.nfs.workers.memory import new_memory
from oncrpc.nfs.workers.messages import (
    Answered,
    End,
    Forwarded,
    Freeze,
    Frozen,
    KeptReplies,
    LogLine,
    Moved,
    ReportNow,
    Settings,
    Taken,
    WorkerMessage,
    WorkerReport,
    encode,
    from_worker,
)

log = logging.getLogger("oncrpc.nfs")

COMMAND = (sys.executable, "-P", "-m", "oncrpc.nfs.daemon.worker")
MAX_HOSTS = 4096
"""Client addresses whose worker is known; the one that connected longest ago is forgotten."""

MAX_WAITING = 256
"""Connections that a worker has not taken yet; further ones are closed, and clients try again."""

RESTART, SLOWEST = 0.5, 30.0
"""Seconds from the end of a worker to its next start: twice as many after each start that failed,
up to ``SLOWEST``."""

PATIENCE = 3.0
"""Seconds for a worker to end."""

REAP_EVERY = 0.01
"""Seconds between two looks whether a killed worker is gone."""

REPORT_TIME = 1.0
"""Seconds for a worker to report."""


class WorkersOwner(Protocol):
    """The server that the workers belong to."""

    def settings(self, number: int) -> bytes:
        """The pickle of what a worker needs to know."""

    def answer(self, call: Forwarded) -> Awaitable[bytes | None] | bytes | None:
        """The reply to a call of a program that the server answers itself."""

    def add(self, report: WorkerReport) -> None:
        """Count what a worker has done."""


class WorkerProcess:
    """A worker, from one start to the next.

    ``channel`` is None between its end and its next start. ``waiting`` are the connections that
    wait for that start, or that the worker has not confirmed yet: they are open here, too, and are
    not lost if it ends before it has read from them. ``report`` is the last one, ``failures`` the
    starts since then.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.channel: WorkerChannel | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.waiting = deque[tuple[int, Moved]]()
        self.report = WorkerReport()
        self.starts = self.failures = 0
        self.carried: list[tuple[str, Carried]] = []
        self.replies: list[bytes] = []
        self.reported: asyncio.Future[None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """The process; 0 if it does not run."""
        return 0 if self.process is None else self.process.pid

    def send(self, message: WorkerMessage, descriptor: int | None = None) -> None:
        """Send a message to a worker that runs."""
        if self.channel is not None:
            self.channel.send(encode(message), descriptor)
        elif descriptor is not None:
            os.close(descriptor)


class WorkerProcesses:
    """``count`` workers, from ``start`` to ``stop``: a ``Deputy`` of the server's listeners.

    ``replies`` are those that workers of an earlier image have kept. A frozen set has no processes;
    its connections are in ``_frozen``, with the addresses of the clients.
    """

    def __init__(
        self, count: int, owner: WorkersOwner, *, command: Sequence[str] = COMMAND
    ) -> None:
        self._owner, self._command = owner, command
        self.memory = new_memory(count)
        self.workers = [WorkerProcess(number) for number in range(count)]
        self.replies: list[bytes] = []
        self._chosen = Bounded[str, int](MAX_HOSTS)
        self._frozen: list[tuple[str, Carried]] = []
        self._dying: list[subprocess.Popen[bytes]] = []
        self._answering = set[asyncio.Future[None]]()
        self._stopped = False

    def start(self) -> None:
        """Start all workers.

        Raises:
            OSError: the program cannot be executed. It is tried again.
        """
        self._stopped = False
        errors = [self._start(worker) for worker in self.workers]
        for error in filter(None, errors):
            raise error

    def configure(self) -> None:
        """Send the settings to all workers."""
        for worker in self.workers:
            if worker.channel is not None:
                worker.send(Settings(self._owner.settings(worker.number)))

    def worker_of(self, host: str) -> WorkerProcess:
        """The worker of a client address."""
        number = self._chosen.get(host)
        if number is None:
            load = Counter(self._chosen.values())
            number = min(range(len(self.workers)), key=lambda each: load[each])
        self._chosen.keep(host, number)
        return self.workers[number]

    def take(self, sock: socket.SocketType, host: str, netid: str, carried: Carried | None) -> None:
        """Give a connection to the worker of its client."""
        message = Moved(netid) if carried is None else Moved.of(carried)
        self._give(sock.detach(), host, message)

    def _give(self, descriptor: int, host: str, message: Moved) -> None:
        if self._stopped:
            os.close(descriptor)
            return
        worker = self.worker_of(host)
        try:
            if len(worker.waiting) >= MAX_WAITING:
                raise OSError
            copy = os.dup(descriptor)
        except OSError:  # also if too many files are open
            os.close(descriptor)
            return
        worker.waiting.append((descriptor, message))
        worker.send(message, copy)

    async def refresh(self) -> None:
        """Let all workers report; one that does not is not waited for."""
        asked = []
        for worker in self.workers:
            if worker.channel is not None:
                worker.reported = worker.reported or asyncio.get_running_loop().create_future()
                worker.send(ReportNow())
                asked.append(worker.reported)
        if asked:
            await asyncio.wait(asked, timeout=REPORT_TIME)

    async def freeze(self) -> list[Carried]:
        """Let all workers give their connections back, and end."""
        await self._end(Freeze())
        for worker in self.workers:
            while worker.waiting:
                descriptor, message = worker.waiting.popleft()
                worker.carried.append((host_of(descriptor), message.carried(descriptor)))
        self._frozen = [each for worker in self.workers for each in worker.carried]
        self.replies = [each for worker in self.workers for each in worker.replies]
        return [carried for _, carried in self._frozen]

    def thaw(self) -> None:
        """Start workers again, with the connections."""
        with suppress(OSError):  # it is logged, and tried again
            self.start()
        for host, carried in self._frozen:
            self._give(carried.descriptor, host, Moved.of(carried))
        self._frozen = []

    async def stop(self) -> None:
        """End all workers; calls in progress are answered."""
        await self._end(End())
        for worker in self.workers:
            while worker.waiting:
                os.close(worker.waiting.popleft()[0])

    def close(self) -> None:
        """Close the shared memory."""
        os.close(self.memory.descriptor)

    async def _end(self, message: WorkerMessage) -> None:
        self._stopped = True
        running = [worker for worker in self.workers if worker.channel is not None]
        for worker in self.workers:
            worker.carried, worker.replies = [], []
            worker.send(message)
        if running:
            await asyncio.wait([worker.ended for worker in running], timeout=PATIENCE)
        for worker in running:
            self._lost(worker)
        until = time.monotonic() + PATIENCE
        while self._reap() and time.monotonic() < until:
            await asyncio.sleep(REAP_EVERY)

    def _reap(self) -> bool:
        """Forget the processes that are gone. Returns whether some are left.

        One that waits for a disk cannot be killed: the server does not wait for it, either.
        """
        self._dying = [each for each in self._dying if each.poll() is None]
        return bool(self._dying)

    def _start(self, worker: WorkerProcess) -> OSError | None:
        """Start a worker. Returns the error if that fails."""
        if self._stopped or worker.channel is not None:
            return None
        worker.failures += 1
        self._reap()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                worker.process = subprocess.Popen(
                    self._command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, process_group=0
                )
            except OSError as error:
                log.error("cannot start worker %d: %s", worker.number + 1, error.strerror)
                self._start_later(worker)
                return error
            sock = ours.dup()
        worker.starts += 1
        worker.ended = asyncio.get_running_loop().create_future()
        worker.channel = WorkerChannel(
            sock, partial(self._received, worker), partial(self._lost, worker)
        )
        worker.send(Settings(self._owner.settings(worker.number)), os.dup(self.memory.descriptor))
        for replies in self.replies:
            worker.send(KeptReplies(replies))
        for descriptor, message in worker.waiting:
            worker.send(message, os.dup(descriptor))
        return None

    def _start_later(self, worker: WorkerProcess) -> None:
        delay = min(SLOWEST, RESTART * 2 ** max(0, worker.failures - 1))
        asyncio.get_running_loop().call_later(delay, self._start, worker)

    def _lost(self, worker: WorkerProcess) -> None:
        """A worker has ended, or is to end now; start it again unless all are to end."""
        channel, process, worker.channel = worker.channel, worker.process, None
        if channel is None or process is None:
            return
        channel.close()
        process.kill()
        self._dying.append(process)
        worker.process, worker.report = None, WorkerReport()
        for future in (worker.ended, worker.reported):
            if future is not None and not future.done():
                future.set_result(None)
        self.memory.verifier.renew()  # also if they are thawed: its descriptors are closed
        self.memory.others.forget(worker.number + 1)
        if self._stopped:
            return
        log.error("worker %d has ended; its clients connect again", worker.number + 1)
        self._start_later(worker)

    def _received(self, worker: WorkerProcess, data: bytes, descriptor: int | None) -> None:
        message = from_worker(data)
        match message:
            case Forwarded():
                self._answer(worker, message)
            case WorkerReport():
                worker.report, worker.failures = message, 0
                self._owner.add(message)
                if worker.reported is not None:
                    worker.reported.set_result(None)
                    worker.reported = None
            case Taken():
                os.close(worker.waiting.popleft()[0])
            case LogLine():
                logging.getLogger(message.logger).log(message.level, message.text)
            case Moved():
                assert descriptor is not None, "a connection comes with its descriptor"
                worker.carried.append((host_of(descriptor), message.carried(descriptor)))
            case KeptReplies():
                worker.replies.append(message.replies)
            case Frozen() if not worker.ended.done():
                worker.ended.set_result(None)

    def _answer(self, worker: WorkerProcess, call: Forwarded) -> None:
        answer = self._owner.answer(call)
        if answer is None or isinstance(answer, bytes):
            worker.send(Answered(call.number, answer))
            return
        channel = worker.channel

        async def wait() -> None:
            reply = await answer
            if worker.channel is channel:  # else the number is that of another process
                worker.send(Answered(call.number, reply))

        task = asyncio.ensure_future(wait())
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


def host_of(descriptor: int) -> str:
    """The client address of a connection; empty if the client is gone."""
    sock = socket.socket(fileno=descriptor)
    try:
        host: str = sock.getpeername()[0]
    except OSError:
        return ""
    finally:
        sock.detach()
    return host.partition("%")[0]
