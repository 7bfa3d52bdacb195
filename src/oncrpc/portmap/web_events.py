"""The events of the port mapper's web page: changes of the registry, and the rates of calls.

The first events are ``daemon`` and ``registry``, which has all registrations. Then come ``added``,
``removed`` and ``changed``, every second ``rates``, and every 5 seconds ``daemon``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from oncrpc.daemon import live_events
from oncrpc.daemon.common_status import common_status
from oncrpc.daemon.live_events import (
    CallRates,
    DaemonIdentity,
    TrafficEvent,
    extended,
    identity_of,
)
from oncrpc.daemon.web.content import event
from oncrpc.portmap.report import MAX_LISTED
from oncrpc.portmap.status import Registered, StateFiles, Status

if TYPE_CHECKING:
    from oncrpc.portmap.app import PortMapper

LISTED_FOR = 1.0
"""Seconds for which the listing is kept."""

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


class MapperIdentity(DaemonIdentity, frozen=True, kw_only=True):
    """Which daemon this is, and where it keeps the registrations."""

    state: StateFiles | None


class RegistryTraffic(TrafficEvent, frozen=True, kw_only=True):
    """What was called, and the number of registrations."""

    registered: int


class RegistryEvents:
    """The events of a port mapper.

    ``_shown`` is what the viewers have been told, at generation ``_generation`` of the registry.
    The listing is kept for a second, or until the registry changes.
    """

    def __init__(self, app: PortMapper) -> None:
        self.app = app
        self._shown: dict[RegistrationKey, Registered] = {}
        self._generation = -1
        self._called = CallRates(app.daemon)
        self._listing, self._listing_of, self._listing_until = b"", -1, 0.0
        self._looked_at = 0.0

    async def begin(self) -> None:
        """Note what is registered and what was called."""
        await self.app.liveness.refresh()
        self._shown = self._listed()
        self._generation = self.app.registry.generation
        self._called.begin()
        self._looked_at = time.monotonic()

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
            self._listing_of, self._listing_until = generation, now + LISTED_FOR
        return self._listing

    async def tick(self) -> list[bytes]:
        """The events since the last call."""
        now, found = time.monotonic(), list[bytes]()
        looked = now - self._looked_at >= live_events.LOOK
        if looked:
            await self.app.liveness.refresh()
            self._looked_at = now
            found.append(event("daemon", self._daemon()))
        changed = self.app.registry.generation != self._generation
        if changed:  # check the new servers soon
            self._looked_at = min(self._looked_at, now - live_events.LOOK + live_events.SECOND)
        if looked or changed:
            found += self._changes()
        if self._called.due:
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

    def _rates(self) -> RegistryTraffic:
        status = self._status(listed=0)
        found = self._called.event(status)
        return RegistryTraffic(**extended(found, registered=status.registered))

    def _daemon(self) -> MapperIdentity:
        status = self._status(listed=0)
        return MapperIdentity(**identity_of(status), state=status.state)


def _removed(each: Registered) -> RemovedRegistration:
    return RemovedRegistration(each.program, each.name, each.version, each.netid)


def _differs(one: Registered, other: Registered) -> bool:
    """Other than in the age, which always differs."""
    return (one.address, one.owner, one.endpoint) != (other.address, other.owner, other.endpoint)
