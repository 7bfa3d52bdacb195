"""``portmap trace`` and ``nfsd trace``: show the calls and replies of a running daemon.

The daemon sends them over its control socket, so no privilege to capture is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from oncrpc.cli.command import Option, complain, run, safe_text
from oncrpc.cli.daemons.control_client import RUNNING, NoStatus, add_place, followed, place_of
from oncrpc.cli.daemons.kind import CommandParser, DaemonKind
from oncrpc.cli.rpcsnoop.capture_options import CAPTURE_NAMES
from oncrpc.cli.rpcsnoop.following import Following
from oncrpc.cli.rpcsnoop.options import OPTIONS, SnoopRequest
from oncrpc.cli.rpcsnoop.shown import ShownMessages, write_lines
from oncrpc.cli.rpcsnoop.stopping import until_signal
from oncrpc.daemon.control.protocol import PROTOCOL, TRACE, Request, TraceNote
from oncrpc.daemon.control.trace import MAX_TRACED, USUAL_BYTES
from oncrpc.snoop.streams.whole import WholeMessages

EXCLUDED = {"layers", "help", "version", *CAPTURE_NAMES}
"""Options of rpcsnoop that need frames, or have another definition here."""

TRACE_OPTIONS = (
    *(option for option in OPTIONS if option.name not in EXCLUDED),
    Option("count", "c", "N", "end after N messages were shown"),
)
DESCRIPTION = """\
Shows each call to the {} of this host and its reply, as rpcsnoop does, until Ctrl-C. Calls over
local sockets are shown too. Only root and the user of the daemon may trace; no privilege to capture
is needed. During the trace the daemon does not use its reply cache, and answers more slowly."""

BYTES = {"lines": USUAL_BYTES, "stats": USUAL_BYTES}
"""Bytes of each message that the daemon sends for these forms; others need whole messages."""

LEAST = 24
"""Bytes of the header that every call has."""


class _Take(argparse.Action):
    """Collects the options in their order on the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  # argparse passes it
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        namespace.given = [*namespace.given, (self.dest, values or "")]


def parser(kind: DaemonKind[Any]) -> argparse.ArgumentParser:
    """The parser of the options: those of rpcsnoop about messages, and those of the daemon."""
    made = CommandParser(
        prog=f"{kind.name} trace",
        description=DESCRIPTION.format(kind.title),
        add_help=False,
        allow_abbrev=False,
    )
    made.set_defaults(given=[])
    for option in TRACE_OPTIONS:
        _add(made, option)
    made.add_argument(
        "-s", "--snaplen", metavar="BYTES", type=_bytes,
        help="show at most this number of bytes of each message",
    )  # fmt: skip
    add_place(made, kind)
    made.add_common()
    return made


def _add(made: argparse.ArgumentParser, option: Option) -> None:
    flags = [f"-{option.letter}"] if option.letter else []
    nargs = 0 if not option.argument else "?" if option.argument.startswith("[") else None
    made.add_argument(
        *flags, f"--{option.name}", action=_Take, dest=option.name, nargs=nargs,
        default=argparse.SUPPRESS, help=option.help.replace("%", "%%"),
        metavar=option.argument.strip("[]") or None,
    )  # fmt: skip


def _bytes(text: str) -> int:
    number = int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else -1
    if not LEAST <= number <= MAX_TRACED:
        raise argparse.ArgumentTypeError(
            f"invalid number of bytes {text!r}: must be {LEAST} to {MAX_TRACED}"
        )
    return number


def main(kind: DaemonKind[Any], arguments: Sequence[str] | None = None) -> int:
    """Show messages until a signal; returns the exit status."""
    options = parser(kind).parse_args(arguments)
    return run(f"{kind.name} trace", lambda: _execute(kind, options))


def _execute(kind: DaemonKind[Any], options: argparse.Namespace) -> int:
    program = f"{kind.name} trace"
    request = SnoopRequest(program)
    for name, value in options.given:
        request.take(name, value)
    request.finish()
    shown = ShownMessages(program, request)
    most = options.snaplen or BYTES.get(request.form, MAX_TRACED)
    try:
        note, sock = followed(
            place_of(options, kind), Request(TRACE, PROTOCOL, str(most)), TraceNote
        )
        with closing(Following(sock)) as following, until_signal(following.stop):
            complain(f"{program}: following the {kind.title}; Ctrl-C ends it")
            if note.unseen:
                complain(f"{program}: not shown: {safe_text(note.unseen)}")
            whole = WholeMessages(shown.tracer.matcher)
            write_lines(shown.lines(following.messages(whole), following.remarks))
            sys.stdout.flush()
            complain(f"{program}: {following.received} messages, {following.dropped} dropped")
            following.check()
    except NoStatus as none:
        complain(f"{kind.name}: {none}")
        return none.status
    return RUNNING
