"""The first words of a command line of ``nfsd`` that name another command than the daemon."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {
    "config": "oncrpc.cli.nfsd.config",
    "explain": "oncrpc.cli.nfsd.explain",
    "exports": "oncrpc.cli.nfsd.exports",
    "locks": "oncrpc.cli.nfsd.locks",
    "reload": "oncrpc.cli.nfsd.reload",
    "service": "oncrpc.cli.nfsd.service",
    "status": "oncrpc.cli.nfsd.status",
    "top": "oncrpc.cli.nfsd.top",
    "trace": "oncrpc.cli.nfsd.trace",
}
"""The commands beside the daemon, and the module of each."""

DAEMON = "oncrpc.cli.nfsd.daemon"


def module_of(arguments: Sequence[str]) -> str:
    """The module for a command line. Any other first word is a directory, for the daemon."""
    return WORDS.get(arguments[0], DAEMON) if arguments else DAEMON
