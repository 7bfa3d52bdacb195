"""The first words of a command line of ``rpcsnoop`` that name another command than the tracer."""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without loading typing
if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS: dict[str, str] = {"explain": "oncrpc.cli.rpcsnoop.explain"}
"""The commands beside the tracer, and the module of each. A file of that name is ``./NAME``."""

TRACE = "oncrpc.cli.rpcsnoop.trace"


def module_of(arguments: Sequence[str]) -> str:
    """The module for a command line; any other first word is an option or a file."""
    return WORDS.get(arguments[0], TRACE) if arguments else TRACE
