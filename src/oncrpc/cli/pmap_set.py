"""pmap_set: registers mappings that pmap_dump wrote, read from standard input.

They are set in version 2 over the local socket, which proves the user to the port mapper: it
registers them as root's or as that user's. Without that socket TCP to the loopback address is used,
over which any user may register.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from oncrpc import sync
from oncrpc.cli import command
from oncrpc.cli.command import COMMON, Done, Failure, Option, complain, described, version_of
from oncrpc.cli.mapper_options import MAPPER_OPTIONS, MapperChoice
from oncrpc.errors import CallError, OncRpcError
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, PMAP_VERS, mapping

PROGRAM = "pmap_set"
PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}
LARGEST = 0xFFFFFFFF
LINE = re.compile(r"\s*+(\d++)\s++(\d++)\s*+(\S{1,255}+)\s*+(\d++)", re.ASCII)
"""As sscanf(3) reads ``%lu %lu %255s %u``; the rest of the line is ignored."""

USAGE = f"Usage: {PROGRAM} [--host=HOST[:PORT]] [--port=PORT] [--socket=PATH] <FILE"
OPTIONS = (
    Option("host", "", "HOST[:PORT]", "register over TCP to this host instead of the local socket"),
    *MAPPER_OPTIONS,
    *COMMON,
)
HELP = f"""{USAGE}

Register mappings with the port mapper of this host, one per line of standard input, as pmap_dump
writes them. A mapping that the port mapper refuses is reported, and the command continues; a
malformed line ends it with status 1.

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
        sync.run(_register(mapper, _input()))
    except OncRpcError as error:
        raise mapper.failure(error) from None
    return 0


def _input() -> Iterator[str]:
    """The lines of standard input."""
    try:
        for line in sys.stdin.buffer:
            yield line.decode("ascii", "backslashreplace")
    except OSError as error:
        raise Failure(f"{PROGRAM}: cannot read: {error.strerror}") from None


async def _register(mapper: MapperChoice, lines: Iterable[str]) -> None:
    """Register each line over one link."""
    async with mapper.open() as link:
        client = PMAP_VERS.Client(link)
        for line in lines:
            entry = parse_line(line)
            try:
                registered = await client.PMAPPROC_SET(entry)
            except CallError:
                registered = False
            if not registered:
                complain(f"not registered: {line.rstrip()}")


def parse_line(line: str) -> mapping:
    """Parse a line; only the low 16 bits of the port count, as in the C tool.

    Raises:
        Failure: the line is malformed.
    """
    found = LINE.match(line)
    if found is not None:
        prog, vers, proto, port = found.groups()
        number = int(proto) if proto.isdigit() else PROTOCOLS.get(proto, -1)
        if max(int(prog), int(vers), number) <= LARGEST and number >= 0:
            return mapping(int(prog), int(vers), number, int(port) & 0xFFFF)
    raise Failure(f"{PROGRAM}: malformed line: {line.rstrip()}")


if __name__ == "__main__":
    sys.exit(main())
