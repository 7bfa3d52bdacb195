"""Call a program that the port mapper knows, blocking and with asyncio.

    python examples/call_greeter.py HOST [PORT]

PORT is the port mapper's, if it is not 111.
"""

from __future__ import annotations

import asyncio
import sys

import oncrpc
import oncrpc.importer  # greeter.x beside this file becomes a module
from oncrpc import sync
from oncrpc.errors import NotRegistered, TransportError

import greeter  # isort: skip

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 111


def blocking() -> None:
    """One call, then done."""
    binder = sync.Binder(sync.dial, port=port)
    with sync.connect(host, greeter.GREETER_V1.Client, binder=binder) as greets:
        print(greets.GREET(b"sync").decode())


async def concurrent() -> None:
    """Many calls at once on one connection."""
    binder = oncrpc.binding.Binder(oncrpc.binding.dial, port=port)
    async with oncrpc.connect(host, greeter.GREETER_V1.Client, binder=binder) as greets:
        names = [b"one", b"two", b"three"]
        for line in await asyncio.gather(*map(greets.GREET, names)):
            print(line.decode())


try:
    blocking()
    asyncio.run(concurrent())
except (NotRegistered, TransportError) as error:
    sys.exit(f"call_greeter: {error}")
