"""Pings a program: calls its procedure 0, in one version or in all versions.

The program itself tells its versions: a call of version 0 is refused, and the refusal names the
lowest and the highest version.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from oncrpc.addr import transports
from oncrpc.cli.command import Failure, complain
from oncrpc.cli.rpcinfo.listing import write_json
from oncrpc.cli.rpcinfo.options import LARGEST, PROGRAM, RpcinfoRequest, program, version
from oncrpc.cli.rpcinfo.reach import Reach, split_address
from oncrpc.cli.rpcinfo.trouble import after, of_call
from oncrpc.errors import AddressError, CallTimeout, OncRpcError, ProgramMismatch
from oncrpc.rpc import Procedure
from oncrpc.rpc.program import Version
from oncrpc.sync import SocketLink

TIMEOUT = 10.0
"""Seconds for the reply to a ping."""

MOST_VERSIONS = 256
"""Versions that are pinged: a program may claim to have four thousand million."""

MAX_TIMEOUTS = 6
"""Versions that may time out before the rest are not pinged: each takes the whole timeout."""

Outcome = tuple[int, OncRpcError | None]
"""A version, and the error of its ping."""


async def tcp(request: RpcinfoRequest) -> int:
    """``-t``: ping a program found by its host's port mapper, or with ``-n`` at a port."""
    return await _by_protocol(request, "tcp")


async def udp(request: RpcinfoRequest) -> int:
    """``-u``: the same over UDP."""
    return await _by_protocol(request, "udp")


async def _by_protocol(request: RpcinfoRequest, proto: str) -> int:
    host, prog, vers = _operands(request, 1)
    reach = Reach(request, timeout=TIMEOUT)
    with after(host):
        if request.program_port:
            link = await reach.port_by(proto, host, request.program_port)
        else:
            link = await reach.program_by(proto, host, prog, vers or 0)
    return await _ping(request, link, prog, vers)


async def ping(request: RpcinfoRequest) -> int:
    """``-T``: ping a program found by its host's port mapper, over one transport."""
    host, prog, vers = _operands(request, 1)
    netid = _netid(request)
    with after(PROGRAM):
        link = await Reach(request, timeout=TIMEOUT).program(netid, host, prog, vers or 0)
    return await _ping(request, link, prog, vers)


async def address(request: RpcinfoRequest) -> int:
    """``-a``: ping a program at a universal address; no port mapper is asked."""
    netid = _netid(request)
    _, prog, vers = _operands(request, 0)
    uaddr = request.address or ""
    try:
        split_address(netid, uaddr)
    except AddressError:
        raise Failure(f"{PROGRAM}: {PROGRAM}: no address for client handle") from None
    with after(PROGRAM):
        link = await Reach(request, timeout=TIMEOUT).at(netid, uaddr)
    return await _ping(request, link, prog, vers)


def _operands(request: RpcinfoRequest, at: int) -> tuple[str, int, int | None]:
    """Host, program and version; the program is operand number ``at``."""
    vers = request.operands[at + 1 : at + 2]
    prog = program(request.operands[at])
    return request.operands[0], prog, version(vers[0]) if vers else None


def _netid(request: RpcinfoRequest) -> str:
    netid = request.netid or ""
    if netid not in transports():
        raise Failure(f"{PROGRAM}: Could not find {netid}")
    return netid


async def _ping(request: RpcinfoRequest, link: SocketLink, prog: int, vers: int | None) -> int:
    """Ping and report; returns 1 if a version was not available."""
    outcomes: list[Outcome] = []
    with link:
        async for outcome in _one(link, prog, vers) if vers is not None else _all(link, prog):
            outcomes.append(outcome)
            if not request.json:
                _report(prog, *outcome)
    if request.json:
        write_json(_item(prog, link, outcomes))
    return 1 if any(error for _, error in outcomes) else 0


def _report(prog: int, vers: int, error: OncRpcError | None) -> None:
    if error is not None:
        sys.stdout.flush()
        complain(f"{PROGRAM}: {of_call(error)}")
    state = "ready and waiting" if error is None else "is not available"
    sys.stdout.write(f"program {prog} version {vers} {state}\n")


def _item(prog: int, link: SocketLink, outcomes: list[Outcome]) -> dict[str, Any]:
    versions = [
        {
            "version": vers,
            "available": error is None,
            "error": str(of_call(error)) if error else None,
        }
        for vers, error in outcomes
    ]
    return {"program": prog, "address": link.peer, "versions": versions}


async def _one(link: SocketLink, prog: int, vers: int) -> AsyncIterator[Outcome]:
    yield vers, await null(link, prog, vers)


async def _all(link: SocketLink, prog: int) -> AsyncIterator[Outcome]:
    """Every version of the program, or the one call that did not tell the versions."""
    for unheard_of in (0, LARGEST):
        error = await null(link, prog, unheard_of)
        if isinstance(error, ProgramMismatch) and error.low <= error.high:
            low, high = error.low, error.high
            break
        if error is not None:
            yield unheard_of, error
            return
    else:
        low, high = 0, LARGEST
    vers = silent = 0
    for vers in range(low, min(high, low + MOST_VERSIONS - 1) + 1):
        error = await null(link, prog, vers)
        yield vers, error
        silent += isinstance(error, CallTimeout)
        if silent == MAX_TIMEOUTS:
            break
    if vers < high:
        complain(f"{PROGRAM}: versions {vers + 1} to {high} were not pinged")


async def null(link: SocketLink, prog: int, vers: int) -> OncRpcError | None:
    """Call procedure 0 of any program; returns the error, or None."""
    declared = {"NULL": Procedure[None](0)}
    made: Any = type("Pinged", (Version,), declared, prog=prog, vers=vers)
    try:
        await link.call(made.NULL)
    except OncRpcError as error:
        return error
    return None
