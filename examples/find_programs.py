"""List the programs that a host's port mapper knows, each with where it is.

    python examples/find_programs.py HOST [PORT]

PORT is the port mapper's, if it is not 111.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict

import oncrpc
from oncrpc.errors import CallError, CallTimeout, TransportError

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 111


async def main() -> None:
    """Ask once, then one line for every version of a program."""
    mapper = oncrpc.binding.Binder(oncrpc.binding.dial, port=port)
    places: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for entry in await mapper.dump(host):
        where = f"{entry.r_netid.decode()} {entry.r_addr.decode()}"
        places[entry.r_prog, entry.r_vers].append(where)
    for (prog, vers), found in sorted(places.items()):
        name = oncrpc.numbers.program_name(prog) or "-"
        print(f"{prog:10} {vers:3}  {name:12}  {', '.join(sorted(found))}")


try:
    asyncio.run(main())
except (CallError, CallTimeout, TransportError) as error:
    sys.exit(f"find_programs: {host}: {error}")
