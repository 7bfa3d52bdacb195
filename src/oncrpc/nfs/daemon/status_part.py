"""The status monitor as a part of the server: its program, its file, and its status."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice

from oncrpc.nfs.daemon.config_values import AUTO, HOST
from oncrpc.nfs.daemon.lock_status import (
    LockingClient,
    MonitorStatus,
    NoticeCounts,
    WatchedProgram,
)
from oncrpc.nfs.daemon.part import Part, Site
from oncrpc.nfs.daemon.vocabulary import STATUS
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.former import STATD
from oncrpc.nfs.nsm.monitor import KERNEL_STATE, StatusMonitor
from oncrpc.nfs.nsm.program import StatusProgram
from oncrpc.rpc import Service

MAX_LISTED = 256
"""Hosts of each kind that are listed."""


class StatusPart(Part):
    """NSM, the program ``status``, which the lock manager uses without calls."""

    name = STATUS

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        of_host = site.daemon.config.daemon.port_mapper in (AUTO, HOST) and os.geteuid() == 0
        kernel_state = KERNEL_STATE if of_host else ""
        former = STATD if of_host and site.state.directory is not None else ""
        self.monitor = StatusMonitor(site.state.directory, former=former, kernel_state=kernel_state)
        site.monitor = self.monitor

    def services(self) -> Sequence[Service]:
        """Its only version."""
        return [StatusProgram(self.monitor)]

    def start(self, left: bytes | None) -> None:
        """Read whom it watches; a start that has lost locks plans the notices."""
        self.monitor.load(left)

    def announce(self) -> None:
        """Tell the hosts that were watched."""
        self.monitor.start()

    def faults(self) -> Iterable[str]:
        """Why hosts are not watched."""
        return self.monitor.faults()

    def settle(self) -> None:
        """Write pending changes."""
        self.monitor.settle()

    def leave(self) -> bytes:
        """Whom it watches, if no file has it."""
        return self.monitor.leave()

    async def stop(self) -> None:
        """Stop telling, and write pending changes."""
        await self.monitor.stop()

    def report(self) -> MonitorStatus:
        """Its status."""
        kept, found, counts = self.monitor.kept, self.monitor.report(), self.monitor.counts
        watched = islice(kept.monitors.values(), MAX_LISTED)
        return MonitorStatus(
            state=found.state,
            watched=found.clients,
            clients=[shown_client(each.client) for each in islice(kept.peers.values(), MAX_LISTED)],
            programs=[
                WatchedProgram(each.mon_name.decode("ascii", "replace"), each.prog)
                for each in watched
            ],
            pending=found.notifying,
            unreachable=found.unreachable,
            notices=[each.host for each in islice(kept.notices.values(), MAX_LISTED)],
            counts=NoticeCounts(
                **{name: getattr(counts, name) for name in NoticeCounts.__struct_fields__}
            ),
        )


def shown_client(client: LockClient) -> LockingClient:
    """A client, with its name as text."""
    return LockingClient(client.host, client.name.decode("utf-8", "replace"))
