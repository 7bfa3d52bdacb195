"""The command ``portmap status``: the state of the daemon on one screen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import msgspec

from oncrpc.cli.command import complain, printable, run, safe_text
from oncrpc.cli.daemons.control_client import RUNNING, NoStatus, add_place, place_of, status_of
from oncrpc.cli.daemons.kind import CommandParser
from oncrpc.cli.daemons.text import (
    CALLS,
    Lines,
    call_row,
    called,
    common_lines,
    counted,
    duration,
    labelled,
    policy,
    size,
    table,
)
from oncrpc.cli.portmap.kind import KIND
from oncrpc.portmap.status import Registered, Status

DESCRIPTION = """\
Shows the state of the port mapper of this host: its sockets, connections and calls, refused calls,
and every registration with its age and whether its server is there. The exit status is 0 if it
runs, 3 if it does not, and 4 if that is unknown."""

REGISTRATIONS = ("program", "name", "version", "netid", "address", "owner", "age", "endpoint")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = CommandParser(prog="portmap status", description=DESCRIPTION, add_help=False)
    made.add_argument("--json", action="store_true", help="print it as JSON, for programs")
    add_place(made, KIND)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the daemon and print its status; returns the exit status."""
    options = parser().parse_args(arguments)
    return run("portmap status", lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    try:
        status = status_of(place_of(options, KIND), KIND)
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
    yield from labelled(_parts(status))


def _parts(status: Status) -> Lines:
    yield from common_lines(status)
    pending = f"on, {status.forwarding.pending} calls under way"
    yield "forwarding", pending if status.forwarding.enabled else "off"
    yield "liveness", _liveness(status)
    yield "policy", policy(status)
    yield "state", _state(status)
    if status.warm_start is not None:
        yield "warm start", status.warm_start
    yield "registrations", f"{status.registered}"


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


if __name__ == "__main__":
    sys.exit(main())
