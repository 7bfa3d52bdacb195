"""The status of a port mapper, as pure data: ``docs/reference/control.md`` describes the fields."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from oncrpc.daemon.control.status import CommonStatus

Endpoint = Literal["alive", "gone", "unknown"]


class Registered(Struct, frozen=True):
    """A registration; ``age`` in seconds."""

    program: int
    name: str | None
    version: int
    netid: str
    address: str
    owner: str
    age: float
    endpoint: Endpoint


class Changes(Struct, frozen=True):
    """The SETs and UNSETs of a version that succeeded."""

    version: int
    set: int
    unset: int


class StateFiles(Struct, frozen=True):
    """Where the registrations are kept: the bytes of the journal, its changes, failed writes."""

    directory: str
    journal: int
    appends: int = 0
    failures: int = 0


class Checks(Struct, frozen=True):
    """The checks of the registered servers; ``last``: seconds since the last one."""

    interval: float
    watched: int | None
    last: float | None
    dropped: int
    checks: int = 0


class Forwarding(Struct, frozen=True):
    """Whether calls are forwarded, and how many are in progress."""

    enabled: bool
    pending: int


class Status(CommonStatus, frozen=True, kw_only=True):
    """The status of a port mapper."""

    forwarding: Forwarding
    liveness: Checks
    state: StateFiles | None
    warm_start: str | None
    registered: int
    registrations: list[Registered]
    changes: list[Changes]
