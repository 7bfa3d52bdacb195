"""Serve a program from its interface file, and register it with the port mapper.

    python examples/serve_greeter.py [MAPPER]

MAPPER is the port mapper, such as 127.0.0.1:10111, if it is not this host's.
"""

from __future__ import annotations

import asyncio
import sys

import oncrpc
import oncrpc.importer  # makes greeter.x beside this file importable
from oncrpc.rpc import Call

import greeter  # isort: skip


class Greeter(greeter.GREETER_V1.Service):
    """Greets every caller."""

    async def GREET(self, call: Call, name: bytes) -> bytes:
        """The greeting."""
        return b"hello " + name + b" at " + str(call.caller).encode()


async def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    register = sys.argv[1] if len(sys.argv) > 1 else True
    async with oncrpc.serve(Greeter(), register=register) as server:
        print("serving at", server.addresses["tcp"], flush=True)
        await server.wait()


asyncio.run(main())
