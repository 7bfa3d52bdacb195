"""Metrics of the lock manager and of the status monitor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from oncrpc.daemon.web.metrics import Families
from oncrpc.nfs.daemon.lock_part import LockPart
from oncrpc.nfs.daemon.status_part import StatusPart
from oncrpc.nfs.locks.terms import LockOutcome
from oncrpc.nfs.nlm.callbacks import ACCEPTED, REFUSED, UNANSWERED

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from oncrpc.nfs.daemon.app import Nfsd


def lock_metrics(app: Nfsd, families: Families) -> Iterator[Metric]:
    """Those of the parts that are served."""
    locks, monitor = app.part(LockPart), app.part(StatusPart)
    if locks is not None:
        yield from _locks(locks, families)
    if monitor is not None:
        yield from _monitor(monitor, families)


def _locks(part: LockPart, families: Families) -> Iterator[Metric]:
    counts, grace = part.manager.counts(), part.manager.report(most=1).grace
    numbers = {
        "locks": ("Locks that clients hold.", counts.locks),
        "locks_waiting": ("Requests that wait for a lock.", counts.waiting),
        "locks_offered": (
            "Locks that were granted to a request that waited, and not accepted yet.",
            len(part.program.callbacks),
        ),
        "lock_shares": ("DOS shares that clients hold.", counts.shares),
        "locked_files": ("Files that have locks.", counts.files),
        "lock_clients": ("Clients that have locks.", counts.clients),
        "grace_clients": (
            "Clients that have not claimed all their locks again.",
            0 if grace is None else len(grace.awaited),
        ),
        "grace_seconds": (
            "Seconds that the grace period can still last; 0 if there is none.",
            0 if grace is None else grace.seconds_left,
        ),
    }
    for name, (text, value) in numbers.items():
        yield families.gauge(name, text, value)
    outcomes = part.program.procedures.outcomes
    yield families.counts(
        "lock_requests",
        "Calls of LOCK by outcome.",
        "outcome",
        {each.value: outcomes[each] for each in LockOutcome},
    )
    told = part.program.callbacks.outcomes
    yield families.counts(
        "lock_callbacks",
        "Locks that were granted to a request that waited: how the client answered.",
        "outcome",
        {each: told[each] for each in (ACCEPTED, REFUSED, UNANSWERED)},
    )


def _monitor(part: StatusPart, families: Families) -> Iterator[Metric]:
    found, counts = part.monitor.report(), part.monitor.counts
    numbers = {
        "monitored_clients": ("Clients of the lock manager that are watched.", found.clients),
        "monitored_hosts": ("Hosts that are watched for other programs.", found.monitors),
        "notices_pending": ("Hosts that are being told of a restart.", found.notifying),
        "notices_unreachable": ("Hosts that could not be told of it.", found.unreachable),
    }
    for name, (text, value) in numbers.items():
        yield families.gauge(name, text, value)
    yield families.counts(
        "notices",
        "Notices of restarts: heard from other hosts and refused, sent to them and unanswered.",
        "outcome",
        {
            "heard": counts.heard,
            "refused": counts.refused,
            "sent": counts.sent,
            "unanswered": counts.unanswered,
        },
    )
