"""Recorded calls and replies of the C rpcbind 1.2.6, replayed against our endpoints.

``golden.jsonl`` holds one exchange a line: scenario, name, transport, outcome (reply, no-reply, EOF
or RST), and the bytes of request and reply without record marks. The scenarios: S1 a fresh daemon,
S6a and S6b calls to be forwarded with forwarding off and on, S8 the registry of an NFS server asked
from another host, S9 the bytes of real libtirpc clients. EOF and RST are both "closed" here: which
one the peer sees depends on whether its bytes had all been read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from oncrpc.addr import join_uaddr, transport
from oncrpc.aio.server import Server
from oncrpc.daemon.limits import limits
from oncrpc.net.sockets import listen, listen_local
from oncrpc.portmap.app import PortMapper as Application
from oncrpc.portmap.app import own_registrations
from oncrpc.portmap.forward import Forwarder
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader, encode_record
from support.callers import counted

DEADLINE = 2.0
HOSTS = {"udp": "127.0.0.1", "tcp": "127.0.0.1", "udp6": "::1", "tcp6": "::1"}
PROBE = b"done" + bytes.fromhex("00000000 00000002 00000001" + "00" * 24)
"""A call of program 1, which nobody serves: answered at once, and counted nowhere."""


@dataclass(frozen=True)
class Exchange:
    """One recorded call and what became of it."""

    scenario: str
    name: str
    transport: str
    outcome: str
    request: bytes
    reply: bytes

    @property
    def key(self) -> str:
        """The exchange in a table of differences."""
        return f"{self.name}/{self.transport}"


def exchanges(*scenarios: str) -> list[Exchange]:
    """The recorded exchanges of some scenarios, in order."""
    lines = (Path(__file__).parent / "golden.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Exchange(
            row["scenario"],
            row["name"],
            _transport(row["transport"], row["name"]),
            "closed" if row["outcome"] in ("EOF", "RST") else row["outcome"],
            bytes.fromhex(row["request"]),
            bytes.fromhex(row["reply"]),
        )
        for row in rows
        if row["scenario"] in scenarios
    ]


def _transport(recorded: str, name: str) -> str:
    """libtirpc registers over the local socket; what asks a named host goes over TCP."""
    if recorded != "stream":
        return recorded
    return "unix" if "_svc_" in name or name.endswith(("rpcinfo_p_1", "rpcinfo_d_1")) else "tcp"


STANDARD_ADDRESSES = {
    "udp": "0.0.0.0.0.111",
    "tcp": "0.0.0.0.0.111",
    "udp6": "::.0.111",
    "tcp6": "::.0.111",
    "local": "/run/rpcbind.sock",
}


@dataclass
class PortMapper:
    """A port mapper on ephemeral ports, whose own registrations may say 111 all the same."""

    server: Server
    mapper: Mapper
    path: str

    def endpoint(self, netid: str) -> tuple[str, int]:
        """Where to reach it on the loopback interface."""
        *_, high, low = self.server.addresses[netid].split(".")
        return HOSTS[netid], int(high) << 8 | int(low)


@contextlib.asynccontextmanager
async def port_mapper(
    path: Path,
    *,
    registered: Iterable[rpcb] = (),
    forwarding: bool = False,
    as_111: bool = True,
    caching: bool = True,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[PortMapper]:
    """Our services behind real sockets, with the registrations of a scenario."""
    registry = Registry()
    forwarder = Forwarder(now=time.time, families=("inet", "inet6")) if forwarding else None
    mapper = Mapper(registry, forwarder=forwarder, now=now)
    dispatcher = Dispatcher(
        mapper.services(),
        clock=time.monotonic,
        before=partial(counted, mapper),
        reply_cache=mapper.reply_cache if caching else None,
    )
    network, local = limits(Application.max_record)
    server = Server(dispatcher, limits=network, local_limits=local)
    for netid, host in HOSTS.items():
        server.add(listen(transport(netid), host, 0), netid)
    server.add(listen_local(str(path)), "local")
    for entry in own_registrations(STANDARD_ADDRESSES if as_111 else server.addresses):
        registry.set(entry)
    for entry in registered:
        assert registry.set(entry)
    if forwarder is not None:
        forwarder.start()
    server.start()
    yield PortMapper(server, mapper, str(path))
    if forwarder is not None:
        forwarder.close()
    await server.close()


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket whose replies are collected by xid; silence is seen by what comes later."""

    def __init__(self) -> None:
        self.replies: dict[bytes, bytes] = {}
        self.arrived = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.replies[data[:4]] = data
        self.arrived.set()

    async def reply_to(self, xid: bytes) -> bytes:
        """Wait for the reply with that xid."""
        async with asyncio.timeout(DEADLINE):
            while xid not in self.replies:
                self.arrived.clear()
                await self.arrived.wait()
        return self.replies[xid]


async def udp_outcome(
    at: tuple[str, int], exchange: Exchange, *, patient: bool
) -> tuple[str, bytes]:
    """Send a datagram, then a probe: what came before the probe's reply is the outcome.

    A call that is forwarded is answered later than a probe after it; ``patient`` waits for it.
    """
    loop = asyncio.get_running_loop()
    endpoint, replies = await loop.create_datagram_endpoint(Datagrams, remote_addr=at)
    xid = exchange.request[:4]
    endpoint.sendto(exchange.request)
    if patient and exchange.outcome == "reply":
        with contextlib.suppress(TimeoutError):
            await replies.reply_to(xid)
    endpoint.sendto(PROBE)
    await replies.reply_to(PROBE[:4])
    endpoint.close()
    reply = replies.replies.get(xid)
    return ("reply", reply) if reply is not None else ("no-reply", b"")


async def stream_outcome(at: tuple[str, int] | str, exchange: Exchange) -> tuple[str, bytes]:
    """Send a record, then a probe, if the connection still stands."""
    loop = asyncio.get_running_loop()
    family = socket.AF_UNIX if isinstance(at, str) else socket.AF_INET6
    if not isinstance(at, str) and ":" not in at[0]:
        family = socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, at)
        await loop.sock_sendall(sock, encode_record(exchange.request))
        await loop.sock_sendall(sock, encode_record(PROBE))
        return await _read_outcome(sock)


async def _read_outcome(sock: socket.socket) -> tuple[str, bytes]:
    loop, reader, records = asyncio.get_running_loop(), RecordReader(), list[bytes]()
    async with asyncio.timeout(DEADLINE):
        while not records or records[-1][:4] != PROBE[:4]:
            try:
                data = await loop.sock_recv(sock, 65536)
            except ConnectionError:
                data = b""
            if not data:
                return "closed", b""
            reader.feed(data)
            records += reader.records()
    return ("reply", records[0]) if len(records) == 2 else ("no-reply", b"")


async def outcome(
    mapper: PortMapper, exchange: Exchange, *, patient: bool = False
) -> tuple[str, bytes]:
    """The outcome of the recorded request at our port mapper."""
    if exchange.transport in ("unix", "stream"):
        return await stream_outcome(mapper.path, exchange)
    at = mapper.endpoint(exchange.transport)
    if exchange.transport.startswith("tcp"):
        return await stream_outcome(at, exchange)
    return await udp_outcome(at, exchange, patient=patient)


def entry(prog: int, vers: int, netid: str, port: int, owner: str = "superuser") -> rpcb:
    """A registration of the wildcard address."""
    host = "::" if netid.endswith("6") else "0.0.0.0"
    return rpcb(prog, vers, netid.encode(), join_uaddr(host, port).encode(), owner.encode())
