"""List the programs that a port mapper knows, each with its addresses.

    python examples/find_programs.py [MAPPER]

MAPPER is a host, a host and port such as 127.0.0.1:10111, or the path of a local socket. Without it
``ONCRPC_MAPPER`` names the port mapper; without both, this host's is asked.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict

from oncrpc import numbers, rpcbind
from oncrpc.errors import CallError, CallTimeout, TransportError

mapper = sys.argv[1] if len(sys.argv) > 1 else None


async def main() -> None:
    """Ask once, then print a line for every version of a program."""
    places: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for entry in await rpcbind.dump(mapper=mapper):
        where = f"{entry.r_netid.decode()} {entry.r_addr.decode()}"
        places[entry.r_prog, entry.r_vers].append(where)
    for (prog, vers), found in sorted(places.items()):
        name = numbers.program_name(prog) or "-"
        print(f"{prog:10} {vers:3}  {name:12}  {', '.join(sorted(found))}")


try:
    asyncio.run(main())
except (CallError, CallTimeout, TransportError) as error:
    sys.exit(f"find_programs: {error}")
