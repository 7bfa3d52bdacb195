"""Serve with hooks around every call: a log, counts, and access control.

It needs no port mapper: ``python examples/serve_with_hooks.py``
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import oncrpc.importer  # greeter.x beside this file becomes a module
from oncrpc.errors import AuthError, CallError
from oncrpc.rpc import Call
from oncrpc.rpc.prot import auth_stat

import greeter  # isort: skip

outcomes: Counter[str] = Counter()


@contextmanager
def logged(call: Call) -> Iterator[None]:
    """Tell how the call ended, in the handler or in a later hook."""
    began, outcome = time.monotonic(), "failed"
    try:
        yield
        outcome = "done"
    except CallError as refusal:
        outcome = str(refusal)
        raise
    finally:
        outcomes[outcome] += 1
        took = 1000 * (time.monotonic() - began)
        logging.info("%r from %s: %s, %.1f ms", call.procedure, call.caller, outcome, took)


@contextmanager
def users_only(call: Call) -> Iterator[None]:
    if call.credential is None:
        raise AuthError(auth_stat.AUTH_TOOWEAK)
    yield


class Greeter(greeter.GREETER_V1.Service):
    def GREET(self, call: Call, name: bytes) -> bytes:
        return b"hello " + name


async def main() -> None:
    async with oncrpc.serve(Greeter(), hooks=[logged, users_only], transports=["tcp"]) as server:
        print("serving at", server.addresses["tcp"], flush=True)
        await server.wait()


logging.basicConfig(level=logging.INFO, format="%(message)s")
asyncio.run(main())
print(dict(outcomes))
