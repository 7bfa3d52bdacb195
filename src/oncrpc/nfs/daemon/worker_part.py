"""The worker processes as a part of ``nfsd``: what they are told, and what they leave to it.

The server keeps MOUNT, NLM, NSM, RQUOTA, all of UDP, the control socket and the web page. A worker
serves NFS and NFSACL on the TCP connections that it is given, and forwards all other calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from typing import TYPE_CHECKING

from oncrpc.daemon.config.values import StartError
from oncrpc.errors import ProtocolError
from oncrpc.nfs.daemon.status import OpenFile, WorkerStatus
from oncrpc.nfs.daemon.worker_reports import add_report
from oncrpc.nfs.daemon.worker_settings import WorkerSettings, levels, pickled
from oncrpc.nfs.workers.messages import Forwarded, WorkerReport
from oncrpc.nfs.workers.processes import COMMAND, WorkerProcesses
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Reply

if TYPE_CHECKING:
    from oncrpc.nfs.daemon.app import Nfsd


class NfsdWorkers:
    """The owner of the workers of a server. ``processes`` is the deputy of its listeners."""

    def __init__(self, app: Nfsd, count: int) -> None:
        self.app = app
        self.processes = WorkerProcesses(count, self)

    def start(self, replies: Sequence[bytes]) -> None:
        """Start the workers; ``replies`` are those of the workers of an earlier image.

        Raises:
            StartError: they cannot be started, and there is no earlier image.
        """
        self.processes.replies = [*replies]
        self.app.exported.changed = self.processes.configure
        try:
            self.processes.start()
        except OSError as error:
            if self.app.daemon.former is None:
                reason = (error.strerror or str(error)).lower()
                text = f"cannot run {COMMAND[0]} in a worker process: {reason}; set workers = 1"
                raise StartError(text) from None

    def settings(self, number: int) -> bytes:
        """What a worker needs to know."""
        app = self.app
        keys = app.state.keys
        return pickled(
            WorkerSettings(
                number=number,
                workers=len(self.processes.workers),
                config=app.daemon.config,
                table=app.exported.exports.table,
                key=keys.key,
                tags=dict(keys.tags.known),
                levels=levels(),
            )
        )

    def answer(self, call: Forwarded) -> Reply | Awaitable[Reply]:
        """Answer a call that a worker does not serve."""
        caller = Caller(call.netid, call.source, call.local, loopback=call.loopback)
        try:
            return self.app.daemon.server.dispatcher.handle(call.message, caller)
        except ProtocolError:  # a worker forwards calls only
            return None

    def add(self, report: WorkerReport) -> None:
        """Count what a worker has done."""
        add_report(self.app, report)

    def connections(self) -> Counter[str]:
        """Open connections, by netid."""
        return sum((Counter(each.connections) for each in self._reports()), Counter())

    def hosts(self) -> Counter[str]:
        """Open connections, by client."""
        return sum((Counter(each.hosts) for each in self._reports()), Counter())

    def total(self, field: str) -> int:
        """The sum of a number in the reports."""
        return sum(getattr(each, field) for each in self._reports())

    def files(self) -> list[OpenFile]:
        """Some of those files."""
        return [
            OpenFile(each.path, each.client, each.age, each.idle, each.unsynced)
            for found in self._reports()
            for each in found.files
        ]

    def status(self) -> list[WorkerStatus]:
        """The workers."""
        return [
            WorkerStatus(
                each.number + 1, each.pid, sum(each.report.connections.values()), each.starts
            )
            for each in self.processes.workers
        ]

    def faults(self) -> Iterator[str]:
        """Workers that do not run."""
        for each in self.processes.workers:
            if not each.pid:
                yield f"worker {each.number + 1} does not run"

    def _reports(self) -> Sequence[WorkerReport]:
        return [each.report for each in self.processes.workers]
