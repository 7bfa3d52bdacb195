"""Events that the pages of all daemons have: ``daemon`` and ``rates``.

``daemon`` says which daemon it is, ``rates`` what was called since the event before.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

from oncrpc.daemon.control.outcomes import Observed, ProcedureId
from oncrpc.daemon.control.rates import Counts
from oncrpc.daemon.control.status import CommonStatus, Drops, ProcedureCalls, RulesRead

if TYPE_CHECKING:
    from oncrpc.daemon.runtime import Runtime

SECOND = 1.0
"""Seconds between two ``rates`` events."""

LOOK = 5.0
"""Seconds between two ``daemon`` events."""


class DaemonIdentity(Struct, frozen=True, kw_only=True):
    """Which daemon this is, and what it has counted by cause since its start."""

    host: str
    version: str
    pid: int
    uptime: float
    policy: RulesRead
    connections: int
    refusals: dict[str, int]
    drops: Drops


class TrafficEvent(Struct, frozen=True, kw_only=True):
    """Calls a second since the last of these events, and present counts.

    ``time`` in Unix seconds. ``procedures`` has only those that were called; their ``seconds`` are
    the time that these calls took. Refusals and drops count by cause, from the start.
    """

    time: float
    calls: float
    procedures: list[ProcedureCalls]
    connections: int
    refusals: dict[str, int]
    drops: Drops


def identity_of(status: CommonStatus) -> dict[str, Any]:
    """The fields of ``DaemonIdentity``."""
    return {
        "host": socket.gethostname(),
        "version": status.version,
        "pid": status.pid,
        "uptime": status.uptime,
        "policy": status.policy,
        **traffic_of(status),
    }


def traffic_of(status: CommonStatus) -> dict[str, Any]:
    """The present counts that both events have."""
    return {
        "connections": sum(status.connections.values()),
        "refusals": status.refusals,
        "drops": status.drops,
    }


class CallRates:
    """What was called since ``begin``, or since the last ``event``."""

    def __init__(self, daemon: Runtime[Any]) -> None:
        self._daemon = daemon
        self._counts: Counts = []
        self._seconds: dict[ProcedureId, float] = {}
        self.counted_at = 0.0

    def begin(self) -> None:
        """Note what was called so far."""
        self._counts, self._seconds = self._daemon.rates.count(), self._took()
        self.counted_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether a second has passed."""
        return time.monotonic() - self.counted_at >= SECOND

    def event(self, status: CommonStatus) -> TrafficEvent:
        """The event, with the present counts of a status."""
        called = self._called()
        rate = sum(each.rate for each in called)
        return TrafficEvent(time=time.time(), calls=rate, procedures=called, **traffic_of(status))

    def _called(self) -> list[ProcedureCalls]:
        counts, seconds, then = self._counts, self._seconds, self.counted_at
        self.begin()
        app, took = self._daemon.app, self.counted_at - then
        return [
            ProcedureCalls(
                version.vers,
                app.vocabulary.name(procedure),
                row[number],
                grown / took,
                program=version.prog,
                seconds=self._spent(ProcedureId.of(procedure), seconds),
            )
            for version, row, before in zip(app.versions, self._counts, counts, strict=True)
            for number, procedure in sorted(version.procedures.items())
            if (grown := row[number] - before[number])
        ]

    def _spent(self, procedure: ProcedureId, before: dict[ProcedureId, float]) -> float | None:
        if not self._seconds:
            return None
        return self._seconds.get(procedure, 0.0) - before.get(procedure, 0.0)

    def _took(self) -> dict[ProcedureId, float]:
        dispatcher = self._daemon.server.dispatcher
        return dict(dispatcher.outcomes.seconds_of) if isinstance(dispatcher, Observed) else {}


def extended(made: Struct, **fields: Any) -> dict[str, Any]:
    """The fields of an event, and further ones."""
    return asdict(made) | fields
