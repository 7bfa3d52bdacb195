"""``nfs touch``: sets the times of files to now, and creates missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command

COMMAND = NfsCommand(
    "touch",
    "URL...",
    "set the times of files to now, and create missing ones",
    (Option("no-create", "c", "", "do not create files"),),
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, lambda session: session.each(partial(_touch, session)), arguments)


def _touch(session: NfsSession, place: RemotePlace) -> None:
    try:
        place.fs.utime(place.path)
    except FileNotFoundError:
        if not session.request.has("no-create"):
            place.fs.open(place.path, "ab").close()
