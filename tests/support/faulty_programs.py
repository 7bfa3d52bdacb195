"""RPC programs in one process: one that behaves, and one for each kind of fault.

Run within a namespace, ``python -m support.faulty_programs`` registers them with the port mapper,
writes a line when that is done, and serves until its standard input ends. With an argument,
``python -m support.faulty_programs BEHAVIOUR`` runs a faulty port mapper at port 111 instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from oncrpc import rpc, sync
from oncrpc.errors import (
    AuthError,
    CallError,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    RpcMismatch,
    SystemFailure,
)
from oncrpc.rpc import Procedure, Version
from oncrpc.rpc.dispatch import refuse
from support.scripted_server import HANG_UP, Handle, Server, serving

WELL_BEHAVED = 400100
WILDCARDS = {"udp": "0.0.0.0", "tcp": "0.0.0.0", "udp6": "::", "tcp6": "::"}


class ECHO_V1(Version, prog=WELL_BEHAVED, vers=1):
    """A program that has only NULL, in versions 1 and 2."""

    NULL = Procedure[None](0)

    class Service(rpc.Service):
        """Serves version 1."""

        def NULL(self, call: rpc.Call) -> None:
            return None


class ECHO_V2(Version, prog=WELL_BEHAVED, vers=2):
    """Version 2."""

    NULL = Procedure[None](0)

    class Service(rpc.Service):
        """Serves version 2."""

        def NULL(self, call: rpc.Call) -> None:
            return None


def refusing(refusal: CallError) -> Handle:
    """Refuses every call in the same way."""
    return lambda message: refuse(message[:4], refusal)


BEHAVIOURS: Mapping[str, Handle] = {
    "echo": serving(ECHO_V1.Service(), ECHO_V2.Service()),
    "auth": refusing(AuthError(5)),
    "auth-unheard-of": refusing(AuthError(99)),
    "auth-gss": refusing(AuthError(13)),
    "rpc-mismatch": refusing(RpcMismatch(3, 4)),
    "unavailable": refusing(ProgramUnavailable()),
    "mismatch": refusing(ProgramMismatch(5, 6)),
    "version-2-only": refusing(ProgramMismatch(2, 2)),
    "procedure": refusing(ProcedureUnavailable()),
    "garbage": refusing(GarbageArguments()),
    "system": refusing(SystemFailure()),
    "malformed": lambda message: message[:4] + b"\0\0\0\1\0\0\0\7",
    "hang-up": lambda message: HANG_UP,
}
PROGRAMS = {name: WELL_BEHAVED + number for number, name in enumerate(BEHAVIOURS)}
"""The program's number by its behaviour."""


def serve_programs(stack: ExitStack) -> None:
    """Serve every behaviour on every transport, and register it for versions 1 and 2."""
    for name, number in PROGRAMS.items():
        server = Server(BEHAVIOURS[name])
        for netid, host in WILDCARDS.items():
            port = server.tcp(host) if netid.startswith("tcp") else server.udp(host)
            for vers in (1, 2):
                uaddr = f"{host}.{port >> 8}.{port & 255}"
                sync.rpcbind.set(number, vers, netid, uaddr)
        stack.enter_context(server)


def serve_port_mapper(stack: ExitStack, behaviour: str) -> None:
    """Serve one behaviour where a port mapper is."""
    server = Server(BEHAVIOURS[behaviour])
    server.tcp("0.0.0.0", 111)
    server.udp("0.0.0.0", 111)
    server.local("/run/rpcbind.sock")
    os.chmod("/run/rpcbind.sock", 0o666)
    stack.enter_context(server)


if __name__ == "__main__":
    with ExitStack() as stack:
        if sys.argv[1:]:
            serve_port_mapper(stack, sys.argv[1])
        else:
            serve_programs(stack)
        print("ready", flush=True)
        sys.stdin.read()
