"""Our server of ``refuse/refuse.x``, and the refusals that both sides of its test know.

Run within a namespace, ``python -m support.refusing_server PATH`` registers it there,
writes a line when that is done, and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import oncrpc
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
from oncrpc.rpc import Call
from support.compiled import module_of
from support.words import words

FOLDER = Path(__file__).parents[1] / "interop" / "refuse"
TEXT = (FOLDER / "refuse.x").read_text()
OURS, THEIRS = 400700, 400710
"""The program's number as our server has it, and as the C server has it."""

NETIDS = ("udp", "tcp", "udp6", "tcp6", "local")
SAYS: tuple[type[CallError], ...] = (
    RpcMismatch, AuthError, ProgramUnavailable, ProgramMismatch, ProcedureUnavailable,
    GarbageArguments, SystemFailure,
)  # fmt: skip
"""The refusals in the order of the interface's ``denial``."""

NUMBERS = ("low", "high", "stat")
refuse: Any = module_of(TEXT, "refuse.x")


def numbers_of(refusal: CallError) -> tuple[int, ...]:
    """The numbers of a refusal: versions, or the reason why a credential is refused."""
    return tuple(getattr(refusal, name) for name in NUMBERS if hasattr(refusal, name))


def asked_for(refusal: CallError) -> bytes:
    """The argument of REFUSE that asks for it."""
    return words(SAYS.index(type(refusal)), *numbers_of(refusal))


def refusal_of(wanted: Any) -> CallError:
    """The refusal that an argument of REFUSE asks for."""
    kind: type[CallError] = SAYS[wanted.say]
    match wanted.body:
        case refuse.range(low=low, high=high):
            return kind(low, high)
        case int(why):
            return kind(why)
        case _:
            return kind()


class Refuser(refuse.REFUSE_3.Service):  # type: ignore[misc]  # compiled just now
    """Version 3, whose procedures are plain and asynchronous ones."""

    def NEXT(self, call: Call, given: Any) -> Any:
        return refuse.reading(given.unit, given.at + 1, -given.value, given.marks[::-1])

    async def COMPLEMENT(self, call: Call, given: bytes) -> bytes:
        await asyncio.sleep(0)
        return complement(given)

    async def REFUSE(self, call: Call, wanted: Any) -> None:
        raise refusal_of(wanted)

    def FAIL(self, call: Call) -> None:
        raise RuntimeError("a bug")


class Latest(refuse.REFUSE_5.Service):  # type: ignore[misc]  # compiled just now
    """Version 5; version 4 is missing."""


def complement(data: bytes) -> bytes:
    """Every bit turned."""
    return data.translate(bytes(range(255, -1, -1)))


async def main(path: str) -> None:
    """Serve on every transport until terminated."""
    services = (Refuser(), Latest())
    async with oncrpc.serve(*services, transports=NETIDS, path=path, register=True) as server:
        print("ready", flush=True)
        await server.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
