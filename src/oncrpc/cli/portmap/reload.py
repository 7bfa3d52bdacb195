"""The command ``portmap reload``: have the daemon read its files again, or start anew in place."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import time
from collections.abc import Sequence

from oncrpc.cli.command import Failure, run
from oncrpc.cli.daemon_options import Parser, combined, whole_path
from oncrpc.cli.portmap.options import COMMAND, add_file
from oncrpc.daemon import lockfile
from oncrpc.daemon.config.values import ConfigError
from oncrpc.daemon.lockfile import SERVING, Holder
from oncrpc.portmap.config import LOCK

WAIT = 30.0
"""Seconds for the daemon to do it."""

POLL = 0.02
DESCRIPTION = """\
Has the port mapper that runs read its files again (SIGHUP) or, with --exec, go on as a new image of
its program, in the same process (SIGUSR2), and waits until it has done so."""


class ReloadError(Exception):
    """It was not done; the text says why."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = Parser(prog="portmap reload", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    add("--exec", action="store_true", help="execute the program again, without losing a call")
    add(
        "--pid-file", metavar="FILE", type=whole_path,
        help=f"the file that says which process it is, instead of {LOCK}",
    )  # fmt: skip
    add_file(made)
    add("--help", action="help", help="show this help and exit")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the daemon, and say what came of it; the exit status."""
    options = parser().parse_args(arguments)
    return run("portmap reload", lambda: _told_to(options))


def _told_to(options: argparse.Namespace) -> int:
    number = signal.SIGUSR2 if options.exec else signal.SIGHUP
    try:
        path = _place(options)
        before = _holder(path)
        after = _told(path, before, number)
        if after.said != SERVING:
            raise ReloadError(f"process {after.pid}: {after.said}")
    except ReloadError as error:
        raise Failure(f"portmap: {error}") from None
    done = "runs the new image, and answers" if options.exec else "has read its files again"
    print(f"portmap: process {after.pid} {done}")
    return 0


def _place(options: argparse.Namespace) -> str:
    """The file that says which process it is, as the daemon's own options have it.

    Raises:
        ReloadError: the file that was named to say so is wrong.
    """
    named = {"daemon.pid-file": options.pid_file, "config": options.config}
    given = {name: value for name, value in named.items() if value is not None}
    source = combined(COMMAND, given).source
    try:
        settings = source.read()
    except ConfigError as error:
        if source.path is not None and not options.pid_file:
            raise ReloadError(str(error)) from None
        settings = source.without_file()
    return settings.config.daemon.pid_file or LOCK


def _holder(path: str) -> Holder:
    """The daemon that runs.

    Raises:
        ReloadError: there is none, or it is not to be known.
    """
    try:
        holder = lockfile.read(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise ReloadError(f"no port mapper runs: there is no {path}; see --pid-file") from None
        reason = (error.strerror or "").lower()
        raise ReloadError(f"cannot read {path}: {reason}; run as root") from None
    if holder is None or not holder.alive or not lockfile.is_locked_by(path, holder.pid):
        raise ReloadError(f"no port mapper of ours runs that has locked {path}; see --pid-file")
    return holder


def _told(path: str, before: Holder, number: signal.Signals) -> Holder:
    """What the daemon says after the signal.

    Raises:
        ReloadError: it cannot be sent, or nothing came of it.
    """
    try:
        os.kill(before.pid, number)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise ReloadError(f"cannot signal process {before.pid}: {reason}; run as root") from None
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if not before.alive:
            raise ReloadError(f"process {before.pid} has ended; see its log")
        after = lockfile.read(path)
        if after is not None and after.pid == before.pid and after.events > before.events:
            return after
        time.sleep(POLL)
    raise ReloadError(f"process {before.pid} has not done it within {WAIT:g} s; see its log")
