"""The word ``top``: the state of a daemon, refreshed every second."""

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
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from oncrpc.cli.command import complain, run
from oncrpc.cli.daemons.control_client import RUNNING, NoStatus, add_place, place_of, status_of
from oncrpc.cli.daemons.kind import CommandParser, DaemonKind
from oncrpc.cli.daemons.top_lines import S, Scroll, TopView
from oncrpc.daemon.control.status import CallsReport, CommonStatus, ProcedureCalls

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
NEEDS_RICH = "{0}: '{0} top' needs the package rich: pip install 'oncrpc[top]'"
NEEDS_TERMINAL = "{0}: '{0} top' needs a terminal that is not dumb; see '{0} status'"
DUMB = frozenset({"dumb", "unknown"})
"""Values of ``TERM`` for which rich draws no screen."""

T = TypeVar("T")
Keys = Callable[[float], list[bytes]]
"""Returns the keys that are pressed within that many seconds."""


def parser(view: TopView[Any]) -> argparse.ArgumentParser:
    """The options."""
    prog = f"{view.kind.name} top"
    made = CommandParser(prog=prog, description=view.description, add_help=False)
    made.add_argument(
        "--interval", metavar="SECONDS", type=_interval, default=1.0,
        help="refresh at this interval instead of every second",
    )  # fmt: skip
    made.add_argument(
        "--json", action="store_true",
        help="print each status as a line of JSON, for programs; needs no terminal",
    )  # fmt: skip
    add_place(made, view.kind)
    made.add_common()
    return made


def main(view: TopView[Any], arguments: Sequence[str] | None = None) -> int:
    """Show the status until a key quits; returns the exit status."""
    options = parser(view).parse_args(arguments)
    return run(f"{view.kind.name} top", lambda: _execute(view, options))


def _execute(view: TopView[S], options: argparse.Namespace) -> int:
    if options.json:
        return _print_lines(view.kind, options)
    kind = view.kind
    try:
        from oncrpc.cli.daemons.top_screen import screen
    except ImportError:
        complain(NEEDS_RICH.format(kind.name))
        return CANNOT
    if not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in DUMB:
        complain(NEEDS_TERMINAL.format(kind.name))
        return CANNOT
    try:
        place = place_of(options, kind)
        first = status_of(place, kind)
        scroll = Scroll()
        with keyboard() as keys, screen(scroll, view.picture) as show:
            refresh(
                first, lambda: status_of(place, kind), show,
                scroll=scroll, keys=keys, interval=options.interval,
            )  # fmt: skip
    except NoStatus as none:
        complain(f"{kind.name}: {none}")
        return none.status
    except KeyboardInterrupt:
        pass
    return RUNNING


def _print_lines(kind: DaemonKind[S], options: argparse.Namespace) -> int:
    """Print a line for each refresh, until it is interrupted or the daemon ends."""
    try:
        place = place_of(options, kind)
        refresh(
            status_of(place, kind), lambda: status_of(place, kind), _print_line,
            scroll=Scroll(), keys=no_keys, interval=options.interval,
        )  # fmt: skip
    except NoStatus as none:
        complain(f"{kind.name}: {none}")
        return none.status
    except KeyboardInterrupt:
        pass
    return RUNNING


def _print_line(status: CommonStatus) -> None:
    print(msgspec.json.encode(status).decode(), flush=True)


def refresh(
    status: S,
    ask: Callable[[], S],
    show: Callable[[S], None],
    *,
    scroll: Scroll,
    keys: Keys,
    interval: float,
) -> None:
    """Show a status and, every interval, the one that follows with its rates, until a key quits."""
    known = status

    def following() -> S:
        nonlocal known
        before, known = known, ask()
        return with_rates(before, known)

    follow(status, following, show, scroll=scroll, keys=keys, interval=interval)


def follow(
    first: T,
    following: Callable[[], T],
    show: Callable[[T], None],
    *,
    scroll: Scroll,
    keys: Keys,
    interval: float,
) -> None:
    """Show the first value, and a new one after every interval, until a key quits."""
    shown = first
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
            shown = following()
            due = time.monotonic() + interval
        show(shown)


def with_rates(before: S, after: S) -> S:
    """The later status with the rates since the earlier one, if they can be compared."""
    seconds = after.calls.since - before.calls.since
    earlier = {_key(each): each for each in before.calls.procedures}
    if seconds <= 0 or after.pid != before.pid or after.calls.total < before.calls.total:
        return after
    procedures = [_since(earlier.get(_key(each)), each, seconds) for each in after.calls.procedures]
    rate = (after.calls.total - before.calls.total) / seconds
    calls: CallsReport = replace(
        after.calls, rate=rate, window=seconds, procedures=procedures, refreshed=True
    )
    return replace(after, calls=calls)


def _key(each: ProcedureCalls) -> tuple[int, int, str]:
    return each.program, each.version, each.procedure


def _since(before: ProcedureCalls | None, after: ProcedureCalls, seconds: float) -> ProcedureCalls:
    """The rate of a procedure between two moments, and the time that its calls took."""
    calls, took = (0, 0.0) if before is None else (before.calls, before.seconds or 0.0)
    spent = None if after.seconds is None else after.seconds - took
    return replace(after, rate=(after.calls - calls) / seconds, seconds=spent)


@contextmanager
def keyboard() -> Iterator[Keys]:
    """Keys as they are pressed, if standard input is a terminal, which is restored at the end."""
    if not sys.stdin.isatty():
        yield no_keys
        return
    descriptor = sys.stdin.fileno()
    kept = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield partial(_pressed, descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, kept)


def no_keys(seconds: float) -> list[bytes]:
    """Sleep; there is no keyboard."""
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
