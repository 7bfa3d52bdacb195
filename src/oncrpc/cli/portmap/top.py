"""The command ``portmap top``: what the daemon is doing, again and again."""

from __future__ import annotations

import argparse
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from msgspec.structs import replace

from oncrpc.cli.command import complain, run
from oncrpc.cli.portmap.control_client import (
    RUNNING,
    NoStatus,
    StatusParser,
    add_place,
    place_of,
    status_of,
)
from oncrpc.portmap.status import Calls, Status

DESCRIPTION = """\
Shows what the port mapper of this host is doing, as 'portmap status' does, again and again, with
the calls a second since the time before. The key q ends it, as Ctrl-C does."""

FASTEST, SLOWEST = 0.1, 3600.0
"""Seconds between two looks."""

QUIT = b"qQ\x04"
SOME = 64
CANNOT = 1
NEEDS_RICH = "portmap: 'portmap top' needs the package rich: pip install 'oncrpc[top]'"
NEEDS_TERMINAL = "portmap: 'portmap top' needs a terminal; see 'portmap status'"
Quit = Callable[[float], bool]
"""Whether to end, asked for so many seconds."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = StatusParser(prog="portmap top", description=DESCRIPTION, add_help=False)
    made.add_argument(
        "--interval", metavar="SECONDS", type=_interval, default=1.0,
        help="look so often instead of every second",
    )  # fmt: skip
    add_place(made)
    made.add_argument("--help", action="help", help="show this help and exit")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it until the user has seen enough; the exit status."""
    options = parser().parse_args(arguments)
    return run("portmap top", lambda: _shown(options))


def _shown(options: argparse.Namespace) -> int:
    try:
        from oncrpc.cli.portmap.top_screen import screen
    except ImportError:
        complain(NEEDS_RICH)
        return CANNOT
    if not sys.stdout.isatty():
        complain(NEEDS_TERMINAL)
        return CANNOT
    try:
        place = place_of(options)
        first = status_of(place)
        with keys() as quits, screen() as show:
            watch(first, lambda: status_of(place), show, quits=quits, interval=options.interval)
    except NoStatus as none:
        complain(f"portmap: {none}")
        return none.status
    except KeyboardInterrupt:
        pass
    return RUNNING


def watch(
    status: Status,
    ask: Callable[[], Status],
    show: Callable[[Status], None],
    *,
    quits: Quit,
    interval: float,
) -> None:
    """Show a status, and each that follows with its rates, until it is enough."""
    show(status)
    while not quits(interval):
        following = ask()
        show(with_rates(status, following))
        status = following


def with_rates(before: Status, after: Status) -> Status:
    """The later status with the calls a second since the earlier one, if they can be compared."""
    seconds = after.calls.since - before.calls.since
    counted = {(each.version, each.procedure): each.calls for each in before.calls.procedures}
    if seconds <= 0 or after.pid != before.pid or after.calls.total < before.calls.total:
        return after
    procedures = [
        replace(each, rate=(each.calls - counted.get((each.version, each.procedure), 0)) / seconds)
        for each in after.calls.procedures
    ]
    rate = (after.calls.total - before.calls.total) / seconds
    calls: Calls = replace(after.calls, rate=rate, window=seconds, procedures=procedures)
    return replace(after, calls=calls)


@contextmanager
def keys() -> Iterator[Quit]:
    """Keys as they are pressed, where the standard input is a terminal; it is then as before."""
    if not sys.stdin.isatty():
        yield lambda seconds: bool(select.select([], [], [], seconds)[0])
        return
    descriptor = sys.stdin.fileno()
    kept = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield partial(_quits, descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, kept)


def _quits(descriptor: int, seconds: float) -> bool:
    ready, _, _ = select.select([descriptor], [], [], seconds)
    pressed = os.read(descriptor, SOME) if ready else b" "
    return not pressed or not set(QUIT).isdisjoint(pressed)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not FASTEST <= seconds <= SLOWEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no interval; {FASTEST:g} to {SLOWEST:g} seconds are"
        )
    return seconds


if __name__ == "__main__":
    sys.exit(main())
