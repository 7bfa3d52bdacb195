"""What a daemon says of itself: the shape of it, as pure data.

What the fields mean is in ``docs/reference/control.md``; they are what the control socket sends.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Endpoint = Literal["alive", "gone", "unknown"]


class Socket(Struct, frozen=True):
    """A socket that is served: its universal address, or its path."""

    netid: str
    address: str


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


class Procedure(Struct, frozen=True):
    """A procedure that was called: how often, and how often a second lately."""

    version: int
    procedure: str
    calls: int
    rate: float


class Calls(Struct, frozen=True):
    """All calls; ``since`` and ``window`` are the seconds that they and the rates are about."""

    total: int
    rate: float
    since: float
    window: float
    procedures: list[Procedure]


class Drops(Struct, frozen=True):
    """Datagrams that were not answered, or not as they should be."""

    rate: int
    busy: int
    malformed: int
    overlong: int
    kernel: int


class Changes(Struct, frozen=True):
    """The SETs and UNSETs of a version that were successes."""

    version: int
    set: int
    unset: int


class State(Struct, frozen=True):
    """Where the registrations are kept, the changes that were, and the failures to write."""

    directory: str
    journal: int
    appends: int = 0
    failures: int = 0


class Rules(Struct, frozen=True):
    """The policy file, and how many rules it has."""

    file: str
    rules: int


class Checks(Struct, frozen=True):
    """The checks whether servers are there; ``last`` is the age of the last one in seconds."""

    interval: float
    watched: int | None
    last: float | None
    dropped: int
    checks: int = 0


class Forwarding(Struct, frozen=True):
    """Whether calls are forwarded, and how many are under way."""

    enabled: bool
    pending: int


class Status(Struct, frozen=True):
    """What a daemon is doing; ``uptime`` in seconds."""

    version: str
    pid: int
    uptime: float
    sockets: list[Socket]
    connections: dict[str, int]
    calls: Calls
    refusals: dict[str, int]
    drops: Drops
    forwarding: Forwarding
    liveness: Checks
    policy: Rules
    state: State | None
    warm_start: str | None
    registered: int
    registrations: list[Registered]
    changes: list[Changes] = []
    reloads: dict[str, int] = {}
