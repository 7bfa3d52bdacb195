"""The status of a port mapper, read from its parts. Nothing is changed by reading."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from oncrpc.daemon.control.status import CommonStatus
from oncrpc.numbers import program_name
from oncrpc.portmap.getstat import FIRST_VERSION
from oncrpc.portmap.status import (
    Changes,
    Checks,
    Endpoint,
    Forwarding,
    Registered,
    StateFiles,
    Status,
)
from oncrpc.portmap.verdict import Verdict
from oncrpc.programs.rpcb import rpcb

if TYPE_CHECKING:
    from oncrpc.portmap.app import PortMapper

MAX_LISTED = 4096
"""Registrations that are listed; of the others only the number is reported."""

ENDPOINTS: dict[Verdict, Endpoint] = {Verdict.BOUND: "alive", Verdict.GONE: "gone"}


def status(app: PortMapper, common: CommonStatus, *, listed: int = MAX_LISTED) -> Status:
    """The status with the first ``listed`` registrations.

    Whether their servers are there is what ``Liveness.refresh`` found last.
    """
    drops = common.drops
    fields = asdict(common) | {
        "drops": replace(drops, overlong=drops.overlong + app.mapper.overlong)
    }
    warm = app.warm if app.warm is not None and app.warm.active else None
    return Status(
        **fields,
        forwarding=_forwarding(app),
        liveness=_checks(app),
        state=_state(app),
        warm_start=None if warm is None else warm.path,
        registered=len(app.registry),
        registrations=[_registered(app, e) for e in islice(app.registry, listed)],
        changes=_changes(app),
    )


def _forwarding(app: PortMapper) -> Forwarding:
    forwarder = app.forwarder
    return Forwarding(forwarder is not None, 0 if forwarder is None else len(forwarder))


def _checks(app: PortMapper) -> Checks:
    liveness = app.liveness
    at, now = liveness.checked_at, asyncio.get_running_loop().time()
    return Checks(
        interval=liveness.interval,
        watched=len(liveness.watch) if liveness.watching else None,
        last=None if at is None else now - at,
        dropped=liveness.dropped,
        checks=liveness.checks,
    )


def _state(app: PortMapper) -> StateFiles | None:
    store = app.store
    if store is None:
        return None
    return StateFiles(store.path, store.journal_size, store.appends, store.failures)


def _changes(app: PortMapper) -> list[Changes]:
    counted = app.mapper.statistics.changes()
    return [Changes(version, *each) for version, each in enumerate(counted, FIRST_VERSION)]


def _registered(app: PortMapper, entry: rpcb) -> Registered:
    alive = entry in app.own
    verdict = Verdict.BOUND if alive else app.liveness.seen(entry)
    return Registered(
        program=entry.r_prog,
        name=program_name(entry.r_prog),
        version=entry.r_vers,
        netid=entry.r_netid.decode("ascii", "replace"),
        address=entry.r_addr.decode("ascii", "replace"),
        owner=entry.r_owner.decode("ascii", "replace"),
        age=app.ages.age(entry),
        endpoint=ENDPOINTS.get(verdict, "unknown"),
    )
