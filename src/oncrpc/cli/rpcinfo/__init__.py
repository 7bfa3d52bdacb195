"""rpcinfo: lists the registrations of port mappers and pings programs.

Output, messages and exit status are byte for byte those of the C tool; every difference is on
purpose. A form is loaded only when it is used, and a list does not import asyncio, argparse or
json, which take longer to load than the list takes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from oncrpc import sync
from oncrpc.cli import command
from oncrpc.cli.rpcinfo.options import PROGRAM, is_scan, parse_request

HOMES = {
    "portmap": "listing.mappings",
    "dump": "listing.dump",
    "watch": "watch.watch",
    "summary": "listing.summarize",
    "list": "listing.addresses",
    "delete": "listing.delete",
    "statistics": "statistics.statistics",
    "tcp": "ping.tcp",
    "udp": "ping.udp",
    "ping": "ping.ping",
    "address": "ping.address",
    "broadcast": "broadcast.broadcast",
}
"""The module of this package and the function of each form."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return command.run(PROGRAM, lambda: _execute(words))


def _execute(arguments: Sequence[str]) -> int:
    if is_scan(arguments):
        from oncrpc.cli.rpcinfo.scan import scan

        return scan(arguments[1:])
    request = parse_request(arguments)
    module, _, function = HOMES[request.form].partition(".")
    form = getattr(import_module(f"{__name__}.{module}"), function)
    status: int = sync.run(form(request))
    return status
