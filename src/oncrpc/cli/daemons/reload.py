"""The word ``reload``: makes a daemon read its files again, or restart in place.

A daemon is found by its lock file, which also reports what came of a signal. One that has none, as
it has another port and no ``--pid-file``, is found by its control socket, and what came of a signal
is seen in its status.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import time
from collections.abc import Sequence
from typing import Any, Protocol

from oncrpc.cli.command import Failure, run
from oncrpc.cli.daemon_options import whole_path
from oncrpc.cli.daemons.control_client import (
    DaemonPlace,
    NoStatus,
    add_place,
    place_of,
    status_of,
)
from oncrpc.cli.daemons.kind import CommandParser, DaemonKind
from oncrpc.daemon import lockfile
from oncrpc.daemon.lockfile import SERVING, Holder
from oncrpc.host.processes import started_at

WAIT = 30.0
"""Seconds for the daemon to handle the signal."""

POLL = 0.02
DESCRIPTION = """\
Makes the running {title} read its files again (SIGHUP) or, with --exec, execute its program
again in the same process (SIGUSR2), and waits until it has done so."""


class ReloadError(Exception):
    """The daemon did not do it; the text says why."""


class Target(Protocol):
    """A daemon to signal."""

    pid: int

    @property
    def alive(self) -> bool:
        """The process still exists."""

    def outcome(self) -> str | None:
        """``SERVING`` or an error once the daemon has handled the signal, None before."""


def parser(kind: DaemonKind[Any]) -> argparse.ArgumentParser:
    """The options."""
    description = DESCRIPTION.format(title=kind.title)
    made = CommandParser(prog=f"{kind.name} reload", description=description, add_help=False)
    add = made.add_argument
    instead = f", instead of {kind.lock}" if kind.lock else ""
    add("--exec", action="store_true", help="execute the program again, without losing a call")
    add(
        "--pid-file", metavar="FILE", type=whole_path,
        help="the file with the process id of the daemon" + instead,
    )  # fmt: skip
    add_place(made, kind)
    made.add_common()
    return made


def main(kind: DaemonKind[Any], arguments: Sequence[str] | None = None) -> int:
    """Signal the daemon and report the outcome; returns the exit status."""
    options = parser(kind).parse_args(arguments)
    return run(f"{kind.name} reload", lambda: _execute(kind, options))


def _execute(kind: DaemonKind[Any], options: argparse.Namespace) -> int:
    number = signal.SIGUSR2 if options.exec else signal.SIGHUP
    try:
        target = _target(kind, options)
        outcome = _signalled(target, number)
        if outcome != SERVING:
            raise ReloadError(f"process {target.pid}: {outcome}")
    except (ReloadError, NoStatus) as error:
        raise Failure(f"{kind.name}: {error}") from None
    done = "runs the new image, and answers" if options.exec else "has read its files again"
    print(f"{kind.name}: process {target.pid} {done}")
    return 0


def _target(kind: DaemonKind[Any], options: argparse.Namespace) -> Target:
    """The running daemon, as its own options and its file describe it.

    Raises:
        ReloadError, NoStatus: none runs, or it cannot be found.
    """
    if options.pid_file:
        return LockedDaemon(options.pid_file, kind)
    place = place_of(options, kind)
    if place.locks and options.state_dir is None:
        return LockedDaemon(place.locks[0], kind)
    return ControlledDaemon(place, kind, executes=options.exec)


def _signalled(target: Target, number: signal.Signals) -> str:
    """The result of a signal.

    Raises:
        ReloadError: it cannot be sent, or nothing came of it.
    """
    try:
        os.kill(target.pid, number)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise ReloadError(f"cannot signal process {target.pid}: {reason}; run as root") from None
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if not target.alive:
            raise ReloadError(f"process {target.pid} has ended; see its log")
        outcome = target.outcome()
        if outcome is not None:
            return outcome
        time.sleep(POLL)
    raise ReloadError(f"process {target.pid} has not done it within {WAIT:g} s; see its log")


class LockedDaemon:
    """A daemon that is found by its lock file.

    Raises:
        ReloadError: none has locked the file, or the file cannot be read.
    """

    def __init__(self, path: str, kind: DaemonKind[Any]) -> None:
        self.path, self.before = path, _holder(path, kind)
        self.pid = self.before.pid

    @property
    def alive(self) -> bool:
        """The process still exists."""
        return self.before.alive

    def outcome(self) -> str | None:
        """The line that the daemon wrote into its file after the signal."""
        after = lockfile.read(self.path)
        if after is None or after.pid != self.pid or after.events <= self.before.events:
            return None
        return after.said


def _holder(path: str, kind: DaemonKind[Any]) -> Holder:
    """The process that has locked a file.

    Raises:
        ReloadError: there is none, or the file cannot be read.
    """
    try:
        holder = lockfile.read(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise ReloadError(
                f"no {kind.title} runs: {path} does not exist; see --port and --pid-file"
            ) from None
        reason = (error.strerror or "").lower()
        raise ReloadError(f"cannot read {path}: {reason}; run as root") from None
    if holder is None or not holder.alive or not lockfile.is_locked_by(path, holder.pid):
        raise ReloadError(f"no {kind.name} runs that has locked {path}; see --port and --pid-file")
    return holder


class ControlledDaemon:
    """A daemon that is found by its control socket.

    Raises:
        NoStatus: none answers.
    """

    def __init__(self, place: DaemonPlace, kind: DaemonKind[Any], *, executes: bool) -> None:
        self.place, self.kind, self.executes = place, kind, executes
        self.before, self.began = status_of(place, kind), time.monotonic()
        self.pid, self.started = self.before.pid, started_at(self.before.pid)

    @property
    def alive(self) -> bool:
        """The process still exists."""
        return self.started is not None and started_at(self.pid) == self.started

    def outcome(self) -> str | None:
        """The counts of the status: of reloads, or how long the image has run."""
        try:
            after = status_of(self.place, self.kind)
        except NoStatus:  # it does not listen while it restarts
            return None
        if self.executes:
            return SERVING if after.calls.since < time.monotonic() - self.began else None
        if after.reloads.get("failure", 0) > self.before.reloads.get("failure", 0):
            return after.reload_fault or "it could not read its files; see its log"
        grown = after.reloads.get("success", 0) > self.before.reloads.get("success", 0)
        return SERVING if grown else None
