"""The command ``portmap``: the port mapper daemon, or another command that a word asks for.

Only what was asked for is loaded: a command that asks a daemon does without all of the daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from oncrpc.cli.subcommands import DAEMON, WORDS, module_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon, or what a word asks for instead; the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    module = module_of(given)
    if module is None:
        known = ", ".join(WORDS)
        sys.stderr.write(f"portmap: there is no command {given[0]!r}; there is {known}\n")
        return 1
    status: int = import_module(module).main(given if module == DAEMON else given[1:])
    return status
