"""Call a program that the port mapper knows, blocking and with asyncio.

    python examples/call_greeter.py [HOST [MAPPER]]

MAPPER is the port mapper to ask, such as 127.0.0.1:10111, if it is not on port 111 of HOST.
"""

from __future__ import annotations

import asyncio
import sys

import oncrpc
import oncrpc.importer  # makes greeter.x beside this file importable
from oncrpc import sync
from oncrpc.errors import NotRegistered, TransportError

import greeter  # isort: skip

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
mapper = sys.argv[2] if len(sys.argv) > 2 else None


def blocking() -> None:
    """One call."""
    with sync.connect(host, greeter.GREETER_V1.Client, mapper=mapper) as greets:
        print(greets.GREET(b"sync").decode())


async def concurrent() -> None:
    """Many calls at once on one connection."""
    async with oncrpc.connect(host, greeter.GREETER_V1.Client, mapper=mapper) as greets:
        names = [b"one", b"two", b"three"]
        for line in await asyncio.gather(*map(greets.GREET, names)):
            print(line.decode())


try:
    blocking()
    asyncio.run(concurrent())
except (NotRegistered, TransportError) as error:
    sys.exit(f"call_greeter: {error}")
