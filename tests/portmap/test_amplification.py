"""A source that could be forged is sent nothing that is longer than what came from it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import pytest

from oncrpc.access.admission import Admission
from oncrpc.access.call_lines import CallLog
from oncrpc.access.udp_limits import UdpLimits
from oncrpc.addr import transport
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.daemon.config.tables import BURST, REPLIES
from oncrpc.net.sockets import listen
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, call_args, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, netbuf, rpcb, rpcb_rmtcallargs
from oncrpc.rpc import AnyProcedure
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.loops import run, settle
from support.words import words

REGISTRATIONS = 10_000
HOSTS = {"udp": "127.0.0.1", "udp6": "::1"}
SHORT: dict[Any, list[Any]] = {
    mapping: [mapping(100000, 2, 17, 0), mapping(7, 1, 17, 0)],
    rpcb: [rpcb(7, 1, b"", b"", b""), rpcb(8, 0, b"udp", b"", b"")],
    call_args: [call_args(100000, 2, 0, b"")],
    rpcb_rmtcallargs: [rpcb_rmtcallargs(100000, 4, 0, b"")],
    netbuf: [netbuf(0, b""), netbuf(128, b"\2\0" + bytes(14)), netbuf(128, b"\12\0" + bytes(26))],
    bytes: [b"", b"::1.0.111", b"1.2.3.4.0.111"],
}
"""The shortest arguments that find something, by the type of the first."""

EVERY = [
    procedure
    for version in (PMAP_VERS, RPCBVERS, RPCBVERS4)
    for procedure in version.procedures.values()
]


@cache
def registry() -> Registry:
    """A large one; the addresses are as long as addresses get, on either kind of transport."""
    made = Registry()
    long = b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff.255.255"
    for n in range(REGISTRATIONS // 2):
        made.set(rpcb(7 + n, 1, b"udp", b"255.255.255.255.255.255", b"superuser"))
        made.set(rpcb(7 + n, 1, b"udp6", long, b"superuser"))
    assert len(made) == REGISTRATIONS
    return made


@asynccontextmanager
async def outside(netid: str) -> AsyncIterator[tuple[Mapper, socket.socket]]:
    """A port mapper, and a socket that it takes for one from outside: it has no loopback."""
    mapper = Mapper(registry())
    answering = Dispatcher(mapper.services(), clock=ManualClock(), reply_cache=mapper.reply_cache)
    sock = listen(transport(netid), HOSTS[netid], 0)
    limits = UdpLimits(Admission(CallLog(VOCABULARY)), replies=REPLIES, burst=BURST)
    endpoint = UdpEndpoint(sock, netid, answering, limits)
    endpoint.known.loopbacks = frozenset()
    endpoint.start()
    with socket.socket(sock.family, socket.SOCK_DGRAM) as client:
        client.connect(sock.getsockname()[:2])
        client.setblocking(False)
        yield mapper, client
    endpoint.close()
    await settle()


def arguments_of(procedure: AnyProcedure) -> list[tuple[Any, ...]]:
    """Arguments for it: short, and of something registered."""
    if not procedure.arguments:
        return [()]
    declared = procedure.arguments[0]
    kind = declared if declared in SHORT else bytes
    return [(argument,) for argument in SHORT[kind]]


async def lengths(client: socket.socket, message: bytes) -> tuple[int, list[int]]:
    """The length of a call, and of everything that came back for it, sent twice."""
    probe = words(0xFFFFFFFF, 0, 2, 1, 0, 0, 0, 0, 0, 0)  # program 1: answered, with 24 bytes
    got = []
    for _ in range(2):
        client.send(message)
        client.send(probe)
        while (reply := await _received(client))[:4] != probe[:4]:
            got.append(len(reply))
    return len(message), got


async def _received(client: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(client, 65536)


@pytest.mark.parametrize("netid", HOSTS)
def test_no_procedure_amplifies_with_10000_registrations(netid: str) -> None:
    async def scenario() -> None:
        async with outside(netid) as (_, client):
            calls = Calls(first_xid=1, retransmit=False)
            for procedure in EVERY:
                for arguments in arguments_of(procedure):
                    made = calls.start(procedure, arguments, now=0, timeout=1)
                    asked, got = await lengths(client, made.message)
                    assert all(length <= asked for length in got), (procedure, asked, got)

    run(scenario())


def test_grown_statistics_do_not_amplify() -> None:
    async def scenario() -> None:
        async with outside("udp") as (mapper, client):
            calls = Calls(first_xid=1, retransmit=False)
            for prog in range(300):
                mapper.statistics.lookups_of(4, (prog, 1, b"udp"), success=False).again()
            made = calls.start(RPCBVERS4.RPCBPROC_GETSTAT, (), now=0, timeout=1)
            assert await lengths(client, made.message) == (40, [24, 24])  # SYSTEM_ERR

    run(scenario())


@pytest.mark.parametrize(
    "message",
    [
        words(1, 0, 3),                        # RPC version 3: refused in 24 bytes
        words(1, 0, 2, 100000, 9, 0, 0, 0, 0)[:36],  # cut before the verifier
        words(1, 0, 2, 100000, 9, 0, 0, 0, 0, 0),  # version 9: PROG_MISMATCH, 32 bytes
        words(1, 0, 2, 100000, 2, 9, 0, 0, 0, 0),  # PROC_UNAVAIL
        words(1, 0, 2, 100000, 2, 0, 6, 0, 0, 0),  # AUTH_ERROR
        words(1, 0, 2, 100000, 4, 3, 0, 0, 0, 0),  # GARBAGE_ARGS
    ],
)  # fmt: skip
def test_no_refusal_amplifies(message: bytes) -> None:
    async def scenario() -> None:
        async with outside("udp") as (_, client):
            asked, got = await lengths(client, message)
            assert all(length <= asked for length in got)

    run(scenario())
