"""``nfs ln``: creates links."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.session import NfsSession, run_command

COMMAND = NfsCommand(
    "ln",
    "TARGET URL",
    "create a hard link to a file, or with -s a symbolic link",
    (Option("symbolic", "s", "", "create a symbolic link, whose text is TARGET"),),
    least=2,
    most=2,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _create, arguments)


def _create(session: NfsSession) -> None:
    target, link = session.request.operands
    operand = session.operand(link)
    if session.request.has("symbolic"):
        with session.reporting(operand):
            place = session.place(operand)
            place.fs.symlink(os.fsencode(target), place.path)
        return
    source = session.operand(target)
    with session.reporting(source):
        linked = session.place(source)
        with session.reporting(operand):
            place = session.place(operand)
            if place.fs is not linked.fs:
                raise OSError(errno.EXDEV, f"not in the export of {linked.shown}")
            place.fs.link(linked.path, place.path)
