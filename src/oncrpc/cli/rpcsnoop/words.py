"""Find the module for a command line of ``rpcsnoop``."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS: dict[str, str] = {
    "explain": "oncrpc.cli.rpcsnoop.explain",
    "top": "oncrpc.cli.rpcsnoop.top",
}
"""The module of each command; ``./NAME`` is a file with such a name."""

TRACE = "oncrpc.cli.rpcsnoop.trace"
USUAL = "oncrpc.cli.rpcsnoop.usual"
STATISTICS = "--stats"


def module_of(arguments: Sequence[str]) -> str:
    """The module for a command line."""
    if not arguments:
        return TRACE
    return WORDS.get(arguments[0]) or (USUAL if _is_usual(arguments) else TRACE)


def _is_usual(arguments: Sequence[str]) -> bool:
    """True for ``FILE``, ``--stats FILE`` and ``FILE --stats``."""
    options = [each for each in arguments if each != "-" and each.startswith("-")]
    return len(arguments) == len(options) + 1 and options in ([], [STATISTICS])
