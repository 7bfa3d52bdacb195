"""The command ``nfsd`` as a daemon: its name, its configuration, its help."""

from __future__ import annotations

from oncrpc.cli.daemon_options import Command, Parser, parser_of
from oncrpc.cli.nfsd.words import WORDS
from oncrpc.nfs.daemon.config import NAME, SCHEMA, NfsdConfig

DESCRIPTION = """\
Serves directories of this host by NFS, versions 2 and 3, with MOUNT, access control lists, locks,
the status monitor and quotas, on UDP and TCP over IPv4 and IPv6. Without DIR it exports what
/etc/exports, /etc/exports.d and /etc/nfsd.toml name. Without -d or -f it goes to the background,
returning once it serves, and logs to syslog."""

COMMAND: Command[NfsdConfig] = Command(
    NAME,
    SCHEMA,
    DESCRIPTION,
    f"Other commands, each with its own --help: {', '.join(f'nfsd {word}' for word in WORDS)}."
    " A directory of such a name is written with a slash.",
)


def parser(*, operands: bool = True) -> Parser:
    """The options of the command line; the completions are made from it too."""
    return parser_of(COMMAND, operands=operands)
