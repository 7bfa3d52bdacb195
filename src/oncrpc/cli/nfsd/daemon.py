"""The daemon that ``nfsd`` runs without a subcommand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oncrpc.cli import daemon_command
from oncrpc.cli.command import complain
from oncrpc.cli.nfsd.options import COMMAND
from oncrpc.cli.nfsd.words import WORDS
from oncrpc.nfs.daemon.app import Nfsd

if TYPE_CHECKING:
    from oncrpc.access.call_lines import CallLog
    from oncrpc.nfs.daemon.mapper import EmbeddedMapper

INVALID = 1
"""The exit status of the daemon if the command line is invalid."""


def main(arguments: Sequence[str]) -> int:
    """Run the daemon; returns the exit status."""
    meant = misspelt_command(arguments)
    if meant:
        complain(
            f"nfsd: {arguments[0]} is not a directory, and not a command;"
            f" did you mean 'nfsd {meant}'?"
        )
        return INVALID
    app = Nfsd(make_mapper=_own_mapper)
    return daemon_command.main(app, COMMAND, arguments, hint=lambda _: _hint(app))


# Most servers need neither of these modules.


def _own_mapper(call_log: CallLog) -> EmbeddedMapper:
    from oncrpc.cli.nfsd.own_mapper import OwnMapper

    return OwnMapper(call_log)


def _hint(app: Nfsd) -> str:
    from oncrpc.cli.nfsd.hint import hint

    return hint(app)


def misspelt_command(arguments: Sequence[str]) -> str:
    """The command that the first word is almost; empty if it may be an option or a directory."""
    word = arguments[0] if arguments else ""
    if not word.isalpha() or os.path.exists(word):
        return ""
    from difflib import get_close_matches  # a running daemon does not need it

    return next(iter(get_close_matches(word, WORDS, n=1, cutoff=0.7)), "")
