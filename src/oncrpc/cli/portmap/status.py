"""The command ``portmap status``: the state of the daemon on one screen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from oncrpc.cli.command import complain, printable, run, safe_text
from oncrpc.cli.portmap.control_client import (
    RUNNING,
    NoStatus,
    add_place,
    place_of,
    status_of,
)
from oncrpc.cli.portmap.options import CommandParser
from oncrpc.daemon.control.status import CallsReport, ProcedureCalls
from oncrpc.portmap.status import Registered, Status

DESCRIPTION = """\
Shows the state of the port mapper of this host: its sockets, connections and calls, refused calls,
and every registration with its age and whether its server is there. The exit status is 0 if it
runs, 3 if it does not, and 4 if that is unknown."""

LABEL = 14
SHORTEST = 1.0
"""Seconds from the start on after which calls per second mean something."""

UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
SIZES = ("bytes", "KiB", "MiB", "GiB")
DROPS = {
    "rate": "over their rate",
    "busy": "while too busy",
    "malformed": "that were no call",
    "overlong": "replies too long",
    "kernel": "by the kernel",
}
"""The text for each count of datagrams."""

RIGHT = {"version", "age", "calls", "a second"}
"""Columns of numbers."""

CALLS = ("procedure", "calls", "a second")
REGISTRATIONS = ("program", "name", "version", "netid", "address", "owner", "age", "endpoint")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = CommandParser(prog="portmap status", description=DESCRIPTION, add_help=False)
    made.add_argument("--json", action="store_true", help="print it as JSON, for programs")
    add_place(made)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the daemon and print its status; returns the exit status."""
    options = parser().parse_args(arguments)
    return run("portmap status", lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    try:
        status = status_of(place_of(options))
    except NoStatus as none:
        complain(f"portmap: {none}")
        return none.status
    print(as_json(status) if options.json else "\n".join(status_lines(status)))
    return RUNNING


def as_json(status: Status) -> str:
    """The status as sent by the control socket, indented."""
    return msgspec.json.format(msgspec.json.encode(status), indent=2).decode()


def status_lines(status: Status) -> Iterator[str]:
    """All lines of the text form."""
    yield from summary_lines(status)
    if status.calls.total:
        yield ""
        yield from table(CALLS, [call_row(each, status.calls) for each in called(status)])
    yield ""
    yield from table(REGISTRATIONS, map(registration_row, status.registrations))
    left = status.registered - len(status.registrations)
    if left:
        yield f"and {left} more"


def summary_lines(status: Status) -> Iterator[str]:
    """The lines above the tables."""
    yield f"portmap {safe_text(status.version)}, process {status.pid}, up {duration(status.uptime)}"
    for label, said in _parts(status):
        yield f"{safe_text(label):<{LABEL}}{safe_text(said)}"


def _parts(status: Status) -> Iterator[tuple[str, str]]:
    calls = status.calls
    yield from _sockets(status)
    yield "connections", _listed(f"{netid} {n}" for netid, n in status.connections.items())
    lately = "" if calls.since < SHORTEST else f", {rate(calls.rate)} a second lately"
    yield "calls", f"{calls.total} in {duration(calls.since)}{lately}"
    yield "refused", _listed(f"{n} {kind}" for kind, n in status.refusals.items() if n)
    counts = msgspec.structs.asdict(status.drops)
    yield (
        "dropped",
        _listed(f"{counts[name]} {said}" for name, said in DROPS.items() if counts[name]),
    )
    pending = f"on, {status.forwarding.pending} calls under way"
    yield "forwarding", pending if status.forwarding.enabled else "off"
    yield "liveness", _liveness(status)
    yield "policy", f"{status.policy.file}, {counted(status.policy.rules, 'rule')}"
    yield "state", _state(status)
    if status.warm_start is not None:
        yield "warm start", status.warm_start
    yield "registrations", f"{status.registered}"


def _sockets(status: Status) -> Iterator[tuple[str, str]]:
    """A line for each netid with its addresses."""
    by_netid: dict[str, list[str]] = {}
    for each in status.sockets:
        by_netid.setdefault(each.netid, []).append(each.address)
    for netid, addresses in by_netid.items():
        yield netid, "  ".join(addresses)


def _state(status: Status) -> str:
    if status.state is None:
        return "not kept"
    return f"{status.state.directory}, journal {size(status.state.journal)}"


def _liveness(status: Status) -> str:
    checks = status.liveness
    if not checks.interval and checks.watched is None:
        return "off"
    parts = [f"every {duration(checks.interval)}"] if checks.interval else []
    if checks.watched is not None:
        parts.append(f"watching {counted(checks.watched, 'process', 'processes')}")
    if checks.last is not None:
        parts.append(f"last {duration(checks.last)} ago")
    return ", ".join([*parts, f"{checks.dropped} dropped"])


def called(status: Status) -> list[ProcedureCalls]:
    """The procedures that were called, the most frequent first."""
    found = [each for each in status.calls.procedures if each.calls]
    return sorted(found, key=lambda each: (-each.rate, -each.calls))


def call_row(each: ProcedureCalls, calls: CallsReport) -> tuple[str, ...]:
    """The row of a procedure, without a rate right after the start."""
    lately = "-" if calls.since < SHORTEST else rate(each.rate)
    return f"{safe_text(each.procedure)} v{each.version}", str(each.calls), lately


def registration_row(each: Registered, *, units: int = 2) -> tuple[str, ...]:
    """The row of a registration, escaped; its age in that many units."""
    chosen = (each.netid, each.address, each.owner)
    return (
        str(each.program),
        safe_text(each.name or "-"),
        str(each.version),
        *(printable(text.encode("utf-8", "replace")) for text in chosen),
        duration(each.age, units=units),
        each.endpoint,
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Aligned columns under their heads."""
    lines = [tuple(heads), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(heads, line, widths, strict=True)
        aligned = (f"{cell:>{w}}" if head in RIGHT else f"{cell:<{w}}" for head, cell, w in cells)
        yield "  ".join(aligned).rstrip()


def duration(seconds: float, *, units: int = 2) -> str:
    """A time in its largest units: ``3 d 4 h``."""
    left, parts = max(int(seconds), 0), list[str]()
    for unit, name in UNITS:
        count, left = divmod(left, unit)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:units]) or "0 s"


def rate(per_second: float) -> str:
    """A rate with its significant digits."""
    return f"{per_second:.0f}" if per_second >= 100 else f"{per_second:.1f}"


def size(count: float) -> str:
    """A number of bytes."""
    unit = 0
    while count >= 1024 and unit < len(SIZES) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.{min(unit, 1)}f} {SIZES[unit]}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "none"


if __name__ == "__main__":
    sys.exit(main())
