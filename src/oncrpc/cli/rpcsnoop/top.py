"""``rpcsnoop top``: rates and service times on an interface, refreshed every second."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from oncrpc.cli.command import (
    OPERAND,
    Failure,
    Option,
    UsageError,
    described,
    run,
)
from oncrpc.cli.daemons.top import DUMB, FASTEST, SLOWEST, Keys, follow, keyboard
from oncrpc.cli.daemons.top_lines import Scroll
from oncrpc.cli.rpcsnoop.capture_options import CAPTURE_OPTIONS, read_command_line
from oncrpc.cli.rpcsnoop.options import FILTER_OPTIONS, SnoopRequest
from oncrpc.cli.rpcsnoop.selection import Selection
from oncrpc.cli.rpcsnoop.shown import programs_of
from oncrpc.cli.rpcsnoop.source import FrameSource, opened
from oncrpc.cli.rpcsnoop.top_figures import TopCounter, TopFigures
from oncrpc.cli.rpcsnoop.top_layout import object_of_figures, picture
from oncrpc.snoop.streams.tracer import KEEP, Tracer

PROGRAM = "rpcsnoop top"
USAGE = "Usage: rpcsnoop top -i NAME [--interval=SECONDS] [--json] [OPTION]..."
CAPTURING = frozenset({"interface", "snaplen", "promiscuous", "relinquish"})
OPTIONS = (
    *(option for option in CAPTURE_OPTIONS if option.name in CAPTURING),
    Option("interval", "", "SECONDS", "refresh at this interval instead of every second"),
    Option("json", "", "", "write the figures of each interval as a JSON object on a line"),
    *FILTER_OPTIONS,
    Option("help", "h", "", "print this help"),
    Option("version", "", "", "print the version"),
)
HELP = f"""{USAGE}

Show calls per second, errors and service times by procedure and by client, on a network interface.
Arrows, j and k, PgUp and PgDn scroll the clients; q quits.

{described(OPTIONS)}"""
NEEDS_RICH = f"{PROGRAM} needs the package rich: pip install 'oncrpc[top]'"
NEEDS_TERMINAL = f"{PROGRAM} needs a terminal that is not dumb; see --json"
QUITS = b"q"
STEP = 0.25
"""Seconds between two checks whether the capture has ended."""


class TopRequest(SnoopRequest):
    """A parsed command line."""

    def __init__(self) -> None:
        super().__init__(PROGRAM)
        self.interval = 1.0
        self.json = False


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    return run(PROGRAM, lambda: _execute(parse_top(arguments)))


def parse_top(arguments: Sequence[str]) -> TopRequest:
    """Parse the command line.

    Raises:
        UsageError: it is wrong. Done: ``--help`` or ``--version``.
    """
    request, operands = TopRequest(), list[str]()
    for name, value in read_command_line(PROGRAM, OPTIONS, arguments, usage=USAGE, help_=HELP):
        match name:
            case "json":
                request.json = True
            case "uid" if not value:
                raise UsageError(f"{PROGRAM}: --uid needs a value: --uid=0")
            case "interval":
                request.interval = _interval(value)
            case _ if name == OPERAND:
                operands.append(value)
            case _:
                request.take(name, value)
    if operands or not request.capture.interface:
        raise UsageError(f"{PROGRAM}: needs -i and the name of an interface, no file\n{USAGE}")
    request.capture.finish(operands, USAGE)
    request.finish()
    return request


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not FASTEST <= seconds <= SLOWEST:
        wanted = f"must be {FASTEST:g} to {SLOWEST:g} seconds"
        raise UsageError(f"{PROGRAM}: invalid interval {text!r}: {wanted}")
    return seconds


def _execute(request: TopRequest) -> int:
    show = _json_lines if request.json else _screen()
    programs = programs_of(PROGRAM, request)
    programs.load()  # without privileges, the files of modules may not be readable later
    with opened(PROGRAM, request.capture, request.hosts) as source:
        counter = TopCounter(source.name, programs, clock=time.monotonic)
        selection = Selection(request.filters, request.status, programs, files=request.files)
        ended = threading.Event()
        reader = threading.Thread(target=_count, args=(source, selection, counter, ended))
        reader.start()
        try:
            show(request, lambda: counter.take(source.dropped()), ended)
        finally:
            source.stop()
            reader.join()
    return 0


def _count(
    source: FrameSource, selection: Selection, counter: TopCounter, ended: threading.Event
) -> None:
    """Count the messages of the interface until the capture ends."""
    try:
        for message in Tracer(keep=KEEP).messages(source.frames):
            counter.add(selection.chosen(message))
    finally:
        ended.set()


Show = Callable[[TopRequest, Callable[[], TopFigures], threading.Event], None]
"""Shows the figures that a function returns, until a key quits or the capture has ended."""


def _json_lines(
    request: TopRequest, take: Callable[[], TopFigures], ended: threading.Event
) -> None:
    """Print a line for each interval, and one for the rest at the end."""
    while not ended.wait(request.interval):
        _print_object(take())
    _print_object(take())


def _print_object(figures: TopFigures) -> None:
    print(msgspec.json.encode(object_of_figures(figures)).decode(), flush=True)


def _screen() -> Show:
    """A function that shows figures on the whole terminal.

    Raises:
        Failure: there is no terminal, or rich is missing.
    """
    try:
        from oncrpc.cli.daemons.top_screen import screen
    except ImportError:
        raise Failure(NEEDS_RICH) from None
    if not sys.stdout.isatty() or os.environ.get("TERM", "").lower() in DUMB:
        raise Failure(NEEDS_TERMINAL)

    def show(request: TopRequest, take: Callable[[], TopFigures], ended: threading.Event) -> None:
        scroll = Scroll()
        with keyboard() as keys, screen(scroll, picture) as draw:
            follow(
                take(), take, draw,
                scroll=scroll, keys=_until_ended(keys, ended), interval=request.interval,
            )  # fmt: skip

    return show


def _until_ended(keys: Keys, ended: threading.Event) -> Keys:
    """The pressed keys; at the end of the capture, the key that quits."""

    def pressed(seconds: float) -> list[bytes]:
        left = seconds
        while True:
            found = keys(min(left, STEP))
            left -= STEP
            if ended.is_set():
                return [QUITS]
            if found or left <= 0:
                return found

    return pressed
