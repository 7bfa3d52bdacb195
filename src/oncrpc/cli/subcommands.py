"""The words that ask ``portmap`` for something else than the daemon, and where that is answered."""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {
    "config": "oncrpc.cli.portmap.config",
    "explain": "oncrpc.cli.portmap.explain",
    "reload": "oncrpc.cli.portmap.reload",
    "service": "oncrpc.cli.portmap.service",
    "status": "oncrpc.cli.portmap.status",
    "top": "oncrpc.cli.portmap.top",
}
"""The commands that are asked for by a word, the first argument, and the modules of them."""

DAEMON = "oncrpc.cli.portmap.daemon"


def module_of(arguments: Sequence[str]) -> str | None:
    """The module that the arguments ask for; None if they begin with no word that there is."""
    if not arguments or arguments[0].startswith("-"):
        return DAEMON
    return WORDS.get(arguments[0])
