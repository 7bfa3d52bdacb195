"""Every reply equals the C rpcbind's, or a table states the difference and the reason."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from oncrpc.addr import join_uaddr, split_uaddr
from oncrpc.portmap.app import own_registrations
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.portmap import PMAP_PROG, PMAP_VERS, call_result
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb, rpcb_rmtcallres, rpcblist_ptr
from oncrpc.rpc import Caller
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.prot import call_body
from oncrpc.xdr import codec
from support.callers import counted
from support.golden import (
    STANDARD_ADDRESSES,
    Exchange,
    PortMapper,
    entry,
    exchanges,
    outcome,
    port_mapper,
)
from support.loops import LOOPS, run_on

REPLY_HEADER = 24
GETTIME = 0x6B0113B9
FORWARDED = (100003, 100004, 100005, 100007, 100009, 100011)
"""Programs with procedures that are never forwarded."""

GARBAGE = "00000001 00000000 00000000 00000000 00000004"
MISMATCH = "00000001 00000001 00000000 00000002 00000002"
STALE = "the C daemon decodes bytes of earlier datagrams in place of those that are missing"
SILENT = "RFC 5531 §9 has a reply for this, which the C daemon does not send"

DIFFERENT: dict[str, tuple[str, str, str]] = {
    # exchange: our outcome, our reply after the xid, the reason
    "v2_getport_noargs/udp": ("reply", GARBAGE, STALE),
    "v2_getport_8bytes/udp": ("reply", GARBAGE, STALE),
    "v2_set_noargs/udp": ("reply", GARBAGE, STALE),
    "v3_getaddr_short_string/udp": ("reply", GARBAGE, STALE),
    "v3_taddr2uaddr_noargs/udp": ("reply", GARBAGE, STALE),
    "v3_uaddr2taddr_noargs/udp": ("reply", GARBAGE, STALE),
    "hdr_39bytes/udp": ("no-reply", "", STALE),
    "hdr_24bytes/udp": ("no-reply", "", STALE),
    "hdr_16bytes/udp": ("no-reply", "", STALE),
    "rpcvers1/udp": ("reply", MISMATCH, SILENT),
    "rpcvers3/udp": ("reply", MISMATCH, SILENT),
    "rpcvers1/tcp": ("reply", MISMATCH, SILENT),
    "rpcvers3/tcp": ("reply", MISMATCH, SILENT),
}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """Each event loop that the daemon supports."""
    return str(request.param)


def expected(exchange: Exchange) -> tuple[str, bytes]:
    """The recorded outcome, or ours where a difference is intended."""
    if exchange.key not in DIFFERENT:
        return exchange.outcome, exchange.reply
    kind, reply, _ = DIFFERENT[exchange.key]
    return kind, exchange.request[:4] + bytes.fromhex(reply) if reply else b""


async def differences(mapper: PortMapper, rows: list[Exchange]) -> dict[str, object]:
    """The exchanges with another result: expected and actual."""
    found: dict[str, object] = {}
    for row in rows:
        ours = await outcome(mapper, row)
        if ours != expected(row):
            found[row.key] = (expected(row), ours)
    return found


def test_fresh_daemon_answers_as_c_does(loop: str, tmp_path: Path) -> None:
    async def replay() -> dict[str, object]:
        async with port_mapper(tmp_path / "sock") as mapper:
            return await differences(mapper, exchanges("S1"))

    assert run_on(loop, replay()) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="the recorded clients registered as root")
def test_real_clients_are_answered_as_by_c(loop: str, tmp_path: Path) -> None:
    rows = [row for row in exchanges("S9") if "rpcinfo_b" not in row.name]

    async def replay() -> dict[str, object]:
        async with port_mapper(tmp_path / "sock") as mapper:
            return await differences(mapper, rows)

    assert run_on(loop, replay()) == {}


def registrations() -> list[rpcb]:
    """The registrations of the NFS server in the recorded DUMP."""
    dump = next(row for row in exchanges("S8") if row.name == "nfsreg_dump_v4")
    listed = codec(rpcblist_ptr).decode(dump.reply[REPLY_HEADER:])
    return [node.rpcb_map for node in listed if node.rpcb_map.r_prog != PMAP_PROG]


def dispatch(dispatcher: Dispatcher, caller: Caller, message: bytes) -> bytes | None:
    """The reply of a procedure that does not wait."""
    reply = dispatcher.handle(message, caller)
    assert isinstance(reply, bytes | None)
    return reply


def test_remote_host_sees_nfs_registry_as_c() -> None:
    mapper = Mapper(Registry(), now=lambda: GETTIME)
    dispatcher = Dispatcher(mapper.services(), clock=lambda: 0.0, before=partial(counted, mapper))
    for own in own_registrations(STANDARD_ADDRESSES):
        mapper.registry.set(own)
    calls = Calls(first_xid=0, retransmit=False)
    for registered in registrations():
        owner = Caller("local", uid=103 if registered.r_owner == b"103" else 0)
        call = calls.start(RPCBVERS4.RPCBPROC_SET, (registered,), now=0, timeout=1)
        dispatch(dispatcher, owner, call.message)
    for dumped in (PMAP_VERS.PMAPPROC_DUMP, RPCBVERS.RPCBPROC_DUMP, RPCBVERS.RPCBPROC_DUMP):
        message = calls.start(dumped, (), now=0, timeout=1).message
        dispatch(dispatcher, Caller("local", uid=0), message)
    remote = Caller("udp", ("10.9.0.2", 40000, 0), ("10.9.0.1", 111, 0), datagram=True)

    for row in exchanges("S8"):
        assert (row.name, dispatch(dispatcher, remote, row.request)) == (row.name, row.reply)


REFUSALS = {
    # procedure of the recorded target program: its reply after the xid and REPLY
    3: "00000000 00000000 00000000 00000003",
    4: "00000000 00000000 00000000 00000004",
    6: "00000001 00000001 00000001",
    8: "00000000 00000000 00000000 00000002 00000001 00000003",
}


class Target(asyncio.DatagramProtocol):
    """The recorded target: procedure 1 echoes its arguments, some others refuse."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        proc = int.from_bytes(data[20:24], "big")
        _, at = codec(call_body).decode_from(data, 8)
        refusal = REFUSALS.get(proc)
        body = bytes.fromhex(refusal) if refusal else bytes(16) + data[at:]
        self.transport.sendto(data[:4] + b"\0\0\0\1" + body, addr)


@contextlib.asynccontextmanager
async def target(host: str) -> AsyncIterator[int]:
    """The target on the loopback interface; its port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Target, local_addr=(host, 0))
    yield int(transport.get_extra_info("sockname")[1])
    transport.close()


def closed_port() -> int:
    """A port without a listener."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def moved(reply: bytes, request: bytes, ports: dict[int, int]) -> bytes:
    """The recorded reply to a forwarded call, with the ports that our target has."""
    if len(reply) <= REPLY_HEADER or reply[8:REPLY_HEADER] != bytes(16):
        return reply
    if request[16:20] == b"\0\0\0\2":
        by_port = codec(call_result).decode(reply[REPLY_HEADER:])
        body = codec(call_result).encode(call_result(ports[by_port.port], by_port.res))
    else:
        by_addr = codec(rpcb_rmtcallres).decode(reply[REPLY_HEADER:])
        host, port = split_uaddr(by_addr.addr.decode())
        addr = join_uaddr(host, ports[port]).encode()
        body = codec(rpcb_rmtcallres).encode(rpcb_rmtcallres(addr, by_addr.results))
    return reply[:REPLY_HEADER] + body


async def replay_forwarding(path: Path, rows: list[Exchange], *, on: bool) -> dict[str, object]:
    """Replay forwarded calls against the recorded registry and target."""
    async with target("127.0.0.1") as echo, target("::1") as echo6:
        return await _replay_forwarding(path, rows, on=on, echo=echo, echo6=echo6)


async def _replay_forwarding(
    path: Path, rows: list[Exchange], *, on: bool, echo: int, echo6: int
) -> dict[str, object]:
    dead = closed_port()
    registered = [
        entry(400001, 1, "udp", echo),
        entry(400001, 3, "udp", echo),
        entry(400001, 1, "udp6", echo6),
        entry(400001, 1, "tcp", echo),
        entry(400002, 1, "udp", dead),
        *(entry(prog, 1, "udp", echo) for prog in FORWARDED),
    ]
    found: dict[str, object] = {}
    async with port_mapper(path, registered=registered, forwarding=on, as_111=False) as mapper:
        ports = {5555: echo, 5556: echo6, 111: mapper.endpoint("udp")[1]}
        for row in rows:
            wanted = (row.outcome, moved(row.reply, row.request, ports))
            ours = await outcome(mapper, row, patient=True)
            if ours != wanted:
                found[row.key] = (wanted, ours)
    return found


def test_disabled_forwarding_is_refused_as_by_c(loop: str, tmp_path: Path) -> None:
    rows = exchanges("S6a")

    assert run_on(loop, replay_forwarding(tmp_path / "sock", rows, on=False)) == {}


def test_forwarded_calls_are_answered_as_by_c(loop: str, tmp_path: Path) -> None:
    broadcast = [row for row in exchanges("S9") if "rpcinfo_b" in row.name]
    rows = exchanges("S6b") + broadcast

    assert run_on(loop, replay_forwarding(tmp_path / "sock", rows, on=True)) == {}
