"""The status of a daemon: the part that every daemon has, as pure data.

The fields are described in ``docs/reference/control.md``; the control socket sends them. An
application's status is a subclass of ``CommonStatus`` (``Application.report``).
"""

from __future__ import annotations

from msgspec import Struct


class ServedSocket(Struct, frozen=True, omit_defaults=True):
    """A socket that is served: its universal address, or its path; the role of its port if any."""

    netid: str
    address: str
    role: str = ""


class ProcedureCalls(Struct, frozen=True, omit_defaults=True):
    """A procedure: the calls so far, and the calls a second lately.

    ``seconds`` is the time that those calls took together that have ended; None if that is not
    counted.
    """

    version: int
    procedure: str
    calls: int
    rate: float
    program: int = 0
    seconds: float | None = None


class CallsReport(Struct, frozen=True, omit_defaults=True):
    """All calls. ``since`` and ``window``: the seconds that the totals and the rates cover.

    ``refreshed``: the seconds of the procedures are those of the window too (``top``).
    """

    total: int
    rate: float
    since: float
    window: float
    procedures: list[ProcedureCalls]
    refreshed: bool = False


class Drops(Struct, frozen=True):
    """Datagrams that were not answered, or answered with an error, by cause."""

    rate: int
    busy: int
    malformed: int
    overlong: int
    kernel: int


class RulesRead(Struct, frozen=True):
    """The configuration file, the number of its rules, and whether it is missing."""

    file: str
    rules: int
    missing: bool = False


class CommonStatus(Struct, frozen=True, kw_only=True):
    """The status of any daemon; ``uptime`` in seconds."""

    version: str
    pid: int
    uptime: float
    sockets: list[ServedSocket]
    connections: dict[str, int]
    calls: CallsReport
    refusals: dict[str, int]
    drops: Drops
    policy: RulesRead
    reloads: dict[str, int] = {}
    reload_fault: str = ""
