"""The daemon that ``nfsd`` runs without a subcommand."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.cli import daemon_command
from oncrpc.cli.nfsd.hint import hint
from oncrpc.cli.nfsd.options import COMMAND
from oncrpc.cli.nfsd.own_mapper import OwnMapper
from oncrpc.nfs.daemon.app import Nfsd


def main(arguments: Sequence[str]) -> int:
    """Run the daemon; returns the exit status."""
    app = Nfsd(make_mapper=OwnMapper)
    return daemon_command.main(app, COMMAND, arguments, hint=lambda _: hint(app))
