"""``nfs mkdir``: creates directories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from oncrpc.cli.command import Option
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest
from oncrpc.cli.nfs.session import NfsSession, RemotePlace, run_command
from oncrpc.nfs.client.filesystem import DIRECTORY_MODE

COMMAND = NfsCommand(
    "mkdir",
    "URL...",
    "create directories",
    (
        Option("parents", "p", "", "create missing parents; do not fail if it exists"),
        Option("mode", "m", "MODE", f"the permissions, octal; {DIRECTORY_MODE:o} by default"),
    ),
)
MOST_BITS = 0o7777


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run_command(COMMAND, _create_all, arguments)


def _create_all(session: NfsSession) -> None:
    given = session.request.options.get("mode")
    mode = DIRECTORY_MODE if given is None else mode_of(session.request, given)
    session.each(partial(_create, session, mode))


def _create(session: NfsSession, mode: int, place: RemotePlace) -> None:
    parents = session.request.has("parents")
    place.fs.mkdir(place.path, mode, parents=parents, exist_ok=parents)


def mode_of(request: NfsRequest, text: str) -> int:
    """Octal permissions.

    Raises:
        UsageError: they are not.
    """
    if text and set(text) <= set("01234567") and int(text, 8) <= MOST_BITS:
        return int(text, 8)
    raise request.wrong(f"invalid mode {text}: must be octal, 0 to {MOST_BITS:o}")
