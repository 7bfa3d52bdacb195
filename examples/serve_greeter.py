"""Serve a program from its interface file, and register it with the port mapper.

    python examples/serve_greeter.py [PORT]

The port mapper is the host's, or one on PORT of the loopback interface.
"""

from __future__ import annotations

import asyncio
import sys

import oncrpc
import oncrpc.importer  # greeter.x beside this file becomes a module
from oncrpc.rpc import Call

import greeter  # isort: skip


class Greeter(greeter.GREETER_V1.Service):
    """Greets whoever calls."""

    async def GREET(self, call: Call, name: bytes) -> bytes:
        """The greeting."""
        return b"hello " + name + b" at " + str(call.caller).encode()


async def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    binder = oncrpc.binding.binder
    if len(sys.argv) > 1:
        binder = oncrpc.binding.Binder(oncrpc.binding.dial, port=int(sys.argv[1]), sockets=())
    async with oncrpc.serve(Greeter(), register=True, registrar=binder) as server:
        print("serving at", server.addresses["tcp"], flush=True)
        await server.wait()


asyncio.run(main())
