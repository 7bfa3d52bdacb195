"""``python -m oncrpc``: lists the commands, and runs one: ``python -m oncrpc rpcinfo -p``."""

from __future__ import annotations

import sys

from oncrpc.cli import entry
from oncrpc.version import __version__

COMMANDS = {
    "portmap": "the port mapper daemon; commands to ask, configure and install it",
    "nfs": "list, copy and change files of an NFS server without mounting it",
    "rpcinfo": "list what a port mapper has registered, ping RPC programs",
    "pmap_dump": "write the registrations of a port mapper as text",
    "pmap_set": "register what pmap_dump wrote",
    "showmount": "list the exports of an NFS server, and its clients",
    "rpcsnoop": "show the RPC messages of a capture file",
    "xdrc": "compile RPC interface files (.x) to Python",
}
OPTIONS = ("  -V, --version  print the version and exit", "  -h, --help     print this and exit")
USAGE_ERROR = 2


def main() -> int:
    """Run the command that the first argument names; returns the exit status."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [name, *rest]
        status: int = getattr(entry, name)()
        return status
    if name in ("-V", "--version"):
        print(f"oncrpc {__version__}")
        return 0
    if name in ("-h", "--help"):
        print(_help())
        return 0
    known = ", ".join(COMMANDS)
    sys.stderr.write(f"oncrpc: unknown command {name!r}: must be one of {known}\n")
    return USAGE_ERROR


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    usage = "Usage: python -m oncrpc [-V] COMMAND [ARGUMENT]..."
    return "\n".join([usage, "", "Commands, each with its own --help:", *lines, "", *OPTIONS])


if __name__ == "__main__":
    sys.exit(main())
