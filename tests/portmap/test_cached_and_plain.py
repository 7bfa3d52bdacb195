"""A port mapper with a reply cache and one without give the same replies, whatever happens.

Callers of all kinds, changes of the registry, of the rules, of trusted networks and of interfaces
are interleaved at random. GETSTAT is among the calls, so the counters are compared, too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.access.admission import Admission
from oncrpc.access.call_lines import CallLog
from oncrpc.access.rules import Rule
from oncrpc.access.udp_limits import UdpLimits
from oncrpc.addr import transport
from oncrpc.aio.server import Server
from oncrpc.aio.udp import UdpEndpoint
from oncrpc.net.sockets import listen, loopback_interfaces
from oncrpc.portmap.config import SCHEMA
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.rpc import Call
from oncrpc.rpc.calls import Calls
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.record import RecordReader, encode_record
from oncrpc.testing import ManualClock
from support.batch_service import drain, received
from support.callers import counted
from support.loops import run
from support.words import words

SOURCES = ("127.0.0.1", "127.0.0.2", "127.0.1.2")
CALLED = ("127.0.0.1", "127.0.0.9", "127.255.255.255")
ENTRIES = [
    rpcb(100003, 3, b"udp", b"0.0.0.0.8.1", b"superuser"),
    rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser"),
    rpcb(100005, 1, b"udp", b"127.0.0.9.3.3", b"superuser"),
]
RULES = [
    "",
    'from = ["127.0.0.2/32"]\nthen = "deny"',
    'from = ["127.0.1.0/24"]\nthen = "silent"',
    'procedure = ["GETPORT", "GETADDR"]\nthen = "deny"',
    'from = ["127.0.0.0/24"]\nprogram = ["nfs"]\nthen = "silent"',
    'from = ["127.0.0.2/32"]\nthen = "allow"',
]
TRUSTED: list[tuple[str, ...]] = [(), ("127.0.0.2/32",), ("127.0.0.0/8",)]
PROBE = words(0xFFFFFFFF, 0, 2, 1, 0, 0, 0, 0, 0, 0)
"""A call of program 1: it is answered at once, and counted nowhere."""


def message(procedure: Any, *arguments: Any) -> bytes:
    """A call without its xid."""
    calls = Calls(first_xid=0, retransmit=False)
    return calls.start(procedure, arguments, now=0, timeout=1).message[4:]


MESSAGES = [
    message(PMAP_VERS.PMAPPROC_NULL),
    message(PMAP_VERS.PMAPPROC_GETPORT, mapping(100003, 3, 17, 0)),
    message(PMAP_VERS.PMAPPROC_GETPORT, mapping(7, 1, 6, 0)),
    message(PMAP_VERS.PMAPPROC_DUMP),
    message(PMAP_VERS.PMAPPROC_SET, mapping(100003, 3, 17, 2049)),
    message(RPCBVERS.RPCBPROC_GETADDR, rpcb(100003, 3, b"udp", b"127.0.0.1.0.111", b"")),
    message(RPCBVERS4.RPCBPROC_GETADDR, rpcb(100003, 3, b"", b"", b"")),
    message(RPCBVERS4.RPCBPROC_GETVERSADDR, rpcb(100003, 4, b"", b"", b"")),
    message(RPCBVERS4.RPCBPROC_GETADDRLIST, rpcb(100003, 3, b"", b"", b"")),
    message(RPCBVERS.RPCBPROC_DUMP),
    message(RPCBVERS4.RPCBPROC_UADDR2TADDR, b"127.0.0.1.0.111"),
    message(RPCBVERS4.RPCBPROC_GETSTAT),
    words(0, 2, 100000, 9, 0, 0, 0, 0, 0),  # PROG_MISMATCH
    words(0, 2, 100000, 2, 3, 0, 0, 0, 0),  # GARBAGE_ARGS
    message(PMAP_VERS.PMAPPROC_NULL)[:-4],  # not a call
]

LOOKUPS = MESSAGES[1], MESSAGES[3], MESSAGES[6]
CHANGES = st.one_of(
    st.tuples(st.just("toggle"), st.sampled_from(ENTRIES)),
    st.tuples(st.just("rules"), st.sampled_from(RULES)),
    st.tuples(st.just("deny"), st.sampled_from(["", *SOURCES])),
    st.tuples(st.just("trust"), st.sampled_from(TRUSTED), st.sampled_from([0, 3])),
    st.tuples(st.just("loopback"), st.booleans()),
    st.tuples(st.just("forget")),
)
Step = tuple[Any, ...]


@st.composite
def steps_of(draw: st.DrawFn) -> list[Step]:
    """Calls and changes. There are few different calls, so that caches have something to do."""
    asked = [draw(st.sampled_from(LOOKUPS)), *draw(st.lists(st.sampled_from(MESSAGES), max_size=2))]
    calls = st.tuples(
        st.just("call"),
        st.sampled_from(range(len(SOURCES))),
        st.sampled_from(CALLED),
        st.sampled_from(asked),
        st.integers(1, 5),
    )
    # From the start there is something to find, and mostly somebody who is not trusted.
    start: list[Step] = [("toggle", entry) for entry in ENTRIES[:2]]
    start += [("loopback", draw(st.booleans())), ("trust", draw(st.sampled_from(TRUSTED)), 0)]
    # Two thirds of the steps are calls: each kind of change is one of the alternatives.
    return start + draw(st.lists(st.one_of(*[calls] * 12, CHANGES), min_size=5, max_size=40))


STEPS = steps_of()


class HostsFile:
    """hosts_access that denies one host; its generation grows with each change."""

    def __init__(self) -> None:
        self.denied, self.generation = "", 0

    @property
    def empty(self) -> bool:
        return not self.denied

    def check(self) -> None:
        """It is always up to date."""

    def judge(self, host: str, local: str) -> bool:
        return host != self.denied


class World:
    """A port mapper whose circumstances can be changed."""

    def __init__(self, *, caching: bool) -> None:
        self.registry, self.hosts = Registry(), HostsFile()
        self.mapper = Mapper(self.registry, now=lambda: 0.0, is_ours=CALLED.__contains__)
        self.admission = Admission(CallLog(VOCABULARY, now=ManualClock()))
        self.limits = UdpLimits(self.admission, replies=0, burst=0)
        self.rules: tuple[Rule, ...] = ()
        self.admission.configure(self.rules, self.hosts)
        self.dispatcher = Dispatcher(
            self.mapper.services(),
            clock=ManualClock(),
            before=self.before,
            reply_cache=self.mapper.reply_cache if caching else None,
        )

    def before(self, call: Call) -> Awaitable[None] | None:
        """Count and judge a call, as a daemon does."""
        counted(self.mapper, call)
        return self.admission.before(call)

    def change(self, kind: str, *values: Any) -> None:
        """Change something."""
        changes: dict[str, Callable[..., None]] = {
            "toggle": self.toggle, "rules": self.use_rules, "deny": self.deny,
            "trust": self.trust, "forget": self.mapper.reply_cache.forget,
        }  # fmt: skip
        changes[kind](*values)

    def toggle(self, entry: rpcb) -> None:
        if not self.registry.drop(entry):
            self.registry.set(entry)

    def use_rules(self, text: str) -> None:
        self.rules = SCHEMA.parse(f"[[rule]]\n{text}" if text else "", "policy").rule
        self.admission.configure(self.rules, self.hosts)

    def deny(self, host: str) -> None:
        self.hosts.denied = host
        self.hosts.generation += 1

    def trust(self, networks: Sequence[str], burst: int) -> None:
        lines = ", ".join(f'"{network}"' for network in networks)
        policy = SCHEMA.parse(f"trusted = [{lines}]", "policy")
        rate = 1e-9 if burst else 0  # no token is added while the test runs
        self.limits.configure(replies=rate, burst=burst, trusted=policy.trusted_networks)


class UdpWorld(World):
    """One that is called over UDP, from several addresses to several addresses."""

    def __init__(self, *, caching: bool) -> None:
        super().__init__(caching=caching)
        sock = listen(transport("udp"), "0.0.0.0", 0)
        self.port = sock.getsockname()[1]
        self.endpoint = UdpEndpoint(sock, "udp", self.dispatcher, self.limits)
        self.clients = []
        for host in SOURCES:
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.bind((host, 0))
            self.clients.append(client)

    def before(self, call: Call) -> Awaitable[None] | None:
        """Count and judge a call, as a daemon does."""
        counted(self.mapper, call)
        return self.admission.before(call)

    def change(self, kind: str, *values: Any) -> None:
        if kind != "loopback":
            super().change(kind, *values)
            return
        self.endpoint.look_again()
        self.endpoint.known.loopbacks = loopback_interfaces() if values[0] else frozenset()

    def call(self, source: int, called: str, text: bytes, times: int) -> list[bytes]:
        """The replies to a call that is sent several times, and to one of another client."""
        sent = [words(xid) + text for xid in range(times)]
        for message in sent:
            self.clients[source].sendto(message, (called, self.port))
        sent.append(words(99) + MESSAGES[1])
        self.clients[0].sendto(sent[-1], ("127.0.0.1", self.port))
        drain(self.endpoint, sent)
        return [each for client in self.clients for each in received(client, self.endpoint.sock)]

    def counts(self) -> tuple[int, ...]:
        """The counters of the endpoint."""
        made = self.endpoint
        return made.dropped, made.overlong, made.malformed, made.busy

    def close(self) -> None:
        self.endpoint.close()
        for client in self.clients:
            client.close()


@pytest.mark.slow
@settings(max_examples=300)
@given(STEPS)
def test_cached_udp_replies_are_those_of_the_service(steps: Sequence[Step]) -> None:
    async def scenario() -> None:
        caching, plain = UdpWorld(caching=True), UdpWorld(caching=False)
        try:
            for kind, *values in steps:
                if kind == "call":
                    assert caching.call(*values) == plain.call(*values)
                    assert caching.counts() == plain.counts()
                else:
                    caching.change(kind, *values)
                    plain.change(kind, *values)
            assert told(caching) == told(plain)
        finally:
            caching.close()
            plain.close()

    run(scenario())


def told(world: World) -> str:
    """The statistics."""
    return repr(world.mapper.statistics.report())


class TcpWorld(World):
    """One that is called over TCP, from several addresses."""

    def __init__(self, *, caching: bool) -> None:
        super().__init__(caching=caching)
        self.server = Server(self.dispatcher, guard=self.limits)
        sock = listen(transport("tcp"), "127.0.0.1", 0)
        self.address = sock.getsockname()
        self.server.add(sock, "tcp")
        self.server.start()
        self.clients: list[socket.socket] = []

    async def connect(self) -> None:
        """A connection from each source."""
        for host in SOURCES:
            client = socket.socket()
            client.bind((host, 0))
            client.setblocking(False)
            self.clients.append(client)
            await asyncio.get_running_loop().sock_connect(client, self.address)

    async def call(self, source: int, text: bytes, times: int) -> list[bytes]:
        """The replies to a call sent several times; the reply to a probe marks the end."""
        loop, client = asyncio.get_running_loop(), self.clients[source]
        sent = [*(words(xid) + text for xid in range(times)), PROBE]
        await loop.sock_sendall(client, b"".join(map(encode_record, sent)))
        reader, found = RecordReader(), list[bytes]()
        while not found or found[-1][:4] != PROBE[:4]:
            data = await loop.sock_recv(client, 1 << 16)
            reader.feed(data)
            found += reader.records()
        return found

    async def close(self) -> None:
        for client in self.clients:
            client.close()
        await self.server.close()


@pytest.mark.slow
@settings(max_examples=100)
@given(STEPS)
def test_cached_tcp_replies_are_those_of_the_service(steps: Sequence[Step]) -> None:
    async def scenario() -> None:
        caching, plain = TcpWorld(caching=True), TcpWorld(caching=False)
        for world in (caching, plain):
            await world.connect()
        try:
            for kind, source, *values in ((*step, None)[: len(step) + 1] for step in steps):
                if kind == "call" and values[1] is not MESSAGES[-1]:
                    asked = source, values[1], values[2]
                    assert await caching.call(*asked) == await plain.call(*asked)
                elif kind not in ("call", "loopback"):
                    for world in (caching, plain):
                        world.change(kind, *[source, *values][:-1])
            assert told(caching) == told(plain)
        finally:
            await caching.close()
            await plain.close()

    run(scenario())
