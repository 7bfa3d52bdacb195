"""The command ``portmap`` as a daemon: its name, its configuration, its help."""

from __future__ import annotations

import argparse

from oncrpc import __version__
from oncrpc.cli.daemon_options import Command, Parser, parser_of, whole_path
from oncrpc.cli.subcommands import USAGE_ERROR, WORDS
from oncrpc.portmap.config import SCHEMA, PortmapConfig

DESCRIPTION = """\
Maps RPC program numbers to addresses: program 100000, versions 2, 3 and 4 (portmap and rpcbind,
RFC 1833), on UDP and TCP over IPv4 and IPv6 and on local sockets. Without -d or -f it goes to the
background, returning once it serves, and logs to syslog."""

COMMAND: Command[PortmapConfig] = Command(
    "portmap",
    SCHEMA,
    DESCRIPTION,
    f"Other commands, each with its own --help: {', '.join(f'portmap {word}' for word in WORDS)}.",
)


class CommandParser(Parser):
    """The parser of a command beside the daemon: a wrong command line has status 2."""

    wrong = USAGE_ERROR

    def add_common(self) -> None:
        """Add ``--version`` and ``--help``, the last options of each command."""
        version = f"{self.prog} (oncrpc) {__version__}"
        self.add_argument("-V", "--version", action="version", version=version)
        self.add_argument("--help", action="help", help="show this help and exit")


def parser() -> Parser:
    """The options of the command line; the completions are made from it too."""
    return parser_of(COMMAND)


def add_file(made: argparse.ArgumentParser) -> None:
    """Add the option that names the configuration file of the daemon to ask."""
    made.add_argument(
        "--config", metavar="FILE", type=whole_path,
        help=f"ask the daemon that is configured by this file, instead of {SCHEMA.file}",
    )  # fmt: skip
