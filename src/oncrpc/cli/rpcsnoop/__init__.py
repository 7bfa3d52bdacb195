"""The command ``rpcsnoop``: the tracer, or another command that the first word names.

Only the module of that command is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from oncrpc.cli.rpcsnoop.words import TRACE, USUAL, module_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tracer, or the command that the first word names; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    module = module_of(given)
    status: int = import_module(module).main(given if module in (TRACE, USUAL) else given[1:])
    return status
