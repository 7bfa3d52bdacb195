"""The command ``nfsd status``: the state of the server on one screen."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import msgspec

from oncrpc.cli.command import complain, run, safe_text
from oncrpc.cli.daemons.control_client import RUNNING, NoStatus, add_place, place_of, status_of
from oncrpc.cli.daemons.kind import CommandParser
from oncrpc.cli.daemons.text import (
    SHORTEST,
    Lines,
    called,
    common_lines,
    counted,
    duration,
    host_and_port,
    labelled,
    listed,
    policy,
    rate,
    size,
    table,
)
from oncrpc.cli.nfsd.kind import KIND
from oncrpc.cli.nfsd.lock_lines import LOCKS, NUMBERS, lock_rows, lock_summary, monitor_summary
from oncrpc.daemon.control.status import CallsReport, ProcedureCalls, ServedSocket
from oncrpc.nfs.daemon.lock_status import LocksStatus
from oncrpc.nfs.daemon.status import (
    ClientCalls,
    ExportedDirectory,
    MapperState,
    NfsdStatus,
    OpenFile,
    WorkerStatus,
)
from oncrpc.numbers import program_name

DESCRIPTION = """\
Shows the state of the NFS server of this host: its sockets, connections and calls, its exports and
what is wrong with them, and its clients. The exit status is 0 if it runs, 3 if it does not, and 4
if that is unknown."""

MODES = {
    "root": "root: works as the user of each call, with the kernel's handles",
    "handles": "CAP_DAC_READ_SEARCH only: all work as {user}, with the kernel's handles",
    "plain": "no capability: all work as {user}, with handles of a table",
}
ROLES = {"mapper": "port mapper"}
"""What the ports beside that of NFS are for; other roles are the names of programs."""

CALLS = ("procedure", "calls", "a second", "ms each")
EXPORTS = ("export", "ids", "mounts", "clients")
CLIENTS = ("client", "calls", "connections", "last call")
FILES = ("open file", "client", "open for", "idle", "unsynced")
RIGHT = frozenset(
    {"calls", "a second", "ms each", "mounts", "connections", "open for", "idle", "unsynced"}
)
MOST_CLIENTS = MOST_FILES = MOST_LOCKS = 10


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = CommandParser(prog="nfsd status", description=DESCRIPTION, add_help=False)
    made.add_argument("--json", action="store_true", help="print it as JSON, for programs")
    add_place(made, KIND)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the daemon and print its status; returns the exit status."""
    options = parser().parse_args(arguments)
    return run("nfsd status", lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    try:
        status = status_of(place_of(options, KIND), KIND)
    except NoStatus as none:
        complain(f"nfsd: {none}")
        return none.status
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        print("\n".join(status_lines(status)))
    return RUNNING


def status_lines(status: NfsdStatus) -> Iterator[str]:
    """All lines of the text form."""
    yield from summary_lines(status)
    if status.calls.total:
        yield ""
        rows = [call_row(each, status.calls) for each in called(status)]
        yield from table(CALLS, rows, right=RIGHT)
    if status.exports:
        yield ""
        yield from table(EXPORTS, map(_export_row, status.exports), right=RIGHT)
    elif has_files(status):
        yield from ("", "nothing is exported")
    if status.clients:
        yield ""
        yield from table(CLIENTS, map(client_row, status.clients[:MOST_CLIENTS]), right=RIGHT)
    if status.files:
        yield ""
        yield from table(FILES, map(file_row, status.files[:MOST_FILES]), right=RIGHT)
        left = status.open_files - len(status.files[:MOST_FILES])
        yield from [f"and {left} more"] if left else []
    if status.locks is not None and status.locks.listed:
        yield from ("", *_locks(status.locks))
    for fault in status.faults:
        yield f"{fault.severity}: {safe_text(fault.text)}"


def has_files(status: NfsdStatus) -> bool:
    """Whether a program is served that needs exports: the status monitor alone does not."""
    return any(not program.startswith("status ") for program in status.programs)


def _locks(locks: LocksStatus) -> Iterator[str]:
    rows = list(lock_rows(locks))
    yield from table(LOCKS, rows[:MOST_LOCKS], right=NUMBERS)
    if len(rows) > MOST_LOCKS or locks.left_out:
        yield "and more; see 'nfsd locks'"


def summary_lines(status: NfsdStatus) -> Iterator[str]:
    """The lines above the tables."""
    yield f"nfsd {safe_text(status.version)}, process {status.pid}, up {duration(status.uptime)}"
    yield from labelled(_parts(status))


def _parts(status: NfsdStatus) -> Lines:
    if has_files(status):
        yield "mode", MODES.get(status.mode, status.mode).format(user=status.user)
    else:
        yield "user", status.user
    if has_files(status) and not status.local_users:
        who = "root" if status.user == "root" else f"root and {status.user}"
        yield "on this host", f"served over TCP, to {who} only"
    elif has_files(status) and status.peer_uid:
        yield "on this host", "served over TCP, to each user as itself (peer-uid)"
    yield "programs", listed(status.programs)
    yield from common_lines(status, _served_at)
    if status.ports:
        yield "other ports", listed(f"{name} {port}" for name, port in status.ports.items())
    yield "port mapper", _mapper(status.mapper)
    yield "policy", policy(status)
    yield "state", status.state or "not kept"
    if has_files(status):
        yield "mounts", f"{status.mounts}"
    yield "replies kept", f"{status.duplicates}"
    if status.workers:
        yield "workers", listed(map(_worker, status.workers))
    yield "open files", f"{status.open_files}, and {status.cached_files} for a moment"
    if status.locks is not None:
        yield from lock_summary(status.locks)
    if status.monitor is not None:
        yield from monitor_summary(status.monitor)


def _worker(each: WorkerStatus) -> str:
    """A worker process, and how often it had to be started again."""
    if not each.pid:
        return f"{each.number} does not run"
    again = f", started {counted(each.starts, 'time')}" if each.starts > 1 else ""
    return f"process {each.pid} ({counted(each.connections, 'connection')}{again})"


def _served_at(served: ServedSocket) -> str:
    """The address of a socket, and what its port is for if it has a purpose of its own."""
    place = host_and_port(served)
    return f"{place} ({ROLES.get(served.role, served.role)})" if served.role else place


def _mapper(mapper: MapperState) -> str:
    if mapper.kind == "own":
        return f"our own, on port {mapper.port}"
    if mapper.kind == "none":
        return "none"
    if mapper.fault is None:
        return "of this host, not asked yet"
    return f"of this host, {mapper.fault}" if mapper.fault else "of this host, registered"


def call_row(each: ProcedureCalls, calls: CallsReport) -> tuple[str, ...]:
    """The row of a procedure, without a rate right after the start."""
    program = program_name(each.program) or f"{each.program}"
    lately = "-" if calls.since < SHORTEST else rate(each.rate)
    name = f"{program} {safe_text(each.procedure)} v{each.version}"
    return name, f"{each.calls}", lately, _milliseconds(each, calls)


def _milliseconds(each: ProcedureCalls, calls: CallsReport) -> str:
    """The time that a call took on average: of all calls, or of those since the last refresh."""
    count = each.rate * calls.window if calls.refreshed else each.calls
    if each.seconds is None or not count:
        return "-"
    return f"{1000 * each.seconds / count:.2f}"


def _export_row(each: ExportedDirectory) -> tuple[str, ...]:
    clients = [safe_text(client.partition("(")[0]) for client in each.clients]
    return safe_text(each.path), each.ids, f"{each.mounts}", listed(clients)


def client_row(each: ClientCalls) -> tuple[str, ...]:
    """The row of a client."""
    ago = f"{duration(each.idle, units=1)} ago"
    return safe_text(each.host), f"{each.calls}", f"{each.connections}", ago


def file_row(each: OpenFile) -> tuple[str, ...]:
    """The row of an open file."""
    times = duration(each.age, units=1), duration(each.idle, units=1)
    return safe_text(each.path), safe_text(each.client or "-"), *times, size(each.unsynced)
