"""pmap_dump: writes the mappings of a port mapper as text, which pmap_set restores.

A line has program, version, protocol, port and the program's name, if it has one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from oncrpc import sync
from oncrpc.cli import command
from oncrpc.cli.bounded_lists import PMAP_DUMP
from oncrpc.cli.command import COMMON, Done, Failure, Option, described, version_of
from oncrpc.cli.mapper_options import MAPPER_OPTIONS, MapperChoice
from oncrpc.errors import OncRpcError
from oncrpc.numbers import getrpcbynumber
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, mapping

PROGRAM = "pmap_dump"
PROTOCOLS = {IPPROTO_TCP: "tcp", IPPROTO_UDP: "udp"}
USAGE = f"Usage: {PROGRAM} [--host=HOST[:PORT]] [--port=PORT] [--socket=PATH]"
OPTIONS = (
    Option(
        "host", "", "HOST[:PORT]", "dump the port mapper of this host; by default the local one"
    ),
    *MAPPER_OPTIONS,
    *COMMON,
)
HELP = f"""{USAGE}

Write the mappings of the port mapper (its version 2), one per line, for pmap_set.

{described(OPTIONS)}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return command.run(PROGRAM, lambda: _execute(words))


def _execute(arguments: Sequence[str]) -> int:
    mapper = MapperChoice(PROGRAM)
    for name, value in command.read_options(PROGRAM, OPTIONS, arguments):
        if name == "help":
            raise Done(HELP)
        if name == "version":
            raise Done(version_of(PROGRAM))
        if not mapper.take(name, value):
            raise Failure(USAGE)
    mapper.choose()
    try:
        found = sync.run(_mappings(mapper))
    except OncRpcError as error:
        raise mapper.failure(error) from None
    sys.stdout.writelines(f"{line}\n" for line in lines(found))
    return 0


async def _mappings(mapper: MapperChoice) -> list[mapping]:
    async with mapper.open() as link:
        return await link.call(PMAP_DUMP)


def lines(found: list[mapping]) -> Iterator[str]:
    """A line for each mapping."""
    for entry in found:
        proto = PROTOCOLS.get(entry.prot, str(entry.prot))
        name = getrpcbynumber(entry.prog) or ""
        yield f"{entry.prog:10} {entry.vers:4} {proto:>5} {entry.port:6}  {name}"


if __name__ == "__main__":
    sys.exit(main())
