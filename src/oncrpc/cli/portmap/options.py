"""The command ``portmap`` as a daemon: its name, its configuration, its help."""

from __future__ import annotations

from oncrpc.cli.daemon_options import Command, Parser, parser_of
from oncrpc.cli.subcommands import WORDS
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


def parser() -> Parser:
    """The options of the command line; the completions are made from it too."""
    return parser_of(COMMAND)
