"""The calls of NFS 3 that ``nfsd`` answers at once: when it may, and how they are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oncrpc.daemon.control.outcomes import Observed, ProcedureId
from oncrpc.nfs.fast.calls import FastNfs
from oncrpc.nfs.fast.counting import FastCalls, FastCounts
from oncrpc.nfs.server.sizes import AROUND, DATAGRAM, TransferSizes
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.program import Caller

if TYPE_CHECKING:
    from oncrpc.nfs.daemon.app import Nfsd


def fast_nfs(app: Nfsd, dispatcher: Dispatcher) -> FastNfs:
    """The calls at once, for an application and its dispatcher."""

    def is_open(caller: Caller) -> bool:
        return app.accepts_all(caller)

    sizes = TransferSizes.within(record=app.max_record, datagram=DATAGRAM + AROUND)
    counts = FastCounts(_Counting(app, dispatcher))
    return FastNfs(
        app.shares, app.nfs_duplicates, judge=dispatcher.auth, sizes=sizes, counts=counts,
        is_open=is_open,
    )  # fmt: skip


class _Counting:
    """Counts as ``Nfsd.count`` and ``Observed`` do."""

    def __init__(self, app: Nfsd, dispatcher: Dispatcher) -> None:
        self._app = app
        self._outcomes = dispatcher.outcomes if isinstance(dispatcher, Observed) else None

    def counted(self, calls: FastCalls) -> None:
        """Count calls of one procedure."""
        self._app.counts.add(NFS_V3.procedures[calls.number], calls.calls)
        self._app.clients.count(calls.caller.host, calls.calls)
        self._app.mounts.touch(calls.caller.host)
        if self._outcomes is not None:
            self._outcomes.succeeded(ProcedureId.of(NFS_V3.procedures[calls.number]), calls.seconds)

    def took(self, count: int, seconds: float) -> None:
        """Count a batch in the histogram."""
        if self._outcomes is not None:
            self._outcomes.took(count, seconds)
