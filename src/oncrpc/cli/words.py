"""The words that ask ``portmap`` for something else than the daemon, and where that is answered."""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing, which takes longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = {
    "config": "oncrpc.cli.portmap_config",
    "explain": "oncrpc.cli.portmap_explain",
    "reload": "oncrpc.cli.portmap_reload",
    "service": "oncrpc.cli.portmap_service",
    "status": "oncrpc.cli.portmap_status",
    "top": "oncrpc.cli.portmap_top",
}
"""The commands that are asked for by a word, the first argument, and the modules of them."""

DAEMON = "oncrpc.cli.portmap_daemon"


def module_of(arguments: Sequence[str]) -> str | None:
    """The module that the arguments ask for; None if they begin with no word that there is."""
    if not arguments or arguments[0].startswith("-"):
        return DAEMON
    return WORDS.get(arguments[0])
