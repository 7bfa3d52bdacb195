"""The command ``portmap top``: the state of the daemon, refreshed every second."""

from __future__ import annotations

import argparse
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from msgspec.structs import replace

from oncrpc.cli.command import complain, run
from oncrpc.cli.daemons.control_client import RUNNING, NoStatus, add_place, place_of, status_of
from oncrpc.cli.daemons.kind import CommandParser
from oncrpc.cli.portmap.kind import KIND
from oncrpc.cli.portmap.top_layout import Scroll
from oncrpc.daemon.control.status import CallsReport
from oncrpc.portmap.status import Status

DESCRIPTION = """\
Shows the state of the port mapper of this host as 'portmap status' does and refreshes it, with the
calls per second since the last refresh. Arrows, j and k, PgUp and PgDn scroll the registrations;
q quits."""

FASTEST, SLOWEST = 0.1, 3600.0
"""Seconds between two refreshes."""

END = b"\x04"
QUIT = frozenset({b"q", b"Q", END})
KEY = re.compile(rb"\x1b[\[O][0-9;]*[~A-Za-z]|.", re.DOTALL)
"""A key as a terminal sends it: an escape sequence, or one byte."""

MOVES: dict[bytes, Callable[[Scroll], int]] = {
    **dict.fromkeys((b"\x1b[A", b"\x1bOA", b"k"), lambda _: -1),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB", b"j"), lambda _: 1),
    **dict.fromkeys((b"\x1b[5~", b"b"), lambda scroll: -scroll.page),
    **dict.fromkeys((b"\x1b[6~", b" "), lambda scroll: scroll.page),
    **dict.fromkeys((b"\x1b[H", b"\x1b[1~", b"g"), lambda scroll: -scroll.last),
    **dict.fromkeys((b"\x1b[F", b"\x1b[4~", b"G"), lambda scroll: scroll.last),
}
"""How many rows each key scrolls down; up if negative."""

SOME = 64
CANNOT = 1
NEEDS_RICH = "portmap: 'portmap top' needs the package rich: pip install 'oncrpc[top]'"
NEEDS_TERMINAL = "portmap: 'portmap top' needs a terminal that is not dumb; see 'portmap status'"
DUMB = frozenset({"dumb", "unknown"})
"""Values of ``TERM`` for which rich draws no screen."""

Keys = Callable[[float], list[bytes]]
"""Returns the keys that are pressed within that many seconds."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = CommandParser(prog="portmap top", description=DESCRIPTION, add_help=False)
    made.add_argument(
        "--interval", metavar="SECONDS", type=_interval, default=1.0,
        help="refresh at this interval instead of every second",
    )  # fmt: skip
    add_place(made, KIND)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the status until a key quits; returns the exit status."""
    options = parser().parse_args(arguments)
    return run("portmap top", lambda: _execute(options))


def _execute(options: argparse.Namespace) -> int:
    try:
        from oncrpc.cli.portmap.top_screen import screen
    except ImportError:
        complain(NEEDS_RICH)
        return CANNOT
    if not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in DUMB:
        complain(NEEDS_TERMINAL)
        return CANNOT
    try:
        place = place_of(options, KIND)
        first = status_of(place, KIND)
        scroll = Scroll()
        with keyboard() as keys, screen(scroll) as show:
            refresh(
                first, lambda: status_of(place, KIND), show,
                scroll=scroll, keys=keys, interval=options.interval,
            )  # fmt: skip
    except NoStatus as none:
        complain(f"portmap: {none}")
        return none.status
    except KeyboardInterrupt:
        pass
    return RUNNING


def refresh(
    status: Status,
    ask: Callable[[], Status],
    show: Callable[[Status], None],
    *,
    scroll: Scroll,
    keys: Keys,
    interval: float,
) -> None:
    """Show a status and, every interval, the one that follows with its rates, until a key quits."""
    shown = status
    show(shown)
    due = time.monotonic() + interval
    while True:
        pressed = keys(max(due - time.monotonic(), 0.0))
        if not QUIT.isdisjoint(pressed):
            return
        for key in pressed:
            if key in MOVES:
                scroll.move(MOVES[key](scroll))
        if time.monotonic() >= due:
            following = ask()
            shown, status = with_rates(status, following), following
            due = time.monotonic() + interval
        show(shown)


def with_rates(before: Status, after: Status) -> Status:
    """The later status with the rates since the earlier one, if they can be compared."""
    seconds = after.calls.since - before.calls.since
    counted = {(each.version, each.procedure): each.calls for each in before.calls.procedures}
    if seconds <= 0 or after.pid != before.pid or after.calls.total < before.calls.total:
        return after
    procedures = [
        replace(each, rate=(each.calls - counted.get((each.version, each.procedure), 0)) / seconds)
        for each in after.calls.procedures
    ]
    rate = (after.calls.total - before.calls.total) / seconds
    calls: CallsReport = replace(after.calls, rate=rate, window=seconds, procedures=procedures)
    return replace(after, calls=calls)


@contextmanager
def keyboard() -> Iterator[Keys]:
    """Keys as they are pressed, if standard input is a terminal, which is restored at the end."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    descriptor = sys.stdin.fileno()
    kept = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield partial(_pressed, descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, kept)


def _no_keys(seconds: float) -> list[bytes]:
    time.sleep(seconds)
    return []


def _pressed(descriptor: int, seconds: float) -> list[bytes]:
    """The keys that are pressed within that time; the end of the input counts as Ctrl-D."""
    ready, _, _ = select.select([descriptor], [], [], seconds)
    if not ready:
        return []
    return KEY.findall(os.read(descriptor, SOME)) or [END]


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not FASTEST <= seconds <= SLOWEST:
        raise argparse.ArgumentTypeError(
            f"invalid interval {text}: must be {FASTEST:g} to {SLOWEST:g} seconds"
        )
    return seconds


if __name__ == "__main__":
    sys.exit(main())
