"""``nfs cat``: writes the content of files to standard output."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.progress import transfer
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command

COMMAND = NfsCommand("cat", "URL...", "write the content of files to standard output")
PIECE = 4 << 20
"""Bytes that are read before they are written."""


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, lambda session: session.each(partial(_write, session)), arguments)


def _write(session: NfsSession, place: RemotePlace) -> None:
    with place.fs.open(place.path) as file:
        size = file.stat().size
        if session.output.terminal:
            while data := file.read(PIECE):
                session.output.data(data)
            return
        with transfer(session.progress, size) as step:
            while data := file.read(PIECE):
                session.output.data(data)
                step(len(data))
