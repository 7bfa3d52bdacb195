"""The first words of a command line of ``rpcsnoop`` that name another command than the tracer."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS: dict[str, str] = {
    "explain": "oncrpc.cli.rpcsnoop.explain",
    "top": "oncrpc.cli.rpcsnoop.top",
}
"""The commands beside the tracer, and the module of each. A file of that name is ``./NAME``."""

TRACE = "oncrpc.cli.rpcsnoop.trace"
USUAL = "oncrpc.cli.rpcsnoop.usual"
STATISTICS = "--stats"


def module_of(arguments: Sequence[str]) -> str:
    """The module for a command line; any other first word is an option or a file."""
    if not arguments:
        return TRACE
    return WORDS.get(arguments[0]) or (USUAL if _is_usual(arguments) else TRACE)


def _is_usual(arguments: Sequence[str]) -> bool:
    """True for ``FILE``, ``--stats FILE`` and ``FILE --stats``."""
    options = [each for each in arguments if each != "-" and each.startswith("-")]
    return len(arguments) == len(options) + 1 and options in ([], [STATISTICS])
