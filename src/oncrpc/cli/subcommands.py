"""The first words of a command line of ``portmap`` that name another command than the daemon."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {
    "config": "oncrpc.cli.portmap.config",
    "explain": "oncrpc.cli.portmap.explain",
    "reload": "oncrpc.cli.portmap.reload",
    "service": "oncrpc.cli.portmap.service",
    "status": "oncrpc.cli.portmap.status",
    "top": "oncrpc.cli.portmap.top",
    "trace": "oncrpc.cli.portmap.trace",
}
"""The commands beside the daemon, and the module of each."""

DAEMON = "oncrpc.cli.portmap.daemon"
USAGE_ERROR = 2
"""The exit status for a wrong command line, except for the daemon, which has that of C's."""


def module_of(arguments: Sequence[str]) -> str | None:
    """The module for a command line; None if its first word is unknown."""
    if not arguments or arguments[0].startswith("-"):
        return DAEMON
    return WORDS.get(arguments[0])
