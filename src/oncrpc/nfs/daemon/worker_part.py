"""The worker processes of ``nfsd``: their settings, their reports, and calls that they forward.

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
    """The workers of a server. ``processes`` is the deputy of its listeners."""

    def __init__(self, app: Nfsd, count: int) -> None:
        self.app = app
        self.processes = WorkerProcesses(count, self)

    def start(self, replies: Sequence[bytes]) -> None:
        """Start the workers; ``replies`` are the reply caches of the workers of an earlier image.

        Raises:
            StartError: they cannot be started, and this is not a restart in place.
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
        """The pickled settings of a worker."""
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
        """Answer a call that a worker has forwarded."""
        caller = Caller(call.netid, call.source, call.local, loopback=call.loopback)
        try:
            return self.app.daemon.server.dispatcher.handle(call.message, caller)
        except ProtocolError:  # not a call: a worker never forwards such a message
            return None

    def add(self, report: WorkerReport) -> None:
        """Add the counts of a worker to those of the server."""
        add_report(self.app, report)

    def connections(self) -> Counter[str]:
        """The number of connections of all workers, by netid."""
        return sum((Counter(each.connections) for each in self._reports()), Counter())

    def hosts(self) -> Counter[str]:
        """The number of connections of all workers, by client address."""
        return sum((Counter(each.hosts) for each in self._reports()), Counter())

    def total(self, field: str) -> int:
        """The sum of a field of the last reports."""
        return sum(getattr(each, field) for each in self._reports())

    def files(self) -> list[OpenFile]:
        """The open files that the workers have listed in their reports."""
        return [
            OpenFile(each.path, each.client, each.age, each.idle, each.unsynced)
            for found in self._reports()
            for each in found.files
        ]

    def status(self) -> list[WorkerStatus]:
        """The status of each worker."""
        return [
            WorkerStatus(
                each.number + 1, each.pid, sum(each.report.connections.values()), each.starts
            )
            for each in self.processes.workers
        ]

    def faults(self) -> Iterator[str]:
        """A line for each worker that does not run."""
        for each in self.processes.workers:
            if not each.pid:
                yield f"worker {each.number + 1} does not run"

    def _reports(self) -> Sequence[WorkerReport]:
        return [each.report for each in self.processes.workers]
