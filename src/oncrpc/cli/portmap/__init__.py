"""The command ``portmap``: the port mapper daemon, or another command that the first word names.

Only the module of that command is loaded: asking a daemon does not load the daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from oncrpc.cli.subcommands import DAEMON, USAGE_ERROR, WORDS, module_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon, or the command that the first word names; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    module = module_of(given)
    if module is None:
        known = ", ".join(WORDS)
        sys.stderr.write(f"portmap: unknown command {given[0]!r}: must be one of {known}\n")
        return USAGE_ERROR
    status: int = import_module(module).main(given if module == DAEMON else given[1:])
    return status
