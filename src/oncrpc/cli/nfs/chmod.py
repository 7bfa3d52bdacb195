"""``nfs chmod``: sets the permissions of files."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.cli.nfs.command_line import NfsCommand
from oncrpc.cli.nfs.mkdir import mode_of
from oncrpc.cli.nfs.session import NfsSession, run_command

COMMAND = NfsCommand("chmod", "MODE URL...", "set the permissions of files, octal", least=2)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _set_all, arguments)


def _set_all(session: NfsSession) -> None:
    text, *urls = session.request.operands
    mode = mode_of(session.request, text)
    for operand in session.operands(urls):
        with session.reporting(operand):
            place = session.place(operand)
            place.fs.chmod(place.path, mode)
