"""The events of the web page of ``nfsd``.

The first events are ``daemon`` and all tables: ``calls``, ``exports``, ``mounts``, ``clients``,
``files``, ``locks`` and ``troubles``. Then come ``rates`` every second, tables that have changed,
and ``daemon`` every 5 seconds. Ages grow without an event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

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
from oncrpc.nfs.daemon import report
from oncrpc.nfs.daemon.explaining import shown_path, shown_text
from oncrpc.nfs.daemon.lock_status import HELD, LocksStatus
from oncrpc.nfs.daemon.status import MapperState, NfsdStatus
from oncrpc.numbers import program_name

if TYPE_CHECKING:
    from oncrpc.nfs.daemon.app import Nfsd

MAX_PAGE_ROWS = 64
"""Clients, open files, and locks on the page; those with the most calls, and those used last."""

KEPT_FOR = 1.0
"""Seconds for which the status as JSON is kept: making it takes time from the clients of NFS."""

MAX_PAGE_MOUNTS = 256
"""Mounts on the page."""


class NfsdIdentity(DaemonIdentity, frozen=True, kw_only=True):
    """Which server this is. ``names`` are those of the programs in ``calls``, by number."""

    mode: str
    user: str
    programs: list[str]
    mapper: MapperState
    state: str | None
    names: dict[int, str]


class NfsTraffic(TrafficEvent, frozen=True, kw_only=True):
    """What was called, and present numbers.

    ``grace`` are the seconds that the grace period may still last, for ``awaited`` clients; None if
    it is over.
    """

    clients: int
    exports: int
    mounts: int
    open_files: int
    locks: int
    waiting: int
    grace: float | None
    awaited: int


class MountedDirectory(Struct, frozen=True):
    """An entry of the mount list."""

    host: str
    path: str


class LockRow(Struct, frozen=True):
    """A lock, or a request for one: the file, who holds it, the bytes, its kind, its age."""

    path: str
    client: str
    process: int
    bytes: str
    lock: str
    seconds: float


def lock_rows_of(locks: LocksStatus) -> Iterator[LockRow]:
    """A row for each lock that is listed."""
    for file in locks.listed:
        path = file.path or f"{file.export or 'export that is gone'}, file {file.id}"
        for each in file.entries:
            client = f"{each.client.name} ({each.client.host})"
            state = "" if each.state == HELD else f", {each.state}"
            last = "" if each.end is None else f"{each.end - 1}"
            yield LockRow(
                shown_text(path),
                shown_text(client),
                each.process,
                f"{each.start}-{last}",
                f"{each.kind}{state}",
                each.seconds,
            )


def tables_of(app: Nfsd, status: NfsdStatus) -> Mapping[str, Sequence[Struct]]:
    """The tables of the page by the names of their events."""
    mounts = [
        MountedDirectory(host, shown_path(directory))
        for host, directory in islice(app.mounts, MAX_PAGE_MOUNTS)
    ]
    return {
        "calls": [each for each in status.calls.procedures if each.calls],
        "exports": status.exports,
        "mounts": mounts,
        "clients": status.clients[:MAX_PAGE_ROWS],
        "files": status.files[:MAX_PAGE_ROWS],
        "locks": []
        if status.locks is None
        else [*islice(lock_rows_of(status.locks), MAX_PAGE_ROWS)],
        "troubles": list(report.troubles(app)),
    }


ONCE = frozenset({"calls"})
"""Tables that are sent once: ``rates`` has what changes."""

STILL: Mapping[str, Callable[[Any], Struct]] = {
    "clients": lambda each: replace(each, idle=0.0),
    "files": lambda each: replace(each, age=0.0, idle=0.0),
    "locks": lambda each: replace(each, seconds=0.0),
}
"""A row without what changes while nothing happens."""


class NfsdEvents:
    """The events of an NFS server.

    ``_shown`` is what viewers have of each table. ``_json`` is the status until ``_json_until``.
    """

    def __init__(self, app: Nfsd) -> None:
        self.app = app
        self._called = CallRates(app.daemon)
        self._shown: dict[str, bytes] = {}
        self._looked_at = self._json_until = 0.0
        self._json = b""

    async def begin(self) -> None:
        """Note what was called, and what the tables have."""
        self._called.begin()
        self._looked_at = time.monotonic()
        for name, rows in tables_of(self.app, self._status()).items():
            self._shown[name] = _still(name, rows)

    def snapshot(self) -> bytes:
        """The events ``daemon``, and all tables."""
        status = self._status()
        tables = tables_of(self.app, status)
        return b"".join(
            [event("daemon", self._daemon(status)), *(event(*each) for each in tables.items())]
        )

    async def tick(self) -> list[bytes]:
        """The events since the last call."""
        if not self._called.due:
            return []
        status, now = self._status(), time.monotonic()
        found = [event("rates", self._rates(status)), *self._changed(status)]
        if now - self._looked_at >= live_events.LOOK:
            self._looked_at = now
            found.append(event("daemon", self._daemon(status)))
        return found

    async def status(self) -> bytes:
        """The whole status as JSON, made once a second at most."""
        now = time.monotonic()
        if now >= self._json_until:
            self._json = msgspec.json.encode(self._status())
            self._json_until = now + KEPT_FOR
        return self._json

    def _changed(self, status: NfsdStatus) -> Iterator[bytes]:
        """The tables that differ from those sent before."""
        for name, rows in tables_of(self.app, status).items():
            still = _still(name, rows)
            if name not in ONCE and still != self._shown.get(name):
                self._shown[name] = still
                yield event(name, rows)

    def _status(self) -> NfsdStatus:
        return self.app.report(common_status(self.app.daemon))

    def _daemon(self, status: NfsdStatus) -> NfsdIdentity:
        programs = sorted({version.prog for version in self.app.versions})
        return NfsdIdentity(
            **identity_of(status),
            mode=status.mode,
            user=status.user,
            programs=status.programs,
            mapper=status.mapper,
            state=status.state,
            names={number: program_name(number) or str(number) for number in programs},
        )

    def _rates(self, status: NfsdStatus) -> NfsTraffic:
        found, locks = self._called.event(status), status.locks
        grace = None if locks is None else locks.grace
        return NfsTraffic(
            **extended(
                found,
                clients=len(self.app.clients),
                exports=len(list(self.app.shares)),
                mounts=status.mounts,
                open_files=status.open_files,
                locks=0 if locks is None else locks.held,
                waiting=0 if locks is None else locks.waiting,
                grace=None if grace is None else grace.seconds,
                awaited=0 if grace is None else grace.clients,
            )
        )


def _still(name: str, rows: Sequence[Struct]) -> bytes:
    still = STILL.get(name)
    return msgspec.json.encode(rows if still is None else [still(each) for each in rows])
