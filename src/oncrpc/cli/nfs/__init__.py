"""The command ``nfs``: commands such as ls and cat for files of an NFS server, without a mount.

Only the module of the command that the first word names is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from oncrpc.cli.command import COMMON, UsageError, complain, described, run, version_of
from oncrpc.cli.nfs.words import SUMMARIES, module_of

PROGRAM = "nfs"
TRY = f"Try '{PROGRAM} --help' for more information."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first word names; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    module = module_of(given)
    if module is None:
        return run(PROGRAM, lambda: _without_command(given))
    status: int = import_module(module).main(given[1:])
    return status


def _without_command(given: Sequence[str]) -> int:
    word = given[0] if given else ""
    if word == "--help":
        print(help_text())
        return 0
    if word in ("--version", "-V"):
        print(version_of(PROGRAM))
        return 0
    if not word:
        complain(f"{PROGRAM}: missing command")
    elif word.startswith("-"):
        complain(f"{PROGRAM}: unknown option {word!r} before the command")
    else:
        complain(f"{PROGRAM}: unknown command {word!r}: must be one of {', '.join(SUMMARIES)}")
    raise UsageError(TRY)


def help_text() -> str:
    """The text of ``nfs --help``."""
    width = max(map(len, SUMMARIES))
    commands = "\n".join(f"  {word:<{width}}  {text}" for word, text in SUMMARIES.items())
    return f"""\
Usage: {PROGRAM} COMMAND [OPTION]... URL...

Work with files of an NFS server, without mounting it. A URL is nfs://HOST[:PORT]/PATH.

Commands, each with its own --help:
{commands}

{described(COMMON)}"""
