"""The daemon that ``portmap`` runs without a subcommand."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.addr import split_uaddr
from oncrpc.cli import daemon_command
from oncrpc.cli.portmap.options import COMMAND
from oncrpc.portmap.app import PortMapper
from oncrpc.programs.portmap import PMAP_PORT


def main(arguments: Sequence[str]) -> int:
    """Run the daemon; returns the exit status."""
    return daemon_command.main(PortMapper(), COMMAND, arguments, hint=_hint)


def _hint(addresses: dict[str, str]) -> str:
    """A hint for the next step."""
    if "local" in addresses:
        return "portmap: try 'rpcinfo'; end with Ctrl-C\n"
    uaddr = addresses.get("tcp") or addresses.get("tcp6")
    if uaddr is None:
        return "portmap: end with Ctrl-C\n"
    host = "127.0.0.1" if "tcp" in addresses else "[::1]"
    _, port = split_uaddr(uaddr)
    place = host.strip("[]") if port == PMAP_PORT else f"{host}:{port}"
    return f"portmap: try 'rpcinfo {place}'; end with Ctrl-C\n"
