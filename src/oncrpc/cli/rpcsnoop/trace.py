"""``rpcsnoop``: show the RPC messages of a capture file or a network interface."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from oncrpc.cli import command
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcsnoop.capture_options import CaptureChoice
from oncrpc.cli.rpcsnoop.options import PROGRAM, parse_arguments
from oncrpc.cli.rpcsnoop.progress import watched
from oncrpc.cli.rpcsnoop.shown import ShownMessages, write_lines
from oncrpc.cli.rpcsnoop.source import opened
from oncrpc.snoop.capture.frames import CaptureDamaged
from oncrpc.snoop.words.programs import KnownPrograms


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    return command.run(PROGRAM, lambda: _execute(arguments))


def _execute(arguments: Sequence[str]) -> int:
    request = parse_arguments(arguments)
    choice = request.capture
    if choice.interface and request.only_counts:
        return _count(choice)
    # Load all modules now: without privileges their files may not be readable.
    shown = ShownMessages(PROGRAM, request, at_once=bool(choice.interface))
    with opened(PROGRAM, choice, request.hosts) as source:
        try:
            if choice.output and not request.shows:
                for _ in islice(source.frames, choice.count):
                    pass  # reading a frame writes it
            else:
                frames = shown.output.watched(source.frames)
                messages = shown.tracer.messages(watched(frames, request))
                write_lines(shown.lines(messages, source.remarks))
        except CaptureDamaged as damage:
            raise Failure(f"{PROGRAM}: {source.name}: {damage}") from None
    return 0


def _count(choice: CaptureChoice) -> int:
    """Show the figures of an interface without building messages."""
    from oncrpc.cli.rpcsnoop.usual_figures import show  # not needed for other output

    programs = KnownPrograms()
    programs.load()
    with opened(PROGRAM, choice) as source:
        assert source.batches is not None, "nothing is written"
        return show(source.name, source.batches, programs=programs, more=source.remarks)
