"""Start the worker processes of a server, and give them connections.

One worker serves all connections of a client address. So one process has the cached replies and the
open files of the client, and sees its calls in order, as in a server without workers. A new address
is given to the worker with the fewest addresses.

If a worker ends, the server starts it again. The data that it acknowledged are in the kernel or on
disk. But the descriptors that would report a failed sync are closed. So the server renews the write
verifier, and clients write uncommitted data again. The connections of the worker are closed, and
its clients connect again.
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
"""Client addresses with a known worker. Beyond, the one that connected longest ago is forgotten."""

MAX_WAITING = 256
"""Connections that wait for a worker. Further ones are closed, and clients connect again."""

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds from the end of a worker to its next start. They double after each failed start."""

PATIENCE = 3.0
"""Seconds to wait for a worker to end."""

REAP_EVERY = 0.01
"""Seconds between two checks whether a killed worker has ended."""

REPORT_TIME = 1.0
"""Seconds to wait for a report."""


class WorkersOwner(Protocol):
    """The server that the workers belong to."""

    def settings(self, number: int) -> bytes:
        """The pickled settings of a worker."""

    def answer(self, call: Forwarded) -> Awaitable[bytes | None] | bytes | None:
        """Answer a call of a program that workers do not serve."""

    def add(self, report: WorkerReport) -> None:
        """Add the counts of a worker to those of the server."""


class WorkerProcess:
    """A worker and its present process, which may end and start again.

    ``channel`` is None while no process runs. ``waiting`` has the connections that the worker has
    not confirmed. They stay open here too, so they are not lost if the worker ends before it reads
    from them. ``report`` is the last report, ``failures`` the number of starts since then.
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
        """The process id; 0 while no process runs."""
        return 0 if self.process is None else self.process.pid

    def send(self, message: WorkerMessage, descriptor: int | None = None) -> None:
        """Send a message, if the process runs; the descriptor is closed here in any case."""
        if self.channel is not None:
            self.channel.send(encode(message), descriptor)
        elif descriptor is not None:
            os.close(descriptor)


class WorkerProcesses:
    """All workers of a server, from ``start`` to ``stop``: the ``Deputy`` of its listeners.

    ``replies`` are the reply caches of the workers of an earlier image. After ``freeze`` there are
    no processes; ``_frozen`` has their connections, with the addresses of the clients.
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
            OSError: the program cannot be executed. The start is repeated later.
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
        """The worker for a client address."""
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
        except OSError:  # the worker has too many, or too many files are open
            os.close(descriptor)
            return
        worker.waiting.append((descriptor, message))
        worker.send(message, copy)

    async def refresh(self) -> None:
        """Ask all workers for a report, and wait up to ``REPORT_TIME`` for them."""
        asked = []
        for worker in self.workers:
            if worker.channel is not None:
                worker.reported = worker.reported or asyncio.get_running_loop().create_future()
                worker.send(ReportNow())
                asked.append(worker.reported)
        if asked:
            await asyncio.wait(asked, timeout=REPORT_TIME)

    async def freeze(self) -> list[Carried]:
        """Take the connections back from all workers, and end them."""
        await self._end(Freeze())
        for worker in self.workers:
            while worker.waiting:
                descriptor, message = worker.waiting.popleft()
                worker.carried.append((host_of(descriptor), message.carried(descriptor)))
        self._frozen = [each for worker in self.workers for each in worker.carried]
        self.replies = [each for worker in self.workers for each in worker.replies]
        return [carried for _, carried in self._frozen]

    def thaw(self) -> None:
        """Start the workers again, and give them the connections."""
        with suppress(OSError):  # logged, and repeated later
            self.start()
        for host, carried in self._frozen:
            self._give(carried.descriptor, host, Moved.of(carried))
        self._frozen = []

    async def stop(self) -> None:
        """End all workers, after they have answered the calls in progress."""
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
        """Forget the killed processes that have ended. Returns whether some are left.

        A process that waits for a disk cannot be killed, so ``_end`` gives up after a while.
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
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** max(0, worker.failures - 1))
        asyncio.get_running_loop().call_later(delay, self._start, worker)

    def _lost(self, worker: WorkerProcess) -> None:
        """End what is left of a worker, and start it again later, unless all workers stop."""
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
        self.memory.verifier.renew()  # the descriptors that report failed syncs are closed
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
            if worker.channel is channel:  # else a new process has reused the number
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
