"""Find the hosts of the local networks on which a program runs: call its NULL everywhere.

    python examples/broadcast_ping.py PROGRAM [VERSION]

PROGRAM is a number or a name, such as 100003 or nfs. The call goes to every port mapper; those
that were started with -r pass it on to the program.
"""

from __future__ import annotations

import asyncio
import sys

import oncrpc
from oncrpc.errors import TransportError
from oncrpc.rpc import Version

if len(sys.argv) not in (2, 3):
    sys.exit("usage: broadcast_ping.py PROGRAM [VERSION]")
name = sys.argv[1]
prog = int(name, 0) if name[0].isdigit() else oncrpc.numbers.program_number(name)
if prog is None:
    sys.exit(f"broadcast_ping: no program is named {name}")


class Pinged(Version, prog=prog, vers=int(sys.argv[2]) if len(sys.argv) > 2 else 1):
    """Every program has NULL; nothing else of it has to be known."""


async def main() -> None:
    """Print each host as it answers."""
    async for host, uaddr, _ in oncrpc.broadcast(Pinged.procedures[0], duration=2.0):
        print(host, "runs it at", uaddr, flush=True)


try:
    asyncio.run(main())
except TransportError as error:
    sys.exit(f"broadcast_ping: {error}")
