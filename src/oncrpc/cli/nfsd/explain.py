"""The command ``nfsd explain``: whether a host may mount a path, and which line decides it."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from oncrpc.cli.command import Failure, run, safe_text
from oncrpc.cli.daemons.kind import USAGE_ERROR, CommandParser
from oncrpc.cli.nfsd.export_files import add_config, add_files, exports_of
from oncrpc.nfs.exports.clients import address_of
from oncrpc.nfs.exports.explain import ExportExplanation, explain
from oncrpc.nfs.exports.render import option_list
from oncrpc.nfs.exports.surroundings import why_no_directory
from oncrpc.nfs.exports.table import Exports

GRANTED, REFUSED = 0, 1
DESCRIPTION = """\
Reports whether a host may mount a path, which line of the exports grants or refuses it, with which
options, and which users it works as. It reads the files, and does not ask the daemon. The exit
status is 0 if it may, 1 if it may not, and 2 if the arguments or the configuration are invalid."""


def parser() -> argparse.ArgumentParser:
    """The options and operands."""
    made = CommandParser(prog="nfsd explain", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    add("host", metavar="HOST", help="the client: its address, or a name")
    add("path", metavar="PATH", type=os.fsencode, help="the path that it mounts")
    add("--json", action="store_true", help="print it as JSON, for programs")
    add_files(made)
    add_config(made)
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the decision; returns the exit status."""
    options = parser().parse_args(arguments)
    return run("nfsd explain", partial(_execute, options))


class UnknownHost(Failure):
    """The client's name has no address."""

    status = USAGE_ERROR


def _execute(options: argparse.Namespace) -> int:
    exports = exports_of(options)
    exports.load()
    found = asyncio.run(_explained(exports, options.host, options.path))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(_as_json(found)), indent=2).decode())
    else:
        print("\n".join(map(safe_text, [*found.lines(), *_missing(found)])))
    return GRANTED if found.granted else REFUSED


def _missing(found: ExportExplanation) -> Iterator[str]:
    """Yield why the mount fails nevertheless: the directory is missing on this host."""
    for path in (found.path, found.asked) if found.path is not None and found.granted else ():
        reason = why_no_directory(path)
        if reason:
            yield f"  but the mount fails: {os.fsdecode(path)}: {reason} on this host"
            return


async def _explained(exports: Exports, host: str, path: bytes) -> ExportExplanation:
    return await explain(exports, await _address(host), path)


async def _address(host: str) -> str:
    """The address of a client.

    Raises:
        UnknownHost: it has none.
    """
    if address_of(host) is not None:
        return host
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError as error:
        raise UnknownHost(f"nfsd explain: {host}: {error.strerror or error}".lower()) from None
    return str(found[0][4][0])


def _as_json(found: ExportExplanation) -> dict[str, Any]:
    users = {name: found.identity(number, number) for name, number in (("root", 0), ("user", 1000))}
    return {
        "host": found.host,
        "path": os.fsdecode(found.asked),
        "export": None if found.path is None else os.fsdecode(found.path),
        "granted": found.granted,
        "entry": None if found.entry is None else str(found.entry.place),
        "options": None if found.options is None else option_list(found.options),
        "works-as": {name: {"uid": who.uid, "gid": who.gid} for name, who in users.items() if who},
        "names": list(found.names),
        "compared": [
            {
                "place": str(entry.place),
                "export": os.fsdecode(entry.path),
                "client": entry.client.text or "*",
                "outcome": outcome.value,
            }
            for entry, outcome in found.compared
        ],
    }
