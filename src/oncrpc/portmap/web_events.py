"""The events of the port mapper's web page: changes of the registry, and the rates of calls.

The first events are ``daemon`` and ``registry``, which has all registrations. Then come ``added``,
``removed`` and ``changed``, every second ``rates``, and every 5 seconds ``daemon``.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from oncrpc.daemon.common_status import common_status
from oncrpc.daemon.control.rates import Counts
from oncrpc.daemon.control.status import Drops, ProcedureCalls, RulesRead
from oncrpc.daemon.web.content import event
from oncrpc.portmap.getstat import FIRST_VERSION
from oncrpc.portmap.report import MAX_LISTED
from oncrpc.portmap.status import Registered, StateFiles, Status
from oncrpc.portmap.vocabulary import VERSIONS, VOCABULARY

if TYPE_CHECKING:
    from oncrpc.portmap.app import PortMapper

SECOND = 1.0
"""Seconds between two ``rates`` events."""

LOOK = 5.0
"""Seconds between two ``daemon`` events, and between two checks whether the servers are alive."""

RegistrationKey = tuple[int, int, str]


class RemovedRegistration(Struct, frozen=True):
    """The program, version and netid of a registration that was removed."""

    program: int
    name: str | None
    version: int
    netid: str


class RegistryListing(Struct, frozen=True):
    """The first registrations, and how many there are in all."""

    registered: int
    registrations: list[Registered]


class DaemonEvent(Struct, frozen=True):
    """Which daemon this is, and what it has counted by cause since its start."""

    host: str
    version: str
    pid: int
    uptime: float
    policy: RulesRead
    state: StateFiles | None
    connections: int
    refusals: dict[str, int]
    drops: Drops


class RatesEvent(Struct, frozen=True):
    """Calls a second since the last of these events, and present counts.

    ``time`` in Unix seconds. ``procedures`` has only those that were called. Refusals and drops
    count by cause, from the start.
    """

    time: float
    calls: float
    procedures: list[ProcedureCalls]
    registered: int
    connections: int
    refusals: dict[str, int]
    drops: Drops


class RegistryEvents:
    """The events of a port mapper.

    ``_shown`` is what the viewers have been told, at generation ``_generation`` of the registry.
    The listing is kept for a second, or until the registry changes.
    """

    def __init__(self, app: PortMapper) -> None:
        self.app = app
        self._shown: dict[RegistrationKey, Registered] = {}
        self._generation = -1
        self._counts: Counts = []
        self._listing, self._listing_of, self._listing_until = b"", -1, 0.0
        self._counted_at = self._looked_at = 0.0

    async def begin(self) -> None:
        """Note what is registered and what was called."""
        await self.app.liveness.refresh()
        self._shown = self._listed()
        self._generation = self.app.registry.generation
        self._counts = self.app.daemon.rates.count()
        self._counted_at = self._looked_at = time.monotonic()

    def snapshot(self) -> bytes:
        """The events ``daemon`` and ``registry``."""
        return event("daemon", self._daemon()) + event("registry", msgspec.Raw(self.listing()))

    async def registrations(self) -> bytes:
        """The registrations as JSON, with servers checked now."""
        await self.app.liveness.refresh()
        return self.listing()

    def listing(self) -> bytes:
        """The registrations as JSON; made once a second at most, unless they change."""
        now, generation = time.monotonic(), self.app.registry.generation
        if generation != self._listing_of or now >= self._listing_until:
            status = self._status()
            found = RegistryListing(status.registered, status.registrations)
            self._listing = msgspec.json.encode(found)
            self._listing_of, self._listing_until = generation, now + SECOND
        return self._listing

    async def tick(self) -> list[bytes]:
        """The events since the last call."""
        now, found = time.monotonic(), list[bytes]()
        looked = now - self._looked_at >= LOOK
        if looked:
            await self.app.liveness.refresh()
            self._looked_at = now
            found.append(event("daemon", self._daemon()))
        changed = self.app.registry.generation != self._generation
        if changed:  # check the new servers soon
            self._looked_at = min(self._looked_at, now - LOOK + SECOND)
        if looked or changed:
            found += self._changes()
        if now - self._counted_at >= SECOND:
            found.append(event("rates", self._rates()))
        return found

    def _changes(self) -> list[bytes]:
        """The differences from the events sent before."""
        before, now = self._shown, self._listed()
        self._shown, self._generation = now, self.app.registry.generation
        kinds: dict[str, list[Registered] | list[RemovedRegistration]] = {
            "removed": [_removed(each) for key, each in before.items() if key not in now],
            "added": [each for key, each in now.items() if key not in before],
            "changed": [
                each for key, each in now.items() if key in before and _differs(each, before[key])
            ],
        }
        found = [event(kind, each) for kind, each in kinds.items() if each]
        if found:
            self._listing_of = -1
        return found

    def _status(self, *, listed: int = MAX_LISTED) -> Status:
        return self.app.report(common_status(self.app.daemon), listed=listed)

    def _listed(self) -> dict[RegistrationKey, Registered]:
        found = self._status().registrations
        return {(each.program, each.version, each.netid.lower()): each for each in found}

    def _rates(self) -> RatesEvent:
        now, counts = time.monotonic(), self.app.daemon.rates.count()
        took = now - self._counted_at
        before, self._counts, self._counted_at = self._counts, counts, now
        called = [
            ProcedureCalls(
                version.vers, VOCABULARY.name(procedure), counts[row][number], grown / took
            )
            for version in VERSIONS
            for number, procedure in version.procedures.items()
            if (grown := counts[row := version.vers - FIRST_VERSION][number] - before[row][number])
        ]
        status = self._status(listed=0)
        return RatesEvent(
            time=time.time(),
            calls=sum(each.rate for each in called),
            procedures=called,
            registered=status.registered,
            connections=sum(status.connections.values()),
            refusals=status.refusals,
            drops=status.drops,
        )

    def _daemon(self) -> DaemonEvent:
        status = self._status(listed=0)
        return DaemonEvent(
            host=socket.gethostname(),
            version=status.version,
            pid=status.pid,
            uptime=status.uptime,
            policy=status.policy,
            state=status.state,
            connections=sum(status.connections.values()),
            refusals=status.refusals,
            drops=status.drops,
        )


def _removed(each: Registered) -> RemovedRegistration:
    return RemovedRegistration(each.program, each.name, each.version, each.netid)


def _differs(one: Registered, other: Registered) -> bool:
    """Other than in the age, which always differs."""
    return (one.address, one.owner, one.endpoint) != (other.address, other.owner, other.endpoint)
