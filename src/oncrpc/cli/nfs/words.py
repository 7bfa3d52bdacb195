"""The commands of ``nfs``, and the module of each."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {
    "ls": "oncrpc.cli.nfs.ls",
    "ping": "oncrpc.cli.nfs.ping",
}
"""The module of each command. It has ``COMMAND``, an ``NfsCommand``, and ``main``."""

SUMMARIES = {
    "ls": "list directories, or the exports of a server",
    "ping": "ask each layer of a server, and say which one fails and why",
}
"""What each command does, for the help of ``nfs``."""


def module_of(arguments: Sequence[str]) -> str | None:
    """The module for a command line; None if its first word is unknown."""
    return WORDS.get(arguments[0]) if arguments else None
