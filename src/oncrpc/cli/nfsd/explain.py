"""The command ``nfsd explain``: whether a host may mount a path, and which line decides it."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from oncrpc.cli.command import Failure, complain, run, safe_text
from oncrpc.cli.daemons.control_client import NoStatus, add_place, answer_of, place_of
from oncrpc.cli.daemons.kind import USAGE_ERROR, CommandParser
from oncrpc.cli.nfsd.export_files import add_files, complain_of_missing, exports_of
from oncrpc.cli.nfsd.kind import KIND
from oncrpc.daemon.control.protocol import PROTOCOL, Request
from oncrpc.nfs.daemon.explaining import EXPLAIN, MountExplanation, explanation_of, question
from oncrpc.nfs.exports.clients import address_of
from oncrpc.nfs.exports.explain import explain
from oncrpc.nfs.exports.surroundings import why_no_directory

GRANTED, REFUSED = 0, 1
DESCRIPTION = """\
Reports whether a host may mount a path, which line of the exports grants or refuses it, with which
options, and which users it works as. The running server is asked; if none runs, or with --exports,
the files are read. The exit status is 0 if it may, 1 if it may not, and 2 if the arguments or the
configuration are invalid."""


def parser() -> argparse.ArgumentParser:
    """The options and operands."""
    made = CommandParser(prog="nfsd explain", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    add("host", metavar="HOST", help="the client: its address, or a name")
    add("path", metavar="PATH", type=os.fsencode, help="the path that it mounts")
    add("--json", action="store_true", help="print it as JSON, for programs")
    add_files(made)
    add_place(made, KIND)
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
    address = asyncio.run(_address(options.host))
    found = _of_server(options, address) or _of_files(options, address)
    if options.json:
        fields = msgspec.to_builtins(found)
        del fields["lines"]
        print(msgspec.json.format(msgspec.json.encode(fields), indent=2).decode())
    else:
        print("\n".join(map(safe_text, [*found.lines, *_missing(found, options.path)])))
    return GRANTED if found.granted else REFUSED


def _of_server(options: argparse.Namespace, address: str) -> MountExplanation | None:
    """What the running server says; None if none runs, or if files are named."""
    if options.exports is not None:
        return None
    request = Request(EXPLAIN, PROTOCOL, question(address, options.path))
    try:
        return answer_of(place_of(options, KIND), request, MountExplanation)
    except NoStatus as none:
        complain(f"nfsd: {none}; this answer is from the files of exports")
        return None


def _of_files(options: argparse.Namespace, address: str) -> MountExplanation:
    exports = exports_of(options)
    complain_of_missing(options.exports)
    exports.load()
    return explanation_of(asyncio.run(explain(exports, address, options.path)))


def _missing(found: MountExplanation, asked: bytes) -> Iterator[str]:
    """Yield why the mount fails nevertheless: the directory is missing on this host."""
    if found.export is None or not found.granted:
        return
    for path in (os.fsencode(found.export), asked):
        reason = why_no_directory(path)
        if reason:
            yield f"  but the mount fails: {os.fsdecode(path)}: {reason} on this host"
            return


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
